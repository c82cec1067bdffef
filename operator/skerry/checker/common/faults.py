"""Every fault that was begun was what it was meant to be: measured to be in effect, until it was healed.

A fault that was not verified, that ended by itself, or whose end nobody saw, proves nothing about the system: the run
is Inconclusive, whether an expectation asks for that fault or not. So it is where the steps of a fault are recorded in
an order in which they cannot have happened. What the run itself has said of its faults is not said once more.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import held, plural, undecided
from skerry.checker.guarantees import Guarantees
from skerry.checker.model import RunEvidence
from skerry.checker.property import Property
from skerry.history import History
from skerry.history.occurrences import Occurrence, occurrences_by_fault
from skerry.history.records import FaultStep
from skerry.schema.verdict import Finding, FindingKind, Verdict

NAME = "faults"
DRAINING = "Draining"
"""The phase that begins when every fault is over."""

NOT_LIKE_THIS = "cannot have happened like this"

Doubt = tuple[str, str]
"""(reason, sentence)"""


def check(evidence: RunEvidence, guarantees: Guarantees) -> Iterator[Finding]:
    history = evidence.history
    by_fault = occurrences_by_fault(history.faults)
    good = True
    for name, occurrences in by_fault.items():
        doubts = [doubt for occurrence in occurrences if (doubt := _doubt_to_the_end(occurrence, history))]
        if doubts and not said_already(history, name):
            good = False
            reason, message = doubts[0]
            more = f"; {plural(len(doubts), 'such occurrence')}" if len(doubts) > 1 else ""
            yield undecided(NAME, reason, message + more, kind=FindingKind.RUN, fault=name)
    if good:
        count = sum(map(len, by_fault.values()))
        yield held(NAME, f"{plural(count, 'occurrence')} of faults, each as it was meant to be", kind=FindingKind.RUN)


def doubt_of(occurrence: Occurrence, clock_error_ns: int) -> Doubt | None:
    """Why nothing can be concluded from this occurrence; None: it was measured to be in effect."""
    contradiction = occurrence.contradiction(clock_error_ns)
    if contradiction:
        return "FaultContradicts", f"{occurrence} {NOT_LIKE_THIS}: {contradiction}"
    if not occurrence.verified:
        event = occurrence.steps.get(FaultStep.UNVERIFIED)
        detail = f": {event.detail}" if event and event.detail else ""
        return "NotVerified", f"{occurrence} was not verified to be in effect{detail}"
    return None


def lost(occurrence: Occurrence) -> str:
    """The sentence about one that ended by itself."""
    event = occurrence.steps[FaultStep.LOST]
    why = f": {event.detail}" if event.detail else ""
    return f"{occurrence} ended by itself at {event.before_ns / 1e9:.2f} s, before it was healed{why}"


def _doubt_to_the_end(occurrence: Occurrence, history: History) -> Doubt | None:
    doubt = doubt_of(occurrence, history.clock_error_ns)
    if doubt is not None:
        return doubt
    if occurrence.lost_ns is not None:
        return "FaultLost", lost(occurrence)
    if occurrence.healed is None:
        return "NotHealed", f"{occurrence} was never seen to be healed"
    drained_ns = next((phase.at_ns for phase in history.phases if phase.phase == DRAINING), None)
    if drained_ns is not None and drained_ns + history.clock_error_ns < occurrence.healed.before_ns:
        when = f"healed at {occurrence.healed.before_ns / 1e9:.2f} s, when the workload had been drained since"
        return "FaultContradicts", f"{occurrence} {NOT_LIKE_THIS}: {when} {drained_ns / 1e9:.2f} s"
    return None


def said_already(history: History, name: str) -> bool:
    """The run said itself why it, or this fault of it, cannot be judged."""
    return any(
        seen.finding.kind is FindingKind.RUN
        and seen.finding.verdict is not Verdict.PASS
        and seen.finding.fault in ("", name)
        for seen in history.findings
    )


PROPERTY = Property(NAME, __doc__, check, FindingKind.RUN)
