"""What has happened for good: the committed metadata log, and the committed records of every partition."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from skerry_broker.core.records import (
    BrokerFenced,
    BrokerLeaving,
    BrokerRegistered,
    BrokerUnfenced,
    Entry,
    Founded,
    PartitionChanged,
    TopicCreated,
    TopicDeleted,
    VotersChanged,
)
from skerry_broker.core.types import NO_BROKER, NO_PRODUCER, Batch, TopicPartition, Voter

if TYPE_CHECKING:
    from skerry.worlds.sim.node_host import NodeHost


class Violation(msgspec.Struct, frozen=True):
    rule: str
    at_ns: int
    """True time."""
    broker: int
    """Which broker broke the rule; -1: no single one."""
    message: str

    @property
    def sentence(self) -> str:
        """What broke, without the rule and the time."""
        return f"broker {self.broker}: {self.message}" if self.broker >= 0 else self.message

    def __str__(self) -> str:
        return f"{self.at_ns / 1e9:.6f}s {self.rule}: {self.sentence}"


class BrokerTruth(msgspec.Struct):
    """A broker's committed registration."""

    broker_epoch: int
    directory_id: str
    fenced: bool = True
    leaving: bool = False


class PartitionTruth:
    """The committed state of one partition, and its committed records."""

    def __init__(self, partition: TopicPartition, topic_id: str, min_isr: int, replicas: tuple[int, ...]) -> None:
        self.partition = partition
        self.topic_id = topic_id
        self.copies_needed = min(min_isr, len(replicas))
        self.replicas = replicas
        self.leader = NO_BROKER
        self.leader_epoch = -1
        self.partition_epoch = -1
        self.isr: tuple[int, ...] = ()
        self.elr: tuple[int, ...] = ()
        self.leaders: dict[int, int] = {}
        """The leader of every committed leader epoch that had one."""
        self.successor_epoch = -1
        """The newest epoch that has a leader: when there is one above an epoch, nobody may answer in that epoch."""
        self.moves_from_living = 0
        """How often it was taken from a leader that lived but could not do its work."""
        self.high_watermark = 0
        """The highest that any broker ever showed."""
        self.acknowledged_end = 0
        """Everything below it was acknowledged to a client with acks=All, or lies below something that was."""
        self.batches: list[Batch] = []
        self.bases: list[int] = []
        self.exposed: dict[int, int] = {}
        """Per leader epoch the last high watermark that its leader showed."""
        self.sequences: dict[tuple[int, int], int] = {}
        """(producer id, epoch) -> the next sequence number."""
        self.appended: dict[tuple[int, int], tuple[Batch, int, int]] = {}
        """(offset, leader epoch) -> (batch, offset and epoch of the batch before it), as first written anywhere."""
        self.writers: dict[int, tuple[int, int]] = {}
        """Leader epoch -> (broker, process start) that appended in it for clients."""

    def batch_at(self, offset: int) -> Batch | None:
        position = bisect_right(self.bases, offset) - 1
        if position < 0:
            return None
        batch = self.batches[position]
        return batch if offset < batch.base_offset + batch.record_count else None


class Truth:
    def __init__(self) -> None:
        self.hosts: list[NodeHost] = []
        self.now_ns: Callable[[], int] = lambda: 0
        self.violations: list[Violation] = []
        self.on_partition_changed: Callable[[PartitionTruth, PartitionChanged, tuple[int, ...]], None] | None = None
        self.on_forgotten: Callable[[], None] = lambda: None
        self._begin()

    def _begin(self) -> None:
        """Nothing has happened yet, in this cluster."""
        self.committed: list[Entry] = []
        """Index i is at position i - 1."""
        self.cluster_voters: tuple[Voter, ...] = ()
        self.brokers: dict[int, BrokerTruth] = {}
        self.partitions: dict[TopicPartition, PartitionTruth] = {}
        self.deleted: dict[str, str] = {}
        """Topic id -> topic, of deleted topics."""
        self.lost_disks: dict[int, str] = {}
        """Brokers whose disk the world took away -> the new directory id; until that one has registered, the old
        copy is not held against anybody."""
        self.lost_votes: set[int] = set()
        """Brokers whose metadata log the world damaged: their records are whole, their vote counts no more."""

    def violate(self, rule: str, broker: int, message: str) -> None:
        self.violations.append(Violation(rule, self.now_ns(), broker, message))

    def host(self, broker_id: int) -> NodeHost | None:
        return self.hosts[broker_id] if 0 <= broker_id < len(self.hosts) else None

    def lose_disk(self, broker_id: int) -> None:
        """The world took away its disk, or damaged it. When no disk knows the cluster any more, what the brokers found
        next is another one, which owes the old one nothing."""
        self.lost_disks[broker_id] = self.hosts[broker_id].disk.directory_id
        if self.committed and not any(host.disk.raft.durable_hard_state.term for host in self.hosts):
            self._begin()
            self.on_forgotten()

    def holds(self, broker_id: int) -> bool:
        """The broker's disk is the one that the cluster knows."""
        return broker_id not in self.lost_disks

    # --- metadata -------------------------------------------------------------------------------------------

    def commit(self, entry: Entry) -> None:
        """The next entry of the metadata log is committed."""
        self.committed.append(entry)
        without_disk: list[int] = []
        for record in entry.records:
            if isinstance(record, PartitionChanged):
                self._change_partition(record)
            elif isinstance(record, BrokerRegistered):
                self.brokers[record.broker_id] = BrokerTruth(entry.index, record.directory_id)
                if self.lost_disks.get(record.broker_id) == record.directory_id:
                    del self.lost_disks[record.broker_id]
                    without_disk.append(record.broker_id)
            elif isinstance(record, BrokerFenced | BrokerUnfenced | BrokerLeaving):
                broker = self.brokers.get(record.broker_id)
                if broker is not None and broker.broker_epoch == record.broker_epoch:
                    if isinstance(record, BrokerLeaving):
                        broker.leaving = True
                    else:
                        broker.fenced = isinstance(record, BrokerFenced)
            elif isinstance(record, TopicCreated):
                for number, replicas in enumerate(record.assignments):
                    partition = TopicPartition(record.topic, number)
                    if partition not in self.partitions:
                        self.partitions[partition] = PartitionTruth(
                            partition, record.topic_id, record.min_in_sync_replicas, replicas
                        )
            elif isinstance(record, TopicDeleted):
                self.deleted[record.topic_id] = record.topic
                for partition in [p for p, truth in self.partitions.items() if truth.topic_id == record.topic_id]:
                    del self.partitions[partition]
            elif isinstance(record, Founded | VotersChanged):
                self.cluster_voters = record.voters
        for broker_id in without_disk:
            self._check_left(broker_id)

    def _check_left(self, broker_id: int) -> None:
        """I-SAF-6: a replica that comes back without its records is in no ISR and no ELR."""
        for partition, state in self.partitions.items():
            if state.high_watermark and (broker_id in state.isr or broker_id in state.elr):
                self.violate(
                    "lost-disk-keeps-its-place",
                    broker_id,
                    f"{partition}: isr {list(state.isr)}, elr {list(state.elr)} after it registered without its disk",
                )

    def _change_partition(self, record: PartitionChanged) -> None:
        state = self.partitions.get(record.partition)
        if state is None or record.partition_epoch != state.partition_epoch + 1:
            return
        before = state.isr
        if record.leader == NO_BROKER and record.reason in ("disk", "data_plane"):
            state.moves_from_living += 1
        if record.leader_epoch < state.leader_epoch:
            self.violate("leader-epoch-goes-back", -1, f"{record!r:.300} after epoch {state.leader_epoch}")
        if record.leader != NO_BROKER:
            known = state.leaders.setdefault(record.leader_epoch, record.leader)
            if known != record.leader:
                self.violate(
                    "two-leaders-in-one-epoch",
                    -1,
                    f"{record.partition} epoch {record.leader_epoch}: {known} and {record.leader}",
                )
            state.successor_epoch = max(state.successor_epoch, record.leader_epoch)
        state.leader, state.leader_epoch = record.leader, record.leader_epoch
        state.partition_epoch = record.partition_epoch
        state.isr, state.elr = record.isr, record.elr
        if self.on_partition_changed is not None:
            self.on_partition_changed(state, record, before)

    # --- records --------------------------------------------------------------------------------------------

    def commit_record(self, state: PartitionTruth, batch: Batch, broker: int) -> None:
        """The next batch of a partition is committed."""
        state.batches.append(batch)
        state.bases.append(batch.base_offset)
        if batch.producer_id == NO_PRODUCER:
            return
        key = (batch.producer_id, batch.producer_epoch)
        expected = state.sequences.get(key, 0)
        if batch.base_sequence < expected:
            self.violate(
                "written-twice", broker, f"{state.partition}: producer {key} sequence {batch.base_sequence} again"
            )
        elif batch.base_sequence > expected:
            self.violate(
                "gap-in-sequence",
                broker,
                f"{state.partition}: producer {key} sequence {batch.base_sequence}, expected {expected}",
            )
        state.sequences[key] = batch.base_sequence + batch.record_count
