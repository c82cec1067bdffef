"""What brokers say to each other, on the raft and on the replication plane.

These are msgspec Structs: what the core speaks is the wire format too (`skerry_broker.transport` frames it).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from skerry_broker.core.api import ErrorCode
from skerry_broker.core.records import Entry
from skerry_broker.core.types import Batch, EpochStart, TopicPartition, Voter

# --- raft plane: consensus ---------------------------------------------------------------


class VoteRequest(msgspec.Struct, frozen=True, array_like=True, tag="vote", gc=False):
    """``pre``: a question only (PreVote, Raft thesis 9.6); changes no term and no vote anywhere."""

    term: int
    last_index: int
    last_term: int
    pre: bool
    transfer: bool = False
    """The leader itself asked for this election (leadership transfer): leases do not apply."""


class VoteReply(msgspec.Struct, frozen=True, array_like=True, tag="voted", gc=False):
    term: int
    granted: bool
    pre: bool


class AppendRequest(msgspec.Struct, frozen=True, array_like=True, tag="append", gc=False):
    """Entries after (prev_index, prev_term), or a heartbeat. ``round`` is echoed: a quorum of echoes proves that
    this leader still led when it sent the round (CheckQuorum, leases, read barriers)."""

    term: int
    prev_index: int
    prev_term: int
    commit_index: int
    round: int
    entries: tuple[Entry, ...] = ()


class AppendReply(msgspec.Struct, frozen=True, array_like=True, tag="appended", gc=False):
    """``match_index``: durable up to here and equal to the leader's log; with ``success`` false a hint where to
    probe next, with the term of the entry there."""

    term: int
    success: bool
    match_index: int
    round: int
    hint_term: int = 0
    counts: bool = True
    """False: the sender's log was found corrupt (B17). It follows in memory, but no quorum may count it."""


class SnapshotRequest(msgspec.Struct, frozen=True, array_like=True, tag="snapshot", gc=False):
    """The whole metadata state up to ``last_index`` (small; sent in one piece). Answered by AppendReply."""

    term: int
    last_index: int
    last_term: int
    voters: tuple[Voter, ...]
    image: bytes
    round: int


class TimeoutNow(msgspec.Struct, frozen=True, array_like=True, tag="timeoutnow", gc=False):
    """Leadership transfer: start an election at once."""

    term: int


class Identify(msgspec.Struct, frozen=True, array_like=True, tag="identify", gc=False):
    """Who are you? Asked by an unformatted voter until it belongs to a cluster."""

    cluster_id: str | None


class Identity(msgspec.Struct, frozen=True, array_like=True, tag="identity", gc=False):
    """``cluster_id`` is None when unformatted; ``voters`` as far as this replica knows."""

    cluster_id: str | None
    voters: tuple[Voter, ...]
    leader: Voter | None


class JoinRequest(msgspec.Struct, frozen=True, array_like=True, tag="join", gc=False):
    """An unformatted replica of a configured voter id asks the leader to be fed, then to replace its old self."""

    cluster_id: str


# --- raft plane: broker to controller ----------------------------------------------------


class RegisterRequest(msgspec.Struct, frozen=True, array_like=True, tag="register", gc=False):
    incarnation: str
    clean_shutdown_epoch: int | None
    """The broker epoch that the clean-shutdown mark holds; None after an unclean stop."""
    logs_intact: bool
    flush_group: bool


class RegisterReply(msgspec.Struct, frozen=True, array_like=True, tag="registeredas", gc=False):
    incarnation: str
    broker_epoch: int


class BrokerHeartbeat(msgspec.Struct, frozen=True, array_like=True, tag="heartbeat", gc=False):
    """Every ``broker_heartbeat_ms``. The sender renews its lease from the moment it *sent* ``sequence``."""

    broker_epoch: int
    sequence: int
    applied_index: int
    """The last metadata entry applied: a two-step hand-over waits for it, unfencing too."""
    unreachable_leaders: tuple[tuple[TopicPartition, int, int], ...] = ()
    """(partition, leader epoch, milliseconds since the leader last answered a fetch): I-LIV-3."""
    log_ends: tuple[tuple[TopicPartition, int, int], ...] = ()
    """(partition, last epoch, durable end): only while the controller needs it for an unclean election."""
    wants_shutdown: bool = False
    log_offline: bool = False
    answered_age_ms: int = 0
    """Since when the last answered heartbeat was sent: a broker that is heard but hears nothing (a one-way cut) has
    no lease, and the controller can only learn it from here."""
    disk_waiting_ms: int = 0
    """The age of the oldest write that the disk has not made durable; 0 when it owes nothing (`core.disk_watch`)."""


class HeartbeatReply(msgspec.Struct, frozen=True, array_like=True, tag="heartbeatreply", gc=False):
    """Sent only after a quorum acknowledged, in this term, a round begun *after* the heartbeat arrived."""

    term: int
    sequence: int
    broker_epoch: int
    fenced: bool
    may_stop: bool = False
    """All leaderships have been handed over; a broker that wants to shut down may go."""
    unknown_epoch: bool = False
    """This broker epoch is not the registered one: register again."""
    granted: bool = True
    """False: does not renew the lease (and does not end it), because this broker has not yet reported an entry as
    applied that may have ended a leadership of its own."""


class AlterPartition(msgspec.Struct, frozen=True, array_like=True, tag="alter", gc=False):
    """A leader asks for a new ISR by compare-and-set (KIP-497, KIP-841, KIP-903)."""

    partition: TopicPartition
    broker_epoch: int
    leader_epoch: int
    partition_epoch: int
    isr: tuple[tuple[int, int], ...]
    """(broker id, broker epoch) of every member; the epoch is the one that the member fetched under."""
    recovered: bool = False


class AlterResult(StrEnum):
    ACCEPTED = "Accepted"
    NOT_CONTROLLER = "NotController"
    FENCED_LEADER_EPOCH = "FencedLeaderEpoch"
    INVALID_UPDATE_VERSION = "InvalidUpdateVersion"
    INVALID_REQUEST = "InvalidRequest"
    INELIGIBLE_REPLICA = "IneligibleReplica"
    UNKNOWN_PARTITION = "UnknownPartition"


class AlterPartitionReply(msgspec.Struct, frozen=True, array_like=True, tag="altered", gc=False):
    partition: TopicPartition
    leader_epoch: int
    requested_partition_epoch: int
    result: AlterResult


# --- replication plane -------------------------------------------------------------------


class FetchPartition(msgspec.Struct, frozen=True, array_like=True, gc=False):
    partition: TopicPartition
    topic_id: str
    leader_epoch: int
    fetch_offset: int
    """The follower's log end."""
    last_fetched_epoch: int
    """The epoch of its last record; -1 for an empty log."""
    durable_end: int
    """How much of it the follower has on disk; progress counts only this."""


class ReplicaFetch(msgspec.Struct, frozen=True, array_like=True, tag="rfetch", gc=False):
    """One fetch for all partitions that the receiver leads and the sender follows. At most one in flight."""

    request_id: int
    broker_epoch: int
    partitions: tuple[FetchPartition, ...]
    wait_ms: int
    bytes_max: int


class FetchedPartition(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``diverging``: (largest local epoch <= the follower's, its end offset): truncate to it and ask again; then
    there are no batches and the fetch was not progress."""

    partition: TopicPartition
    leader_epoch: int
    error: ErrorCode
    high_watermark: int
    log_start_offset: int
    log_end_offset: int
    diverging: EpochStart | None = None
    batches: tuple[Batch, ...] = ()


class ReplicaFetched(msgspec.Struct, frozen=True, array_like=True, tag="rfetched", gc=False):
    request_id: int
    partitions: tuple[FetchedPartition, ...]


class ReplicaProgress(msgspec.Struct, frozen=True, array_like=True, tag="rprogress", gc=False):
    """The follower's disk has caught up with what it fetched: no answer, and no wait for the next fetch."""

    broker_epoch: int
    partitions: tuple[tuple[TopicPartition, int, int], ...]
    """(partition, leader epoch, durable end)"""


PeerMessage = (
    VoteRequest
    | VoteReply
    | AppendRequest
    | AppendReply
    | SnapshotRequest
    | TimeoutNow
    | Identify
    | Identity
    | JoinRequest
    | RegisterRequest
    | RegisterReply
    | BrokerHeartbeat
    | HeartbeatReply
    | AlterPartition
    | AlterPartitionReply
    | ReplicaFetch
    | ReplicaFetched
    | ReplicaProgress
)

REPLICATION_MESSAGES = (ReplicaFetch, ReplicaFetched, ReplicaProgress)
"""These travel on the replication plane, all others on the raft plane."""
