"""What the conductor asks of a world. Each action has an id, unique and increasing in a run; reports quote it."""

from __future__ import annotations

import msgspec

from skerry.expectations.bodies import Probed
from skerry.faults.port import OccurrenceId
from skerry.faults.registry import AnyFault
from skerry.history.records import FaultEvent, FindingSeen, MetricSample, Note, PhaseEvent, ProcessExit
from skerry.schema.verdict import Finding, Verdict


class Prepare(msgspec.Struct, frozen=True, tag="prepare"):
    """Make what is written to, if it is absent, and bring everybody to where the document wants it before the faults.
    Done when that was asked for; the conductor watches the nodes' status for the effect."""

    id: int


class StartWorkload(msgspec.Struct, frozen=True, tag="startWorkload"):
    """Producers and consumers begin and run until ``Drain``."""

    id: int


class StartProbe(msgspec.Struct, frozen=True, tag="startProbe"):
    """Ask these brokers only, never redirected, to take something, for `writesRefused` and its like. Done when the
    probing has begun; it runs until ``StopProbe`` or ``Drain``."""

    id: int
    probe: str
    """A name, for StopProbe."""
    ordinals: tuple[int, ...]
    acks: str
    """All | Leader | None; of writes."""
    what: Probed = Probed.WRITES


class StopProbe(msgspec.Struct, frozen=True, tag="stopProbe"):
    id: int
    probe: str


class CheckLinks(msgspec.Struct, frozen=True, tag="checkLinks"):
    """Ask every reachable broker to open a new connection to every peer on every plane; results are ``LinkView`` with
    connection ``new``. (Kept-open connections are pinged all the time and need no asking.) Done when the results are
    there. Looks overlap, so that one that fails slowly delays no other."""

    id: int
    closely: bool = False
    """A change of the kept connections is near: for a second they are to be pinged as often as the system can."""


class Inject(msgspec.Struct, frozen=True, tag="inject"):
    """Apply the fault. DONE: the injector has carried it out; whether it bites is measured by the conductor."""

    id: int
    occurrence: OccurrenceId
    fault: AnyFault
    duration_ns: int
    """How long it is meant to last from the moment it took effect; the conductor heals it then."""
    deadline_ns: int
    """It ends by itself ``deadline_ns`` on the run's clock, whatever became of the conductor. Always later than a
    regular heal."""


class Heal(msgspec.Struct, frozen=True, tag="heal"):
    """Make this occurrence absent: lift the cut, start the process, SIGCONT. Idempotent."""

    id: int
    occurrence: OccurrenceId
    fault: AnyFault


class HealAll(msgspec.Struct, frozen=True, tag="healAll"):
    """Make every fault absent, known or not (a conductor that found a run in progress). Idempotent."""

    id: int


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """Stop producing, wait for what is in flight, read everything by a fresh client, dump the replicas. DONE when the
    history holds all of it."""

    id: int


class Check(msgspec.Struct, frozen=True, tag="check"):
    """Judge the history. The answer comes as ``Observation.findings``."""

    id: int


class Finish(msgspec.Struct, frozen=True, tag="finish"):
    """The last action of a run."""

    id: int
    verdict: Verdict
    reason: str
    """A CamelCase code, the reason of the condition `Succeeded`."""
    message: str
    """One sentence."""
    findings: tuple[Finding, ...] = ()
    aborted: bool = False


Recorded = FaultEvent | PhaseEvent | Note | FindingSeen | MetricSample | ProcessExit
"""What is written into the history from outside of the recording process."""


class Record(msgspec.Struct, frozen=True, tag="record"):
    """Append this to the history."""

    id: int
    record: Recorded


Action = (
    Prepare
    | StartWorkload
    | StartProbe
    | StopProbe
    | CheckLinks
    | Inject
    | Heal
    | HealAll
    | Drain
    | Check
    | Finish
    | Record
)
