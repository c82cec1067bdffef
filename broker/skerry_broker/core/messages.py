"""Every event that goes into a node and every effect that comes out of one.

What brokers say to each other is in `core.peer_messages`, client requests and responses are in `core.api`, metadata
records in `core.records`.

All of these are frozen and hold nothing but values, so no cycle can run through one: the garbage collector leaves them
alone (``gc=False``), which a busy broker makes thousands of a second.
"""

from __future__ import annotations

import msgspec

from skerry_broker.core.api import ClientRequest, ClientResponse, FetchResponse, ListOffsetsResponse
from skerry_broker.core.peer_messages import PeerMessage, ReplicaFetched
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

# --- events ---------------------------------------------------------------------------------------------


class Tick(msgspec.Struct, frozen=True, gc=False):
    """``node.next_deadline`` has passed."""


class FromPeer(msgspec.Struct, frozen=True, gc=False):
    """A message arrived. ``source`` was authenticated by the connection's handshake (same cluster id or none)."""

    source: Voter
    message: PeerMessage


class FromClient(msgspec.Struct, frozen=True, gc=False):
    """``request_id`` is the driver's and unique per node start; exactly one Reply or Serve answers it, unless the
    client has gone (ClientGone) or acks is None."""

    request_id: int
    request: ClientRequest


class ClientGone(msgspec.Struct, frozen=True, gc=False):
    """Nobody waits for this answer any more: release what waits for it. The append itself stands."""

    request_id: int


class Flushed(msgspec.Struct, frozen=True, gc=False):
    """All disk effects up to and including ``write_id`` are durable."""

    write_id: int


class DiskFailed(msgspec.Struct, frozen=True, gc=False):
    """A write or an fsync failed. Whatever was not reported Flushed may be lost; nothing is retried (I-SAF-9).

    ``raft``: the metadata log is affected; otherwise only the partitions' logs are.
    """

    raft: bool
    reason: str


class PeerRefused(msgspec.Struct, frozen=True, gc=False):
    """A connection to this peer was refused or reset by its host: its process is probably gone. Suspicion only."""

    broker_id: int
    plane: Plane


class WallClock(msgspec.Struct, frozen=True, gc=False):
    """The wall clock minus the monotonic clock; at the start, and whenever it changed by over a millisecond."""

    offset_ns: int


class LogStartAdvanced(msgspec.Struct, frozen=True, gc=False):
    """Retention: the storage would drop everything below ``offset`` (never above the high watermark)."""

    partition: TopicPartition
    offset: int


class ShutdownRequested(msgspec.Struct, frozen=True, gc=False):
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


class Send(msgspec.Struct, frozen=True, gc=False):
    """Best effort, in order per destination and plane while a connection lasts; may be lost, never waits."""

    destination: int
    message: PeerMessage


class Reply(msgspec.Struct, frozen=True, gc=False):
    request_id: int
    response: ClientResponse


class LogRead(msgspec.Struct, frozen=True, gc=False):
    """Whole batches of one partition from the one that holds ``start_offset``, none with a record at or above
    ``end_offset``; stop after ``bytes_max``, but give at least one."""

    partition: TopicPartition
    start_offset: int
    end_offset: int
    bytes_max: int


class ServeClient(msgspec.Struct, frozen=True, gc=False):
    """Reply with ``response`` and the batches of ``read``."""

    request_id: int
    response: FetchResponse
    read: LogRead


class ServePeer(msgspec.Struct, frozen=True, gc=False):
    """Send ``message``, with ``reads[i]`` (where not None) as the batches of its partition i."""

    destination: int
    message: ReplicaFetched
    reads: tuple[LogRead | None, ...]


class ServeOffsets(msgspec.Struct, frozen=True, gc=False):
    """Reply with ``response`` completed by ``offset_at_time``: the first offset of ``partition`` below the high
    watermark in it whose time is at or after ``at_wall_ms`` (None: there is none). Only the storage has an index."""

    request_id: int
    response: ListOffsetsResponse
    partition: TopicPartition
    at_wall_ms: int


class SaveRaft(msgspec.Struct, frozen=True, gc=False):
    """One atomic step of the metadata log: drop entries from ``truncate_from`` on, then append, then (if given)
    the hard state."""

    write_id: int
    hard_state: HardState | None = None
    truncate_from: int | None = None
    entries: tuple[Entry, ...] = ()


class SaveSnapshot(msgspec.Struct, frozen=True, gc=False):
    """Replace everything up to ``last_index``. ``reset``: also drop all entries after it (installed from a leader)."""

    write_id: int
    last_index: int
    last_term: int
    voters: tuple[Voter, ...]
    image: bytes
    reset: bool = False


class FormatDisk(msgspec.Struct, frozen=True, gc=False):
    """Bind this directory to a cluster, for good."""

    write_id: int
    cluster_id: str


class CreateLog(msgspec.Struct, frozen=True, gc=False):
    """Start an empty log at offset 0; one with another topic id in its place is removed."""

    write_id: int
    partition: TopicPartition
    topic_id: str


class DeleteLog(msgspec.Struct, frozen=True, gc=False):
    write_id: int
    partition: TopicPartition


class AppendLog(msgspec.Struct, frozen=True, gc=False):
    """Append batches that carry their final offset and epoch, contiguous with the log end."""

    write_id: int
    partition: TopicPartition
    batches: tuple[Batch, ...]


class TruncateLog(msgspec.Struct, frozen=True, gc=False):
    """Remove every record at or above ``end_offset`` (a batch boundary), and the epochs that start there or later."""

    write_id: int
    partition: TopicPartition
    end_offset: int


class ResetLog(msgspec.Struct, frozen=True, gc=False):
    """Remove all records and epochs; the log is empty and starts at ``start_offset``."""

    write_id: int
    partition: TopicPartition
    start_offset: int


class AdvanceLogStart(msgspec.Struct, frozen=True, gc=False):
    write_id: int
    partition: TopicPartition
    start_offset: int


class AssignEpoch(msgspec.Struct, frozen=True, gc=False):
    """A leader enters its epoch: recorded at once, even before it has data (KAFKA-7415)."""

    write_id: int
    partition: TopicPartition
    epoch: EpochStart


class Checkpoint(msgspec.Struct, frozen=True, gc=False):
    """The high watermark, for the next start; written when convenient."""

    partition: TopicPartition
    high_watermark: int


class StopNode(msgspec.Struct, frozen=True, gc=False):
    """Stop the process. ``clean_broker_epoch``: flush everything and leave the clean-shutdown mark with it."""

    reason: str
    clean_broker_epoch: int | None = None


class Fact(msgspec.Struct, frozen=True, gc=False):
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


class RaftSnapshot(msgspec.Struct, frozen=True, gc=False):
    last_index: int
    last_term: int
    voters: tuple[Voter, ...]
    image: bytes


class Recovered(msgspec.Struct, frozen=True, gc=False):
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
