"""The records of a history.

All ``*_ns`` are nanoseconds of the recording process's one clock, from the start of the run. Values are integers,
unique in the whole run: ``process << 40 | n`` for the n-th record of a process. A produced batch holds consecutive
values, so (first_value, count) says all of them.

Records hold nothing but numbers, text and tuples of them, so no cycle can run through one: the garbage collector leaves
them alone (``gc=False``), which there are millions of.

A recording may have been written by anybody, so every number has bounds (``bounds``), which hold while it is read; see
also ``codec`` for how much one file may ask of a reader.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from skerry.history.bounds import Count, Index, Node, Number, TimeNs, Value, WallNs
from skerry.schema.verdict import Finding
from skerry.targets import registry

HISTORY_VERSION = 1


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    """Definitely did not happen."""
    UNKNOWN = "unknown"
    """May have happened, may still happen; ``completed_ns`` is then only when the client gave up."""


class Header(msgspec.Struct, frozen=True, tag="header", gc=False):
    """The first line: what was run, where, and what is therefore owed."""

    version: Number
    experiment: str
    """Its name."""
    document: str
    """The YAML text as it was read."""
    world: str
    seed: Number
    started_wall_ns: WallNs
    skerry_version: str
    brokers: Annotated[int, Meta(ge=0, le=99)]
    flush: str = "group"
    clock_error_ns: Annotated[int, Meta(ge=0, le=60 * 10**9)] = 0
    """How far two readings of the clock may disagree; judgements are widened by it."""
    model: str = "log"
    """What clients did, in the vocabulary of a model of ``skerry.checker.models``."""
    target: str = registry.DEFAULT
    """The system under test. The document says it, too, and may be one that a later version cannot read."""


class Produce(msgspec.Struct, frozen=True, tag="produce", omit_defaults=True, gc=False):
    """One produce operation, retries included, written when it completed (or was given up)."""

    process: Number
    topic: str
    partition: Index
    invoked_ns: TimeNs
    completed_ns: TimeNs
    outcome: Outcome
    acks: str
    """What was asked for: All, Leader or None."""
    first_value: Value
    count: Count
    intended_ns: TimeNs = -1
    """Open loop: when it was due; latency counts from here. -1: not scheduled."""
    base_offset: Number = -1
    leader: Number = -1
    leader_epoch: Number = -1
    idempotent: bool = False
    duplicate: bool = False
    """Acknowledged as already written by an earlier attempt."""
    attempts: Number = 1
    error: str = ""
    directed_to: Node = -1
    """A probe is sent to this broker only, never redirected. -1: sent to the leader."""

    @property
    def acknowledged(self) -> bool:
        """It was answered as done, and something is promised by that. A write with ``acks: None`` is only ever sent."""
        return self.outcome is Outcome.OK and self.acks != "None"


class Fetch(msgspec.Struct, frozen=True, tag="fetch", omit_defaults=True, gc=False):
    """One fetch. ``values`` are at offsets base_offset, base_offset + 1, ...

    Without values and with ``base_offset >= high_watermark`` it is a tail read: it revealed the log's length. (A reader
    that is ahead, because it has read more from somebody else, is told that there is nothing yet: a length, too.)
    """

    process: Number
    topic: str
    partition: Index
    invoked_ns: TimeNs
    completed_ns: TimeNs
    outcome: Outcome
    offset: Number
    """Asked for."""
    base_offset: Number = -1
    values: tuple[Value, ...] = ()
    high_watermark: Number = -1
    leader: Number = -1
    leader_epoch: Number = -1
    session: Number = 0
    """Grows when this process starts over at another place; monotonicity is per session."""
    final: bool = False
    """Part of the final read of everything by a fresh client."""
    error: str = ""
    directed_to: Node = -1

    @property
    def tail(self) -> bool:
        """It was given no record and told that the log ends at ``high_watermark``, its own place or in front of it."""
        return not self.values and self.base_offset >= self.high_watermark >= 0


class TopicCreate(msgspec.Struct, frozen=True, tag="topic", omit_defaults=True, gc=False):
    process: Number
    topic: str
    invoked_ns: TimeNs
    completed_ns: TimeNs
    outcome: Outcome
    error: str = ""
    directed_to: Node = -1


class RegisterAction(StrEnum):
    PUT = "put"
    GET = "get"


class RegisterOperation(msgspec.Struct, frozen=True, tag="register", omit_defaults=True, gc=False):
    """One put or get of one key, retries included, written when it completed (or was given up).

    A *revision* numbers the writes of the whole store, 1 and up, in the order in which they took effect.
    """

    process: Number
    action: RegisterAction
    key: str
    invoked_ns: TimeNs
    completed_ns: TimeNs
    outcome: Outcome
    value: Number = -1
    """Put: what it wrote, unique in the run. Get: what was there; -1: the key did not exist."""
    revision: Number = -1
    """The write's own, as the answer says. Put: of this put. Get: of the write that was read; 0: no such key."""
    store_revision: Number = -1
    """The revision of the newest write of any key when this took effect; of a put its own."""
    version: Number = -1
    """Get: how many writes the key has had since it was created, counted by the store. -1: it does not count."""
    intended_ns: TimeNs = -1
    """Open loop: when it was due; latency counts from here. -1: not scheduled."""
    member: Number = -1
    """Who answered, or was asked last. -1: nobody could be asked."""
    term: Number = -1
    """The leader's term as the answer says."""
    attempts: Number = 1
    final: bool = False
    """Part of the final read of everything by a fresh client."""
    error: str = ""

    @property
    def acknowledged(self) -> bool:
        """A put that was answered: it took effect."""
        return self.action is RegisterAction.PUT and self.outcome is Outcome.OK


class DumpedBatch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    base_offset: Number
    leader_epoch: Number
    first_value: Value
    count: Count
    checksum: Number


class ReplicaDump(msgspec.Struct, frozen=True, tag="replica", omit_defaults=True, gc=False):
    """One replica's log after the run, read from its segment files by a reader of our own.

    ``high_watermark`` is what the cluster reported at the end (replicas must agree below it).
    """

    topic: str
    partition: Index
    broker: Node
    log_start_offset: Number
    log_end_offset: Number
    high_watermark: Number
    batches: tuple[DumpedBatch, ...]
    epochs: tuple[tuple[Number, Number], ...] = ()
    error: str = ""
    """Why it could not be read; then nothing else counts."""


class FaultStep(StrEnum):
    RESOLVED = "resolved"
    INJECTING = "injecting"
    EFFECTIVE = "effective"
    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    HEALING = "healing"
    HEALED = "healed"
    LOST = "lost"
    """Its own end came, or its injector died, before it was healed."""


class FaultEvent(msgspec.Struct, frozen=True, tag="fault", omit_defaults=True, gc=False):
    """A step in the life of one occurrence of a fault; [before_ns, after_ns] brackets the action."""

    fault: str
    occurrence: Number
    step: FaultStep
    before_ns: TimeNs
    after_ns: TimeNs
    wall_ns: WallNs = 0
    """The wall clock at ``before_ns``; for comparison with the brokers' timestamps."""
    kind: str = ""
    groups: tuple[tuple[Node, ...], ...] = ()
    """Partitions: the sides as broker ordinals. Other faults: one group, the victims."""
    links: tuple[tuple[Node, Node], ...] = ()
    detail: str = ""


class PhaseEvent(msgspec.Struct, frozen=True, tag="phase", omit_defaults=True, gc=False):
    phase: str
    at_ns: TimeNs
    detail: str = ""


class BrokerSample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One partition as one broker reported it."""

    topic: str
    partition: Index
    leader: Number
    leader_epoch: Number
    isr: tuple[Number, ...]
    elr: tuple[Number, ...]
    high_watermark: Number
    """The replica's high watermark; -1: the broker holds no replica."""
    log_end_offset: Number
    role: str


class StatusSample(msgspec.Struct, frozen=True, tag="status", omit_defaults=True, gc=False):
    """One broker's own status, asked at ``before_ns`` and received at ``after_ns``."""

    broker: Node
    before_ns: TimeNs
    after_ns: TimeNs
    reachable: bool
    broker_epoch: Number = -1
    incarnation: str = ""
    group_role: str = msgspec.field(name="raft_role", default="")
    """What it says of itself in its group: `Leader` of the one that leads."""
    term: Number = -1
    controller: Number = -1
    fenced: bool = False
    lease_remaining_ns: Number = 0
    truncations: Number = 0
    truncated_records: Number = 0
    partitions: tuple[BrokerSample, ...] = ()
    clock_low_ns: Number = 0
    """The least that its wall clock was ahead of the recorder's, by the bracket of this answer."""
    clock_high_ns: Number = 0
    """The most; both 0: it was not measured."""


class ElectionSeen(msgspec.Struct, frozen=True, tag="election", omit_defaults=True, gc=False):
    """A committed leader epoch, from the brokers' applied metadata, recorded once (wall clock of the controller)."""

    topic: str
    partition: Index
    leader: Number
    leader_epoch: Number
    wall_ns: WallNs
    seen_ns: TimeNs
    reason: str = ""

    @property
    def key(self) -> tuple[str, int, int]:
        """Tells it from every other election."""
        return self.topic, self.partition, self.leader_epoch


class LinkSample(msgspec.Struct, frozen=True, tag="link", omit_defaults=True, gc=False):
    """What ``source`` reports of its connections to ``target`` on one plane: kept open, or newly opened on request."""

    source: Node
    target: Node
    plane: str
    connection: str
    """Either kept (open for long) or new (opened to be tried)."""
    before_ns: TimeNs
    after_ns: TimeNs
    ok: bool
    silent_ns: Number = 0
    rtt_ns: Number = -1
    detail: str = ""


class MetricSample(msgspec.Struct, frozen=True, tag="metric", omit_defaults=True, gc=False):
    broker: Node
    """Which broker was scraped; -1: the operator itself."""
    at_ns: TimeNs
    name: str
    labels: dict[str, str]
    value: Annotated[float, Meta(ge=-1e200, le=1e200)]


class ProcessExit(msgspec.Struct, frozen=True, tag="exit", omit_defaults=True, gc=False):
    """A broker's process ended, and nobody of ours had ended it. ``code``: its exit code; the negative number of the
    signal that ended it."""

    broker: Node
    at_ns: TimeNs
    """When that was noticed."""
    code: Number
    words: str = ""
    """The last lines of its log."""
    why: str = ""
    """What else is said of its end by the one who runs it: `OOMKilled`."""


class Stall(msgspec.Struct, frozen=True, tag="stall", omit_defaults=True, gc=False):
    """A process did not run from ``from_ns`` to ``to_ns``: the runner (-1), the proxies (-2) or a broker."""

    process: Node
    from_ns: TimeNs
    to_ns: TimeNs


class WorkloadPace(msgspec.Struct, frozen=True, tag="pace", omit_defaults=True, gc=False):
    """How often the workload means to write: what happens between two writes it cannot see, and blames on nobody.

    Recorded when it starts, and once more when it stops if it had to give writes up.
    """

    at_ns: TimeNs
    topic: str
    partition_interval_ns: TimeNs
    """The longest time that is meant to pass between two writes to one partition, of all producers together."""
    given_up: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] = 0
    """Intended operations that were never sent, because too many before them were still unanswered."""


class Note(msgspec.Struct, frozen=True, tag="note", omit_defaults=True, gc=False):
    """Something worth telling the reader of the report; no rule reads it."""

    at_ns: TimeNs
    text: str
    broker: Node = -1


class FindingSeen(msgspec.Struct, frozen=True, tag="finding", gc=False):
    """A finding that was made while the run went on, by somebody who saw what no later reader of this file can see: the
    conductor (the cluster did not recover), the simulator (an invariant broke). It stands whenever the file is judged.
    """

    at_ns: TimeNs
    finding: Finding


class Footer(msgspec.Struct, frozen=True, tag="footer", gc=False):
    """The last line: the run ended in order. Without it the history is cut short, and never a Pass."""

    ended_ns: TimeNs
    aborted: bool = False
    reason: str = ""


HistoryRecord = (
    Header
    | Produce
    | Fetch
    | TopicCreate
    | RegisterOperation
    | ReplicaDump
    | FaultEvent
    | PhaseEvent
    | StatusSample
    | ElectionSeen
    | LinkSample
    | MetricSample
    | ProcessExit
    | Stall
    | WorkloadPace
    | Note
    | FindingSeen
    | Footer
)
