"""A controller with a log that is a list, and brokers that are a few numbers: for step-by-step stories.

``ControlPlane`` plays Raft: what is proposed lands in ``log``; ``settle`` commits and applies it and confirms rounds.
Nothing happens by itself: time moves with ``run``, brokers speak when told.
"""

from __future__ import annotations

import random

from skerry_broker.core.api import ClientResponse, CreateTopicRequest, ElectLeaderRequest
from skerry_broker.core.controller import Controller
from skerry_broker.core.messages import Fact, Reply
from skerry_broker.core.metadata import Change, ClusterMetadata, PartitionState
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.peer_messages import (
    AlterPartition,
    AlterPartitionReply,
    AlterResult,
    BrokerHeartbeat,
    HeartbeatReply,
    PeerMessage,
    RegisterReply,
    RegisterRequest,
)
from skerry_broker.core.records import Entry, NoOp, PartitionChanged, Record
from skerry_broker.core.types import NodeConfig, TopicPartition, Voter

MS = 1_000_000
P0 = TopicPartition("orders", 0)


class ControlPlane:
    def __init__(self, brokers: int = 3, config: NodeConfig | None = None) -> None:
        self.config = config or NodeConfig(0, tuple(range(brokers)))
        self.now = 1_000 * MS
        self.term = 1
        self.metadata = ClusterMetadata()
        self.out = Outbox()
        self.log: list[Entry] = []
        self.rounds = 0
        self.confirming = True
        self.leading = True
        self.sent: list[tuple[int, PeerMessage]] = []
        self.facts: list[Fact] = []
        self.replies: dict[int, ClientResponse] = {}
        self.changes: list[Change] = []
        self.directory = {broker: f"disk-{broker}" for broker in range(brokers)}
        self.incarnation = dict.fromkeys(range(brokers), 0)
        self.epoch: dict[int, int] = {}
        self.sequence = dict.fromkeys(range(brokers), 0)
        self.report: dict[int, dict[str, object]] = {broker: {} for broker in range(brokers)}
        """What a broker adds to every heartbeat that it sends."""
        self.controller = self.new_controller()
        self.settle()

    # --- Raft -------------------------------------------------------------------------------------------

    def propose(self, now: int, records: tuple[Record, ...]) -> int | None:
        if not self.leading:
            return None
        self.log.append(Entry(len(self.log) + 1, self.term, records))
        return len(self.log)

    def begin_round(self, now: int) -> int:
        self.rounds += 1
        return self.rounds

    def new_controller(self, elected_ms_ago: int = 0, previous: tuple[int, int] | None = None) -> Controller:
        """The no-op of its term is committed and applied; then it lives."""
        self.log.append(Entry(len(self.log) + 1, self.term, (NoOp(),)))
        for entry in self.log[self.metadata.applied_index :]:
            self.metadata.apply(entry)
        return Controller(
            self.config,
            self.metadata,
            self.out,
            random.Random(7),
            self.now,
            term=self.term,
            propose=self.propose,
            begin_round=self.begin_round,
            wall_ns=lambda now: now + 10**18,
            send=lambda destination, message: self.sent.append((destination, message)),
            elected_ns=self.now - elected_ms_ago * MS,
            previous=previous,
        )

    def fail_over(self, lose_uncommitted: bool = False, elected_ms_ago: int = 0) -> None:
        """Another node becomes the controller, with or without what this one had in flight."""
        self.controller.step_down(self.now)
        self.collect()
        if lose_uncommitted:
            del self.log[self.metadata.applied_index :]
        self.term += 1
        self.controller = self.new_controller(elected_ms_ago)

    def commit(self, entries: int | None = None) -> None:
        """Apply what was proposed (the first ``entries`` of it)."""
        first = self.metadata.applied_index
        last = len(self.log) if entries is None else first + entries
        for entry in self.log[first:last]:
            changes = self.metadata.apply(entry)
            self.changes += changes
            self.controller.applied(self.now, entry, changes)

    def settle(self) -> None:
        while self.metadata.applied_index < len(self.log):
            self.commit()
        if self.confirming:
            self.controller.round_confirmed(self.now, self.rounds)
        self.collect()

    def collect(self) -> None:
        for effect in self.out.take():
            if isinstance(effect, Reply):
                assert effect.request_id not in self.replies, "answered twice"
                self.replies[effect.request_id] = effect.response
            elif isinstance(effect, Fact):
                self.facts.append(effect)

    # --- brokers ----------------------------------------------------------------------------------------

    def voter(self, broker: int) -> Voter:
        return Voter(broker, self.directory[broker])

    def register(
        self, broker: int, *, again: bool = False, clean: bool = False, intact: bool = True, group: bool = True
    ) -> None:
        if not again:
            self.incarnation[broker] += 1
        self.controller.register(
            self.now,
            self.voter(broker),
            RegisterRequest(
                f"process-{broker}-{self.incarnation[broker]}",
                self.epoch.get(broker) if clean else None,
                intact,
                group,
            ),
        )
        self.settle()
        for destination, message in reversed(self.sent):
            if isinstance(message, RegisterReply) and destination == broker:
                if self.epoch.get(broker) != message.broker_epoch:
                    self.epoch[broker], self.sequence[broker] = message.broker_epoch, 0
                break

    def beat(self, broker: int, *, applied: int | None = None, **fields: object) -> None:
        """One heartbeat, ``applied`` everything unless told otherwise. No settling."""
        self.sequence[broker] += 1
        self.controller.heartbeat(
            self.now,
            self.voter(broker),
            BrokerHeartbeat(
                self.epoch[broker],
                self.sequence[broker],
                self.metadata.applied_index if applied is None else applied,
                **{**self.report[broker], **fields},  # type: ignore[arg-type]  # fields by name, to keep stories short
            ),
        )

    def run(self, ms: int, *beating: int) -> None:
        """Time passes in steps of 50 ms; ``beating`` brokers send a heartbeat every 100 ms."""
        for step in range(ms // 50):
            self.now += 50 * MS
            if step % 2:
                for broker in beating:
                    self.beat(broker)
            self.settle()
            self.controller.tick(self.now)
            self.settle()

    def alter(
        self, broker: int, isr: tuple[int, ...], partition: TopicPartition = P0, **changed: object
    ) -> AlterResult:
        """The leader's request as it would send it now; its answer."""
        state = self.metadata.partitions[partition]
        request: dict[str, object] = {
            "broker_epoch": self.epoch[broker],
            "leader_epoch": state.leader_epoch,
            "partition_epoch": state.partition_epoch,
            "isr": tuple((member, self.epoch[member]) for member in isr),
        } | changed
        self.controller.alter_partition(
            self.now,
            self.voter(broker),
            AlterPartition(partition, **request),  # type: ignore[arg-type]  # fields by name
        )
        self.settle()
        return next(m.result for _, m in reversed(self.sent) if isinstance(m, AlterPartitionReply))

    # --- looking ----------------------------------------------------------------------------------------

    def start(self, min_isr: int = 2, partitions: int = 1, factor: int | None = None) -> None:
        """All brokers up, one topic ``orders``."""
        for broker in self.directory:
            self.register(broker)
        self.run(100, *self.directory)
        request = CreateTopicRequest("orders", partitions, factor or len(self.directory), min_isr)
        self.controller.create_topic(self.now, 1, request)
        self.settle()

    def elect(self, broker: int, request_id: int = 50, timeout_ms: int = 5000) -> None:
        self.controller.elect_leader(self.now, request_id, ElectLeaderRequest("orders", 0, broker, timeout_ms))

    @property
    def p0(self) -> PartitionState:
        return self.metadata.partitions[P0]

    def shape(self, partition: TopicPartition = P0) -> str:
        """``leader@epoch isr [..] elr [..]``"""
        state = self.metadata.partitions[partition]
        leader = "none" if state.leader < 0 else state.leader
        return f"{leader}@{state.leader_epoch} isr {list(state.isr)} elr {list(state.elr)}"

    def last_reply(self, broker: int) -> HeartbeatReply:
        return next(m for to, m in reversed(self.sent) if to == broker and isinstance(m, HeartbeatReply))

    def entries_since(self, index: int) -> list[tuple[Record, ...]]:
        return [entry.records for entry in self.log[index:]]

    def elections(self) -> list[tuple[int, str]]:
        """(leader, reason) of every election of orders-0 in the log."""
        found, leader = [], -1
        for entry in self.log:
            for record in entry.records:
                if isinstance(record, PartitionChanged) and record.partition == P0:
                    if record.leader not in (leader, -1):
                        found.append((record.leader, record.reason))
                    leader = record.leader
        return found
