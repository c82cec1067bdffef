"""Every event that goes into a node and every effect that comes out of one.

The peer messages are msgspec Structs: what the core speaks is the wire format too (`skerry_broker.transport`
frames them). Client requests and responses are in `core.api`, metadata records in `core.records`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from skerry_broker.core.api import ClientRequest, ClientResponse, ErrorCode, FetchResponse, ListOffsetsResponse
from skerry_broker.core.records import Entry
from skerry_broker.core.types import (
    Batch,
    EpochStart,
    HardState,
    Plane,
    RecoveredLog,
    TopicPartition,
    Voter,
)

# --- peer messages, raft plane: consensus ---------------------------------------------------------------


class VoteRequest(msgspec.Struct, frozen=True, array_like=True, tag="vote"):
    """``pre``: a question only (PreVote, Raft thesis 9.6); changes no term and no vote anywhere."""

    term: int
    last_index: int
    last_term: int
    pre: bool
    transfer: bool = False
    """The leader itself asked for this election (leadership transfer): leases do not apply."""


class VoteReply(msgspec.Struct, frozen=True, array_like=True, tag="voted"):
    term: int
    granted: bool
    pre: bool


class AppendRequest(msgspec.Struct, frozen=True, array_like=True, tag="append"):
    """Entries after (prev_index, prev_term), or a heartbeat. ``round`` is echoed: a quorum of echoes proves that
    this leader still led when it sent the round (CheckQuorum, leases, read barriers)."""

    term: int
    prev_index: int
    prev_term: int
    commit_index: int
    round: int
    entries: tuple[Entry, ...] = ()


class AppendReply(msgspec.Struct, frozen=True, array_like=True, tag="appended"):
    """``match_index``: durable up to here and equal to the leader's log; with ``success`` false a hint where to
    probe next, with the term of the entry there."""

    term: int
    success: bool
    match_index: int
    round: int
    hint_term: int = 0
    counts: bool = True
    """False: the sender's log was found corrupt (B17). It follows in memory, but no quorum may count it."""


class SnapshotRequest(msgspec.Struct, frozen=True, array_like=True, tag="snapshot"):
    """The whole metadata state up to ``last_index`` (small; sent in one piece). Answered by AppendReply."""

    term: int
    last_index: int
    last_term: int
    voters: tuple[Voter, ...]
    image: bytes
    round: int


class TimeoutNow(msgspec.Struct, frozen=True, array_like=True, tag="timeoutnow"):
    """Leadership transfer: start an election at once."""

    term: int


class Identify(msgspec.Struct, frozen=True, array_like=True, tag="identify"):
    """Who are you? Asked by an unformatted voter until it belongs to a cluster."""

    cluster_id: str | None


class Identity(msgspec.Struct, frozen=True, array_like=True, tag="identity"):
    """``cluster_id`` is None when unformatted; ``voters`` as far as this replica knows."""

    cluster_id: str | None
    voters: tuple[Voter, ...]
    leader: Voter | None


class JoinRequest(msgspec.Struct, frozen=True, array_like=True, tag="join"):
    """An unformatted replica of a configured voter id asks the leader to be fed, then to replace its old self."""

    cluster_id: str


# --- peer messages, raft plane: broker to controller ----------------------------------------------------


class RegisterRequest(msgspec.Struct, frozen=True, array_like=True, tag="register"):
    incarnation: str
    clean_shutdown_epoch: int | None
    """The broker epoch that the clean-shutdown mark holds; None after an unclean stop."""
    logs_intact: bool
    flush_group: bool


class RegisterReply(msgspec.Struct, frozen=True, array_like=True, tag="registeredas"):
    incarnation: str
    broker_epoch: int


class BrokerHeartbeat(msgspec.Struct, frozen=True, array_like=True, tag="heartbeat"):
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


class HeartbeatReply(msgspec.Struct, frozen=True, array_like=True, tag="heartbeatreply"):
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


class AlterPartition(msgspec.Struct, frozen=True, array_like=True, tag="alter"):
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


class AlterPartitionReply(msgspec.Struct, frozen=True, array_like=True, tag="altered"):
    partition: TopicPartition
    leader_epoch: int
    requested_partition_epoch: int
    result: AlterResult


# --- peer messages, replication plane -------------------------------------------------------------------


class FetchPartition(msgspec.Struct, frozen=True, array_like=True):
    partition: TopicPartition
    topic_id: str
    leader_epoch: int
    fetch_offset: int
    """The follower's log end."""
    last_fetched_epoch: int
    """The epoch of its last record; -1 for an empty log."""
    durable_end: int
    """How much of it the follower has on disk; progress counts only this."""


class ReplicaFetch(msgspec.Struct, frozen=True, array_like=True, tag="rfetch"):
    """One fetch for all partitions that the receiver leads and the sender follows. At most one in flight."""

    request_id: int
    broker_epoch: int
    partitions: tuple[FetchPartition, ...]
    wait_ms: int
    bytes_max: int


class FetchedPartition(msgspec.Struct, frozen=True, array_like=True):
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


class ReplicaFetched(msgspec.Struct, frozen=True, array_like=True, tag="rfetched"):
    request_id: int
    partitions: tuple[FetchedPartition, ...]


class ReplicaProgress(msgspec.Struct, frozen=True, array_like=True, tag="rprogress"):
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


# --- events ---------------------------------------------------------------------------------------------


class Tick(msgspec.Struct, frozen=True):
    """``node.next_deadline`` has passed."""


class FromPeer(msgspec.Struct, frozen=True):
    """A message arrived. ``source`` was authenticated by the connection's handshake (same cluster id or none)."""

    source: Voter
    message: PeerMessage


class FromClient(msgspec.Struct, frozen=True):
    """``request_id`` is the driver's and unique per node start; exactly one Reply or Serve answers it, unless the
    client has gone (ClientGone) or acks is None."""

    request_id: int
    request: ClientRequest


class ClientGone(msgspec.Struct, frozen=True):
    """Nobody waits for this answer any more: release what waits for it. The append itself stands."""

    request_id: int


class Flushed(msgspec.Struct, frozen=True):
    """All disk effects up to and including ``write_id`` are durable."""

    write_id: int


class DiskFailed(msgspec.Struct, frozen=True):
    """A write or an fsync failed. Whatever was not reported Flushed may be lost; nothing is retried (I-SAF-9).

    ``raft``: the metadata log is affected; otherwise only the partitions' logs are.
    """

    raft: bool
    reason: str


class PeerRefused(msgspec.Struct, frozen=True):
    """A connection to this peer was refused or reset by its host: its process is probably gone. Suspicion only."""

    broker_id: int
    plane: Plane


class WallClock(msgspec.Struct, frozen=True):
    """The wall clock minus the monotonic clock; at the start, and whenever it changed by over a millisecond."""

    offset_ns: int


class LogStartAdvanced(msgspec.Struct, frozen=True):
    """Retention: the storage would drop everything below ``offset`` (never above the high watermark)."""

    partition: TopicPartition
    offset: int


class ShutdownRequested(msgspec.Struct, frozen=True):
    """SIGTERM: hand over leaderships, then stop. Answered by StopNode."""


Event = (
    Tick
    | FromPeer
    | FromClient
    | ClientGone
    | Flushed
    | DiskFailed
    | PeerRefused
    | WallClock
    | LogStartAdvanced
    | ShutdownRequested
)


# --- effects --------------------------------------------------------------------------------------------


class Send(msgspec.Struct, frozen=True):
    """Best effort, in order per destination and plane while a connection lasts; may be lost, never waits."""

    destination: int
    message: PeerMessage


class Reply(msgspec.Struct, frozen=True):
    request_id: int
    response: ClientResponse


class LogRead(msgspec.Struct, frozen=True):
    """Whole batches of one partition from the one that holds ``start_offset``, none with a record at or above
    ``end_offset``; stop after ``bytes_max``, but give at least one."""

    partition: TopicPartition
    start_offset: int
    end_offset: int
    bytes_max: int


class ServeClient(msgspec.Struct, frozen=True):
    """Reply with ``response`` and the batches of ``read``."""

    request_id: int
    response: FetchResponse
    read: LogRead


class ServePeer(msgspec.Struct, frozen=True):
    """Send ``message``, with ``reads[i]`` (where not None) as the batches of its partition i."""

    destination: int
    message: ReplicaFetched
    reads: tuple[LogRead | None, ...]


class ServeOffsets(msgspec.Struct, frozen=True):
    """Reply with ``response`` completed by ``offset_at_time``: the first offset of ``partition`` below the high
    watermark in it whose time is at or after ``at_wall_ms`` (None: there is none). Only the storage has an index."""

    request_id: int
    response: ListOffsetsResponse
    partition: TopicPartition
    at_wall_ms: int


class SaveRaft(msgspec.Struct, frozen=True):
    """One atomic step of the metadata log: drop entries from ``truncate_from`` on, then append, then (if given)
    the hard state."""

    write_id: int
    hard_state: HardState | None = None
    truncate_from: int | None = None
    entries: tuple[Entry, ...] = ()


class SaveSnapshot(msgspec.Struct, frozen=True):
    """Replace everything up to ``last_index``. ``reset``: also drop all entries after it (installed from a leader)."""

    write_id: int
    last_index: int
    last_term: int
    voters: tuple[Voter, ...]
    image: bytes
    reset: bool = False


class FormatDisk(msgspec.Struct, frozen=True):
    """Bind this directory to a cluster, for good."""

    write_id: int
    cluster_id: str


class CreateLog(msgspec.Struct, frozen=True):
    """Start an empty log at offset 0; one with another topic id in its place is removed."""

    write_id: int
    partition: TopicPartition
    topic_id: str


class DeleteLog(msgspec.Struct, frozen=True):
    write_id: int
    partition: TopicPartition


class AppendLog(msgspec.Struct, frozen=True):
    """Append batches that carry their final offset and epoch, contiguous with the log end."""

    write_id: int
    partition: TopicPartition
    batches: tuple[Batch, ...]


class TruncateLog(msgspec.Struct, frozen=True):
    """Remove every record at or above ``end_offset`` (a batch boundary), and the epochs that start there or later."""

    write_id: int
    partition: TopicPartition
    end_offset: int


class ResetLog(msgspec.Struct, frozen=True):
    """Remove all records and epochs; the log is empty and starts at ``start_offset``."""

    write_id: int
    partition: TopicPartition
    start_offset: int


class AdvanceLogStart(msgspec.Struct, frozen=True):
    write_id: int
    partition: TopicPartition
    start_offset: int


class AssignEpoch(msgspec.Struct, frozen=True):
    """A leader enters its epoch: recorded at once, even before it has data (KAFKA-7415)."""

    write_id: int
    partition: TopicPartition
    epoch: EpochStart


class Checkpoint(msgspec.Struct, frozen=True):
    """The high watermark, for the next start; written when convenient."""

    partition: TopicPartition
    high_watermark: int


class StopNode(msgspec.Struct, frozen=True):
    """Stop the process. ``clean_broker_epoch``: flush everything and leave the clean-shutdown mark with it."""

    reason: str
    clean_broker_epoch: int | None = None


class Fact(msgspec.Struct, frozen=True):
    """Something worth counting or measuring, for metrics and logs; no rule depends on it.

    ``name`` is a metric of the catalogue (`skerry_broker.metrics`), ``labels`` its label values in order; a counter
    grows by ``value``, a histogram observes it (seconds).
    """

    name: str
    labels: tuple[str, ...] = ()
    value: float = 1.0


DiskEffect = (
    SaveRaft
    | SaveSnapshot
    | FormatDisk
    | CreateLog
    | DeleteLog
    | AppendLog
    | TruncateLog
    | ResetLog
    | AdvanceLogStart
    | AssignEpoch
    | Checkpoint
)

Effect = Send | Reply | ServeClient | ServePeer | ServeOffsets | DiskEffect | StopNode | Fact


# --- what a start finds, what a look inside shows -------------------------------------------------------


class RaftSnapshot(msgspec.Struct, frozen=True):
    last_index: int
    last_term: int
    voters: tuple[Voter, ...]
    image: bytes


class Recovered(msgspec.Struct, frozen=True):
    """What the storage found in the data directory; the only thing that survives a restart.

    Shape: contiguous ``entries`` after ``snapshot`` (or from index 1). A corrupt metadata log is ``raft_intact``
    False: such a replica does not vote (B17).
    """

    directory_id: str
    incarnation: str
    cluster_id: str | None = None
    hard_state: HardState = HardState()
    snapshot: RaftSnapshot | None = None
    entries: tuple[Entry, ...] = ()
    logs: tuple[RecoveredLog, ...] = ()
    clean_shutdown_epoch: int | None = None
    raft_intact: bool = True
