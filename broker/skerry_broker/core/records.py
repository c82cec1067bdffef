"""What the metadata log holds: the payloads of its entries.

Every record carries the *result* of a decision (the new leader, the new epoch), never an instruction to
decide: applying an entry is deterministic and needs no clock. ``wall_ns`` is the controller's wall clock when it
decided; metrics quote it, no rule reads it.
"""

from __future__ import annotations

import msgspec

from skerry_broker.core.types import TopicPartition, Voter


class NoOp(msgspec.Struct, frozen=True, array_like=True, tag="noop", gc=False):
    """Written by every new Raft leader: nothing of an older term is committed before it (Raft 5.4.2)."""


class Founded(msgspec.Struct, frozen=True, array_like=True, tag="founded", gc=False):
    """The first entry of a cluster: its id and its founding voters."""

    cluster_id: str
    voters: tuple[Voter, ...]


class VotersChanged(msgspec.Struct, frozen=True, array_like=True, tag="voters", gc=False):
    """The whole new voter set; differs from the one before by exactly one voter."""

    voters: tuple[Voter, ...]


class BrokerRegistered(msgspec.Struct, frozen=True, array_like=True, tag="registered", gc=False):
    """A broker process has started. Its broker epoch is the index of this entry.

    Registration fences the broker, ends all its leaderships, and (unless ``keeps_membership``) takes it out of
    every ISR and ELR (I-SAF-6).
    """

    broker_id: int
    directory_id: str
    incarnation: str
    """Unique per process start; makes a retried registration the same registration."""
    clean: bool
    keeps_membership: bool
    wall_ns: int


class BrokerFenced(msgspec.Struct, frozen=True, array_like=True, tag="fenced", gc=False):
    broker_id: int
    broker_epoch: int
    reason: str
    wall_ns: int


class BrokerUnfenced(msgspec.Struct, frozen=True, array_like=True, tag="unfenced", gc=False):
    broker_id: int
    broker_epoch: int
    wall_ns: int


class BrokerLeaving(msgspec.Struct, frozen=True, array_like=True, tag="leaving", gc=False):
    """Controlled shutdown has begun: the broker is no candidate any more."""

    broker_id: int
    broker_epoch: int
    wall_ns: int


class TopicCreated(msgspec.Struct, frozen=True, array_like=True, tag="topic", gc=False):
    topic: str
    topic_id: str
    min_in_sync_replicas: int
    assignments: tuple[tuple[int, ...], ...]
    """Per partition its replicas, the preferred leader first."""
    retention_bytes: int = -1
    retention_ms: int = -1


class TopicDeleted(msgspec.Struct, frozen=True, array_like=True, tag="deleted", gc=False):
    topic: str
    topic_id: str


class PartitionChanged(msgspec.Struct, frozen=True, array_like=True, tag="partition", gc=False):
    """The whole new state of one partition. Ignored unless it follows the present ``partition_epoch``."""

    partition: TopicPartition
    leader: int
    leader_epoch: int
    partition_epoch: int
    isr: tuple[int, ...]
    elr: tuple[int, ...]
    reason: str
    """One of: crash, isolation, shutdown, preferred, elr, data_plane, disk, unclean, created, registered, shrink,
    expand."""
    wall_ns: int
    recovering: bool = False
    """After an unclean election, until the leader has reported its log as the truth."""


class ProducerIdsReserved(msgspec.Struct, frozen=True, array_like=True, tag="producers", gc=False):
    next_producer_id: int


Record = (
    NoOp
    | Founded
    | VotersChanged
    | BrokerRegistered
    | BrokerFenced
    | BrokerUnfenced
    | BrokerLeaving
    | TopicCreated
    | TopicDeleted
    | PartitionChanged
    | ProducerIdsReserved
)


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entry of the metadata log. A batch of elections is one entry with many records."""

    index: int
    term: int
    records: tuple[Record, ...]
