"""What a node shows of itself: the body of ``GET /status`` and the source of every gauge in ``/metrics``."""

from __future__ import annotations

import msgspec

from skerry_broker.core.types import EpochStart, TopicPartition


class Election(msgspec.Struct, frozen=True):
    leader_epoch: int
    leader: int
    wall_ns: int
    reason: str


class FollowerStatus(msgspec.Struct, frozen=True):
    """A follower as its leader sees it."""

    broker_id: int
    log_end_offset: int
    durable_end: int
    behind_ns: int
    """Since when it has not been caught up; 0 while it is."""


class PartitionStatus(msgspec.Struct, frozen=True):
    """One partition: the applied metadata, and this broker's replica of it (``None`` where it has none)."""

    partition: TopicPartition
    topic_id: str
    replicas: tuple[int, ...]
    leader: int
    leader_epoch: int
    partition_epoch: int
    isr: tuple[int, ...]
    elr: tuple[int, ...]
    min_in_sync_replicas: int
    elections: tuple[Election, ...]
    """The last 8, oldest first."""
    isr_full_wall_ns: int | None
    """When the ISR last became all assigned replicas."""
    isr_changed_wall_ns: int | None
    role: str | None = None
    """Leader | Follower; None where this broker holds no replica."""
    log_start_offset: int | None = None
    log_end_offset: int | None = None
    durable_end: int | None = None
    high_watermark: int | None = None
    offline: bool = False
    epochs: tuple[EpochStart, ...] = ()
    truncations: int = 0
    truncated_records: int = 0
    followers: tuple[FollowerStatus, ...] = ()
    """Leader only."""
    retention_bytes: int = -1
    retention_ms: int = -1
    """The topic's limits; -1: none. The driver applies them on the leader."""


class RaftStatus(msgspec.Struct, frozen=True):
    role: str
    """One of: Unformatted, Observer, Follower, PreCandidate, Candidate, Leader."""
    term: int
    leader: int
    commit_index: int
    applied_index: int
    last_index: int
    snapshot_index: int
    voters: tuple[tuple[int, str], ...]


class BrokerStatus(msgspec.Struct, frozen=True):
    """A broker as the applied metadata knows it."""

    broker_id: int
    broker_epoch: int
    fenced: bool
    leaving: bool


class NodeStatus(msgspec.Struct, frozen=True):
    broker_id: int
    directory_id: str
    cluster_id: str | None
    incarnation: str
    broker_epoch: int
    """-1 until registered."""
    controller: int
    lease_remaining_ns: int
    """0 or less: this broker answers no produce and no fetch."""
    fenced: bool
    shutting_down: bool
    log_offline: bool
    raft: RaftStatus
    brokers: tuple[BrokerStatus, ...]
    partitions: tuple[PartitionStatus, ...]
    produces_pending: int
    registered_clean: bool | None = None
    """Whether this process found the mark of a clean shutdown when it registered; None until it has."""
    disk_waiting_ns: int = 0
    """The age of the oldest write that the disk has not made durable; 0 when it owes nothing."""
