"""What a client of a replicated log can be asked to do, and what it answers: always an outcome, never an exception."""

from __future__ import annotations

import msgspec

from skerry.history.records import Outcome, ReplicaDump

NO_REDIRECT = -1
"""In place of a node: send it to the leader."""


class Write(msgspec.Struct, frozen=True, gc=False):
    """``count`` consecutive values as one batch. Answered by `Written`."""

    topic: str
    partition: int
    first_value: int
    count: int
    record_bytes: int
    acks: str
    """What was asked for: All, Leader or None."""
    timeout_ms: int
    directed_to: int = NO_REDIRECT
    """One attempt at this node, never redirected."""


class Written(msgspec.Struct, frozen=True, gc=False):
    outcome: Outcome
    base_offset: int = -1
    """Where it stands in the log; -1: not acknowledged, or nothing was promised (``acks: None``)."""
    leader: int = -1
    leader_epoch: int = -1
    duplicate: bool = False
    attempts: int = 1
    error: str = ""


class Read(msgspec.Struct, frozen=True, gc=False):
    """What is committed from ``offset`` on. Answered by `ReadBack`."""

    topic: str
    partition: int
    offset: int
    wait_ms: int
    """How long the node may wait for something to return."""


class ReadBack(msgspec.Struct, frozen=True, gc=False):
    """Without values a tail read."""

    outcome: Outcome
    base_offset: int = -1
    """The offset of the first value, which may lie before what was asked for: batches are whole."""
    values: tuple[int, ...] = ()
    high_watermark: int = -1
    log_start_offset: int = -1
    leader: int = -1
    leader_epoch: int = -1
    error: str = ""


class CreateTopic(msgspec.Struct, frozen=True, gc=False):
    """Answered by `Told`."""

    topic: str
    partitions: int
    replication_factor: int
    min_in_sync_replicas: int
    timeout_ms: int
    directed_to: int = NO_REDIRECT


class MoveLeader(msgspec.Struct, frozen=True, gc=False):
    """Let this node lead the partition. Answered by `Told` when the request was made."""

    topic: str
    partition: int
    ordinal: int
    timeout_ms: int


class MoveController(msgspec.Struct, frozen=True, gc=False):
    """Let this node be the controller. Answered by `Told` when the request was made."""

    ordinal: int
    timeout_ms: int


class Told(msgspec.Struct, frozen=True, gc=False):
    """The answer to an administrative request."""

    outcome: Outcome
    error: str = ""
    """Empty: it was done."""
    exists: bool = False
    """It was refused because what should be created is there already."""


class DumpReplicas(msgspec.Struct, frozen=True, gc=False):
    """Read every replica of the topic from the nodes' disks. Answered by `Dumped`. No client is needed for it."""

    ends: dict[int, int]
    """Partition -> the high watermark that the final read found."""


class Dumped(msgspec.Struct, frozen=True, gc=False):
    dumps: tuple[ReplicaDump, ...] = ()
    error: str = ""
    """Why they could not be read, as a sentence."""


Request = Write | Read | CreateTopic | MoveLeader | MoveController | DumpReplicas
Result = Written | ReadBack | Told | Dumped
