"""No process of the system ends by itself, and nobody but this run's faults ends one.

A process that ended with an exit code of its own (an assertion, a panic), or by a signal that a process draws on itself
(an abort, a segmentation fault), is the system's failure, whatever the clients saw; its last lines are told. One that
somebody else killed or stopped, and one that was restarted by nobody of ours (it answers under another incarnation), is
a run that says nothing: Inconclusive. A process that never answered has not come up, which the run itself tells.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

from skerry.checker.findings import broken, held, plural, undecided
from skerry.checker.guarantees import Guarantees
from skerry.checker.model import RunEvidence
from skerry.checker.property import Property
from skerry.faults.registry import ends_processes
from skerry.history import History
from skerry.history.records import FaultEvent, FaultStep, ProcessExit, StatusSample
from skerry.schema.verdict import Finding, FindingKind

NAME = "processes"
DRAWN_ON_ITSELF = frozenset({"SIGABRT", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS"})
STOPPED_IN_ORDER = 0
WORDS_SHOWN_MAX = 300
TOLD_LATE_NS = 5_000_000_000
"""How much later than the process that came next a kubelet may tell how the last one ended."""


def check(evidence: RunEvidence, guarantees: Guarantees) -> Iterator[Finding]:
    history = evidence.history
    good = True
    for ended in history.exits:
        if _answered_before(history, ended):
            good = False
            yield _judged(evidence, ended)
    for before, after in _replaced(history):
        if not _explained(history, before, after):
            good = False
            message = (
                f"broker {after.broker} was restarted between {before.before_ns / 1e9:.2f} s and "
                f"{after.after_ns / 1e9:.2f} s, and no fault of this run did that"
            )
            yield undecided(
                NAME, "BrokerExited", message, kind=FindingKind.RUN, witness=_witness(history, before, after)
            )
    if good:
        brokers = len({status.broker for status in history.statuses if status.reachable})
        yield held(NAME, f"{plural(brokers, 'process', 'processes')}, none ended but by a fault", kind=FindingKind.RUN)


def _judged(evidence: RunEvidence, ended: ProcessExit) -> Finding:
    how, detail, by_itself = _how(ended.code)
    words = " ".join(ended.words.split())[-WORDS_SHOWN_MAX:]
    said = f"; its log ends with: {words}" if words else "; no last words of its log are known"
    why = ", ".join(filter(None, (detail, ended.why)))
    message = f"broker {ended.broker} {how}{f' ({why})' if why else ''} at {ended.at_ns / 1e9:.2f} s{said}"
    witness = _witness(evidence.history, ended)
    if by_itself:
        return broken(NAME, "BrokerCrashed", message, witness=witness)
    return undecided(
        NAME, "BrokerExited", f"{message}; no fault of this run did that", witness=witness, kind=FindingKind.RUN
    )


def _how(code: int) -> tuple[str, str, bool]:
    """In words, in detail, and whether it was its own doing."""
    if code == STOPPED_IN_ORDER:
        return "was asked by somebody to stop, and did so in order", "exit code 0", False
    if code > 0:
        return "ended by itself", f"exit code {code}", True
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name in DRAWN_ON_ITSELF:
        return "crashed", name, True
    return "was ended by somebody else", name, False


def ended_by_itself(ended: ProcessExit) -> bool:
    """It was the process's own doing: the failure is the system's."""
    return _how(ended.code)[2]


def _answered_before(history: History, ended: ProcessExit) -> bool:
    return any(s.broker == ended.broker and s.reachable and s.after_ns <= ended.at_ns for s in history.statuses)


def _replaced(history: History) -> Iterator[tuple[StatusSample, StatusSample]]:
    """Two successive answers of one broker under different incarnations."""
    last: dict[int, StatusSample] = {}
    for status in history.statuses:
        if status.reachable and status.incarnation:
            before = last.get(status.broker)
            if before is not None and before.incarnation != status.incarnation:
                yield before, status
            last[status.broker] = status


def _explained(history: History, before: StatusSample, after: StatusSample) -> bool:
    """A fault may have ended the old process, and somebody of ours started the new one; or its end is told already."""
    told = (each.at_ns for each in history.exits if each.broker == after.broker)
    if any(before.before_ns <= at_ns <= after.after_ns + TOLD_LATE_NS for at_ns in told):
        return True
    for begin in history.faults:
        if begin.step is FaultStep.INJECTING and ends_processes(begin.kind) and _hits(begin, after.broker):
            healed = next((e for e in history.faults if _is_heal(e, begin)), None)
            if begin.before_ns <= after.after_ns and (healed is None or healed.after_ns >= before.before_ns):
                return True
    return False


def _hits(event: FaultEvent, broker: int) -> bool:
    return any(broker in group for group in event.groups)


def _is_heal(event: FaultEvent, begin: FaultEvent) -> bool:
    return (event.fault, event.occurrence, event.step) == (begin.fault, begin.occurrence, FaultStep.HEALED)


def _witness(history: History, *records: ProcessExit | StatusSample) -> tuple[int, ...]:
    return history.index_of(*records)


PROPERTY = Property(NAME, __doc__, check, FindingKind.RUN)
