"""A controller, three brokers with their real sessions, and a network that may do anything, in one object.

Raft is played by a list: entries commit in order, a new controller keeps some prefix of what was in flight. After every
action ``check`` looks at what must never be: see its assertions. Actions take small integers, so that both hypothesis
and a seeded walk can drive it.
"""

from __future__ import annotations

import random

from skerry_broker.core.api import CreateTopicRequest, DeleteTopicRequest, ElectLeaderRequest
from skerry_broker.core.controller import Controller
from skerry_broker.core.messages import Reply
from skerry_broker.core.metadata import ClusterMetadata, PartitionState
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.peer_messages import (
    AlterPartition,
    BrokerHeartbeat,
    HeartbeatReply,
    PeerMessage,
    RegisterReply,
    RegisterRequest,
)
from skerry_broker.core.records import BrokerRegistered, Entry, NoOp, PartitionChanged, Record
from skerry_broker.core.session import BrokerSession, ReplicaReport
from skerry_broker.core.types import FlushMode, NodeConfig, TopicPartition, Voter

MS = 1_000_000
BROKERS = (0, 1, 2)
CONTROLLER = 9
"""The destination of everything that is sent to the controller, whichever broker that is."""


class Broker:
    def __init__(self, broker_id: int) -> None:
        self.id = broker_id
        self.life = 0
        self.disk = 0
        self.metadata = ClusterMetadata()
        self.session: BrokerSession | None = None
        self.missing: tuple[tuple[TopicPartition, int, int], ...] = ()
        self.damaged = False
        """Until its next registration: a log that was found damaged stays so, however often the process restarts."""
        self.lost_lives: set[int] = set()
        """Lives that began without records acknowledged before: the controller learns of it when they register."""

    @property
    def voter(self) -> Voter:
        return Voter(self.id, f"disk-{self.id}-{self.disk}")

    @property
    def incarnation(self) -> str:
        return f"process-{self.id}-{self.life}"

    def leads(self, partition: TopicPartition, now: int) -> bool:
        """It would answer a produce for this partition now."""
        state = self.metadata.partitions.get(partition)
        return (
            self.session is not None and state is not None and state.leader == self.id and self.session.lease_valid(now)
        )


class World:
    def __init__(self, flush: FlushMode = FlushMode.GROUP) -> None:
        self.config = NodeConfig(0, BROKERS, flush=flush)
        self.now = 10_000 * MS
        self.term = 0
        self.log: list[Entry] = []
        self.committed = 0
        self.round = 0
        self.request_id = 0
        self.out = Outbox()
        self.network: list[tuple[int, Voter, PeerMessage]] = []
        self.brokers = {broker_id: Broker(broker_id) for broker_id in BROKERS}
        self.checked = ClusterMetadata()
        self.answered: set[int] = set()
        self.holders: dict[TopicPartition, set[int]] = {}
        """Replicas that surely hold every committed record, if the leader commits whenever it may."""
        self.claims: dict[tuple[TopicPartition, int, int], set[tuple[int, int]]] = {}
        """Who (broker id, broker epoch) a leader has said to be caught up, by the (leader, partition) epochs wanted."""
        self.metadata = ClusterMetadata()
        self.fail_over(0)

    # --- actions: Raft ----------------------------------------------------------------------------------

    def fail_over(self, keep: int) -> None:
        """Another controller; of what was in flight the first ``keep`` entries survive."""
        if self.term:
            self.controller.step_down(self.now)
        del self.log[min(len(self.log), self.committed + keep) :]
        self.term += 1
        self.log.append(Entry(len(self.log) + 1, self.term, (NoOp(),)))
        self.committed = len(self.log)
        self.metadata = ClusterMetadata()
        for entry in self.log:
            self.metadata.apply(entry)
        self.controller = Controller(
            self.config,
            self.metadata,
            self.out,
            random.Random(self.term),
            self.now,
            term=self.term,
            propose=self._propose,
            begin_round=self._begin_round,
            wall_ns=lambda now: now,
            send=lambda destination, message: self.network.append((destination, Voter(CONTROLLER, ""), message)),
        )
        for broker in self.brokers.values():
            if broker.session is not None:
                broker.session.controller_changed(self.now, CONTROLLER + self.term)
        self.check()

    def commit(self, entries: int) -> None:
        for _ in range(min(entries, len(self.log) - self.committed)):
            entry = self.log[self.committed]
            self.committed += 1
            self.controller.applied(self.now, entry, self.metadata.apply(entry))
        self.check()

    def confirm(self) -> None:
        self.controller.round_confirmed(self.now, self.round)
        self.check()

    def replicate(self, broker_id: int, entries: int) -> None:
        """A broker applies some of what is committed."""
        broker = self.brokers[broker_id]
        for entry in self.log[broker.metadata.applied_index : self.committed][:entries]:
            changes = broker.metadata.apply(entry)
            if broker.session is not None:
                broker.session.on_applied(self.now, broker.metadata, changes)
        self.check()

    def _propose(self, now: int, records: tuple[Record, ...]) -> int | None:
        self.log.append(Entry(len(self.log) + 1, self.term, records))
        return len(self.log)

    def _begin_round(self, now: int) -> int:
        self.round += 1
        return self.round

    # --- actions: time and network ----------------------------------------------------------------------

    def advance(self, ms: int) -> None:
        for _ in range(max(1, ms // 25)):
            self.now += 25 * MS
            for broker in self.brokers.values():
                if broker.session is not None:
                    broker.session.tick(self.now)
            self.controller.tick(self.now)
            self.check()

    def stall(self, ms: int) -> None:
        """Everybody sleeps (or only the clock runs); the controller wakes first."""
        self.now += ms * MS
        self.controller.tick(self.now)
        self.check()

    def deliver(self, position: int, copy: bool = False) -> None:
        if not self.network:
            return
        position %= len(self.network)
        destination, source, message = self.network[position]
        if not copy:
            del self.network[position]
        if destination >= CONTROLLER:
            if isinstance(message, RegisterRequest):
                self.controller.register(self.now, source, message)
            elif isinstance(message, BrokerHeartbeat):
                self.controller.heartbeat(self.now, source, message)
        else:
            session = self.brokers[destination].session
            if session is not None and isinstance(message, HeartbeatReply):
                session.on_heartbeat_reply(self.now, message)
            elif session is not None and isinstance(message, RegisterReply):
                session.on_registered(self.now, message)
        self.check()

    def drop(self, position: int) -> None:
        if self.network:
            del self.network[position % len(self.network)]

    def flow(self, ms: int, *cut: int) -> None:
        """Time in which everything works, but for the brokers that are ``cut`` off (nothing arrives either way)."""
        for _ in range(max(1, ms // 50)):
            self.advance(50)
            for _ in range(2):
                for destination, source, _ in list(self.network):
                    if destination in cut or source.broker_id in cut:
                        self.network.pop(0)
                    else:
                        self.deliver(0)
                self.commit(1000)
                self.confirm()
            for broker_id in BROKERS:
                if broker_id not in cut:
                    self.replicate(broker_id, 1000)

    # --- actions: brokers and clients -------------------------------------------------------------------

    def start(self, broker_id: int, clean: bool, intact: bool, wipe: bool) -> None:
        """The process dies (if it lives) and starts again."""
        broker = self.brokers[broker_id]
        was = broker.session
        epoch = was.broker_epoch if was is not None and was.broker_epoch >= 0 and clean else None
        broker.life += 1
        if wipe:
            broker.disk += 1
        broker.damaged |= not intact
        if wipe or broker.damaged or (epoch is None and self.config.flush is not FlushMode.GROUP):
            broker.lost_lives.add(broker.life)
        broker.missing = ()
        # Its metadata is on the same disk; a wiped one starts from nothing.
        applied = 0 if wipe else broker.metadata.applied_index
        broker.metadata = ClusterMetadata()
        for entry in self.log[: min(applied, self.committed)]:
            broker.metadata.apply(entry)
        voter = broker.voter
        broker.session = BrokerSession(
            self.config,
            voter,
            broker.incarnation,
            epoch,
            not broker.damaged,
            send=lambda destination, message: self.network.append((destination, voter, message)),
            report=lambda now: ReplicaReport(broker.missing),
            now=self.now,
        )
        broker.session.controller_changed(self.now, CONTROLLER + self.term)
        self.check()

    def shut_down(self, broker_id: int) -> None:
        session = self.brokers[broker_id].session
        if session is not None:
            session.begin_shutdown(self.now)
        self.check()

    def miss_leaders(self, broker_id: int, missing: bool) -> None:
        broker = self.brokers[broker_id]
        broker.missing = ()
        if missing:
            broker.missing = tuple(
                (partition, state.leader_epoch, 900)
                for partition, state in sorted(broker.metadata.partitions.items())
                if state.leader not in (-1, broker_id)
            )

    def alter(self, broker_id: int, partition: int, members: int) -> None:
        """A broker that believes that it leads asks for an ISR: itself and the replicas in the bits of ``members``."""
        broker = self.brokers[broker_id]
        name = TopicPartition("t", partition)
        state = broker.metadata.partitions.get(name)
        if broker.session is None or state is None or state.leader != broker_id:
            return
        wanted = [r for r in state.replicas if r == broker_id or members >> r & 1]
        # A real leader adds only followers that have caught up; then they hold what is committed.
        epochs = tuple((r, broker.metadata.brokers[r].broker_epoch) for r in wanted)
        self.claims.setdefault((name, state.leader_epoch, state.partition_epoch + 1), set()).update(epochs)
        message = AlterPartition(name, broker.session.broker_epoch, state.leader_epoch, state.partition_epoch, epochs)
        self.controller.alter_partition(self.now, broker.voter, message)
        self.check()

    def create(self, partitions: int, min_isr: int) -> None:
        self.request_id += 1
        self.controller.create_topic(self.now, self.request_id, CreateTopicRequest("t", partitions, 3, min_isr))
        self.check()

    def delete(self) -> None:
        self.request_id += 1
        self.controller.delete_topic(self.now, self.request_id, DeleteTopicRequest("t"))
        self.check()

    def elect(self, partition: int, broker_id: int) -> None:
        self.request_id += 1
        self.controller.elect_leader(self.now, self.request_id, ElectLeaderRequest("t", partition, broker_id))
        self.check()

    # --- what must never be -----------------------------------------------------------------------------

    def check(self) -> None:
        for effect in self.out.take():
            if isinstance(effect, Reply):
                assert effect.request_id not in self.answered, "a client was answered twice"
                self.answered.add(effect.request_id)
        for entry in self.log[self.checked.applied_index : self.committed]:
            self._check_entry(entry)
        for partition in self.metadata.partitions:
            # Of one topic: a broker that has not heard of a deletion may still answer for the deleted one.
            topics = {
                broker.id: broker.metadata.partitions[partition].topic_id
                for broker in self.brokers.values()
                if broker.leads(partition, self.now)
            }
            assert len(set(topics.values())) == len(topics), f"{sorted(topics)} both answer for {partition}"

    def _check_entry(self, entry: Entry) -> None:
        before = dict(self.checked.partitions)
        for record in entry.records:
            if isinstance(record, BrokerRegistered):
                broker = self.brokers[record.broker_id]
                life = int(record.incarnation.rsplit("-", 1)[1])
                if any(lost <= life for lost in broker.lost_lives):
                    broker.lost_lives = {lost for lost in broker.lost_lives if lost > life}
                    for holders in self.holders.values():
                        holders.discard(broker.id)
                if life == broker.life:
                    broker.damaged = False
        self.checked.apply(entry)
        changed = {record.partition for record in entry.records if isinstance(record, PartitionChanged)}
        for partition, state in self.checked.partitions.items():
            was = before.get(partition)
            if was is not None and was.topic_id == state.topic_id:
                if was == state:
                    assert partition not in changed, f"{entry} did not follow {was}: two proposals for one state"
                    continue
                self._check_step(partition, was, state)
            else:
                self.holders[partition] = set(state.replicas)  # a new topic: all are empty
            self._check_state(partition, state)
            keep = {*state.isr, *state.elr} - self.holders[partition]
            assert not keep, f"{partition}: {sorted(keep)} may be elected without all committed records"
            if state.leader != -1 and len(state.isr) >= state.isr_needed:
                self.holders[partition] &= set(state.isr)

    def _check_state(self, partition: TopicPartition, state: PartitionState) -> None:
        isr, elr = set(state.isr), set(state.elr)
        assert not isr & elr, f"{partition}: ISR and ELR overlap"
        assert isr | elr <= set(state.replicas), f"{partition}: outside the replicas"
        assert state.leader == -1 or state.leader in isr, f"{partition}: the leader is not in sync"
        assert not elr or len(isr) < state.isr_needed, f"{partition}: an ELR beside a full ISR"
        if state.leader != -1:
            assert not self.checked.brokers[state.leader].fenced, f"{partition}: a fenced leader"

    def _check_step(self, partition: TopicPartition, was: PartitionState, state: PartitionState) -> None:
        assert state.partition_epoch == was.partition_epoch + 1, f"{partition}: epoch {state.partition_epoch}"
        moved = state.leader != was.leader
        assert state.leader_epoch == was.leader_epoch + moved, f"{partition}: {was} then {state}"
        if moved and state.leader != -1:
            assert state.leader in (*was.isr, *was.elr), f"{partition}: elected {state.leader} from nowhere"
            holders = self.holders[partition]
            assert state.leader in holders, f"{partition}: {state.leader} leads, {holders} hold all records"
        claimed = self.claims.get((partition, state.leader_epoch, state.partition_epoch), set())
        for member in state.isr:
            # Its leader adds only who has caught up; what it saw of an earlier life says nothing (KAFKA-15221).
            if not moved and (member, self.checked.brokers[member].broker_epoch) in claimed:
                self.holders[partition].add(member)
