"""The replicated metadata: brokers, topics, who leads what under which epoch. A function of the Raft log alone.

No clock, no randomness, no decision: ``apply`` carries out what the controller decided (`core.controller`), so every
broker that applied the same entries holds the same state, byte for byte (``image``). A record that does not follow the
present state (another broker epoch, another ``partition_epoch``, an unknown topic) changes nothing: that is the
compare-and-set of KIP-497, done where it cannot race.

Invariants of a partition, checked by `tests/broker/test_controller_invariants.py` after every entry:

1. ISR and ELR are disjoint subsets of the replicas.
2. The leader is a member of the ISR, or -1.
3. ``partition_epoch`` grows by exactly 1 with every change; ``leader_epoch`` by 1 when the leader changes and else not.
4. The ELR is empty while the ISR has min ISR members (KIP-966).
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from skerry_broker.core.records import (
    BrokerFenced,
    BrokerLeaving,
    BrokerRegistered,
    BrokerUnfenced,
    Entry,
    Founded,
    PartitionChanged,
    ProducerIdsReserved,
    TopicCreated,
    TopicDeleted,
    VotersChanged,
)
from skerry_broker.core.status import Election
from skerry_broker.core.types import NO_BROKER, TopicPartition, Voter

ELECTIONS_KEPT = 8
"""How many elections of a partition are remembered, for ``broker_partition_leader_elected_timestamp_seconds``."""

UNCLEAN = "unclean"
"""The reason of an election that may have lost committed records."""


class BrokerState(msgspec.Struct, frozen=True, array_like=True):
    """A broker's last registration."""

    broker_id: int
    broker_epoch: int
    """The index of its registration: grows with every process start."""
    directory_id: str
    incarnation: str
    fenced: bool
    leaving: bool

    @property
    def electable(self) -> bool:
        return not self.fenced and not self.leaving


class TopicState(msgspec.Struct, frozen=True, array_like=True):
    topic: str
    topic_id: str
    min_in_sync_replicas: int
    partition_count: int
    retention_bytes: int
    retention_ms: int


class PartitionState(msgspec.Struct, frozen=True, array_like=True):
    """One partition. ``replicas``, ``isr`` and ``elr`` are in assignment order, the preferred leader first."""

    topic_id: str
    min_in_sync_replicas: int
    replicas: tuple[int, ...]
    leader: int = NO_BROKER
    leader_epoch: int = -1
    partition_epoch: int = -1
    isr: tuple[int, ...] = ()
    elr: tuple[int, ...] = ()
    recovering: bool = False
    """After an unclean election, until the leader has declared its log the truth: the ISR is the leader alone."""
    elections: tuple[Election, ...] = ()
    """The last 8 that gave it a leader, oldest first."""
    isr_full_wall_ns: int | None = None
    isr_changed_wall_ns: int | None = None
    unclean_epoch: int = -1
    """The leader epoch of its last unclean election, ever: a replica may come back from before it after any number of
    other elections, and may cut its log below its high watermark only because of it."""

    @property
    def last_leader(self) -> int:
        """Who leads, or led last; -1 when nobody ever did."""
        return self.elections[-1].leader if self.elections else NO_BROKER

    @property
    def isr_needed(self) -> int:
        """How many in-sync replicas a committed write needs: min ISR, but never more than there are replicas."""
        return min(self.min_in_sync_replicas, len(self.replicas))


class BrokerUpdated(NamedTuple):
    broker_id: int
    previous: BrokerState | None
    current: BrokerState


class TopicUpdated(NamedTuple):
    topic: str
    previous: TopicState | None
    current: TopicState | None


class PartitionUpdated(NamedTuple):
    """``previous`` is None for a new partition, ``current`` for a deleted one."""

    partition: TopicPartition
    previous: PartitionState | None
    current: PartitionState | None


Change = BrokerUpdated | TopicUpdated | PartitionUpdated


class _Image(msgspec.Struct, frozen=True, array_like=True):
    cluster_id: str | None
    voters: tuple[Voter, ...]
    applied_index: int
    next_producer_id: int
    brokers: tuple[BrokerState, ...]
    topics: tuple[TopicState, ...]
    partitions: tuple[tuple[TopicPartition, PartitionState], ...]


class ClusterMetadata:
    """The replicated state. Values are frozen and replaced whole, so a copy is shallow and cheap."""

    def __init__(self) -> None:
        self.cluster_id: str | None = None
        self.voters: tuple[Voter, ...] = ()
        self.applied_index = 0
        self.next_producer_id = 0
        self.brokers: dict[int, BrokerState] = {}
        self.topics: dict[str, TopicState] = {}
        self.partitions: dict[TopicPartition, PartitionState] = {}

    def copy(self) -> ClusterMetadata:
        twin = ClusterMetadata()
        twin.cluster_id = self.cluster_id
        twin.voters = self.voters
        twin.applied_index = self.applied_index
        twin.next_producer_id = self.next_producer_id
        twin.brokers = dict(self.brokers)
        twin.topics = dict(self.topics)
        twin.partitions = dict(self.partitions)
        return twin

    # --- applying ---------------------------------------------------------------------------------------

    def apply(self, entry: Entry) -> list[Change]:
        """Carry out one committed entry; what changed: brokers, then topics, then partitions.

        A partition that several records of the entry touch is reported once, from first to last state.
        Raises ValueError when ``entry.index`` does not lie after ``applied_index``: applied twice or out of order.
        """
        if entry.index <= self.applied_index:
            raise ValueError(f"metadata entry {entry.index} applied after entry {self.applied_index}")
        self.applied_index = entry.index
        before_brokers: dict[int, BrokerState | None] = {}
        before_topics: dict[str, TopicState | None] = {}
        before_partitions: dict[TopicPartition, PartitionState | None] = {}
        for record in entry.records:
            match record:
                case PartitionChanged():
                    self._change_partition(record, before_partitions)
                case BrokerRegistered():
                    self._register_broker(entry.index, record, before_brokers)
                case BrokerFenced() | BrokerUnfenced() | BrokerLeaving():
                    self._change_broker(record, before_brokers)
                case TopicCreated():
                    self._create_topic(record, before_topics, before_partitions)
                case TopicDeleted():
                    self._delete_topic(record, before_topics, before_partitions)
                case ProducerIdsReserved():
                    self.next_producer_id = max(self.next_producer_id, record.next_producer_id)
                case Founded():
                    self.cluster_id = record.cluster_id
                    self.voters = record.voters
                case VotersChanged():
                    self.voters = record.voters
                case _:  # NoOp
                    pass
        changes: list[Change] = [
            BrokerUpdated(broker_id, previous, self.brokers[broker_id])
            for broker_id, previous in before_brokers.items()
        ]
        changes += [TopicUpdated(topic, before, self.topics.get(topic)) for topic, before in before_topics.items()]
        changes += [
            PartitionUpdated(partition, was, self.partitions.get(partition))
            for partition, was in before_partitions.items()
        ]
        return changes

    def _register_broker(
        self, index: int, record: BrokerRegistered, before_brokers: dict[int, BrokerState | None]
    ) -> None:
        """The entry's index is the new broker epoch."""
        broker_id = record.broker_id
        before_brokers.setdefault(broker_id, self.brokers.get(broker_id))
        self.brokers[broker_id] = BrokerState(
            broker_id, index, record.directory_id, record.incarnation, fenced=True, leaving=False
        )

    def _change_broker(
        self,
        record: BrokerFenced | BrokerUnfenced | BrokerLeaving,
        before: dict[int, BrokerState | None],
    ) -> None:
        broker = self.brokers.get(record.broker_id)
        if broker is None or broker.broker_epoch != record.broker_epoch:
            return  # about an earlier incarnation
        before.setdefault(record.broker_id, broker)
        fenced, leaving = broker.fenced, broker.leaving
        match record:
            case BrokerFenced():
                fenced = True
            case BrokerUnfenced():
                fenced = False
            case BrokerLeaving():
                leaving = True
        self.brokers[record.broker_id] = BrokerState(
            broker.broker_id, broker.broker_epoch, broker.directory_id, broker.incarnation, fenced, leaving
        )

    def _create_topic(
        self,
        record: TopicCreated,
        before_topics: dict[str, TopicState | None],
        before_partitions: dict[TopicPartition, PartitionState | None],
    ) -> None:
        if record.topic in self.topics:
            return
        before_topics.setdefault(record.topic, None)
        self.topics[record.topic] = TopicState(
            record.topic,
            record.topic_id,
            record.min_in_sync_replicas,
            len(record.assignments),
            record.retention_bytes,
            record.retention_ms,
        )
        for number, replicas in enumerate(record.assignments):
            partition = TopicPartition(record.topic, number)
            before_partitions.setdefault(partition, None)
            self.partitions[partition] = PartitionState(record.topic_id, record.min_in_sync_replicas, replicas)

    def _delete_topic(
        self,
        record: TopicDeleted,
        before_topics: dict[str, TopicState | None],
        before_partitions: dict[TopicPartition, PartitionState | None],
    ) -> None:
        topic = self.topics.get(record.topic)
        if topic is None or topic.topic_id != record.topic_id:
            return
        before_topics.setdefault(record.topic, topic)
        del self.topics[record.topic]
        for number in range(topic.partition_count):
            partition = TopicPartition(record.topic, number)
            before_partitions.setdefault(partition, self.partitions[partition])
            del self.partitions[partition]

    def _change_partition(self, record: PartitionChanged, before: dict[TopicPartition, PartitionState | None]) -> None:
        was = self.partitions.get(record.partition)
        if was is None or record.partition_epoch != was.partition_epoch + 1:
            return  # decided against another state: compare-and-set fails
        before.setdefault(record.partition, was)
        elections, unclean_epoch = was.elections, was.unclean_epoch
        if record.leader != NO_BROKER and record.leader_epoch != was.leader_epoch:
            election = Election(record.leader_epoch, record.leader, record.wall_ns, record.reason)
            elections = (*elections, election)[-ELECTIONS_KEPT:]
            if record.reason == UNCLEAN:
                unclean_epoch = record.leader_epoch
        changed_ns, full_ns = was.isr_changed_wall_ns, was.isr_full_wall_ns
        if record.isr != was.isr:
            changed_ns = record.wall_ns
            if len(record.isr) == len(was.replicas):
                full_ns = record.wall_ns
        self.partitions[record.partition] = PartitionState(
            was.topic_id,
            was.min_in_sync_replicas,
            was.replicas,
            record.leader,
            record.leader_epoch,
            record.partition_epoch,
            record.isr,
            record.elr,
            record.recovering,
            elections,
            full_ns,
            changed_ns,
            unclean_epoch,
        )

    # --- snapshots --------------------------------------------------------------------------------------

    def image(self) -> bytes:
        """The whole state as bytes; equal states give equal bytes (everything is sorted by key)."""
        return msgspec.msgpack.encode(
            _Image(
                self.cluster_id,
                self.voters,
                self.applied_index,
                self.next_producer_id,
                tuple(self.brokers[broker_id] for broker_id in sorted(self.brokers)),
                tuple(self.topics[topic] for topic in sorted(self.topics)),
                tuple((partition, self.partitions[partition]) for partition in sorted(self.partitions)),
            )
        )

    def load(self, image: bytes) -> None:
        """Become the state of ``image``. Raises ValueError, and changes nothing, when it is not one."""
        try:
            loaded = _IMAGE_DECODER.decode(image)
        except msgspec.MsgspecError as error:
            raise ValueError(f"not a metadata image: {error}") from error
        self.cluster_id = loaded.cluster_id
        self.voters = loaded.voters
        self.applied_index = loaded.applied_index
        self.next_producer_id = loaded.next_producer_id
        self.brokers = {broker.broker_id: broker for broker in loaded.brokers}
        self.topics = {topic.topic: topic for topic in loaded.topics}
        self.partitions = dict(loaded.partitions)


_IMAGE_DECODER = msgspec.msgpack.Decoder(_Image)
