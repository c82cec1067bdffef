"""The run's clock never goes back: operations are recorded when they end, and end after they began.

Everything that is judged in real time rests on one clock, that of the process that records. Where it went back, an old
answer looks new and a new one old, and the system under test would be blamed for that. The run is Inconclusive then,
and no property that compares moments is judged, nor any expectation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import attrgetter, ge, sub
from typing import Any

from skerry.checker.findings import held, undecided
from skerry.checker.model import RunEvidence
from skerry.checker.property import Property
from skerry.history import History
from skerry.schema.verdict import Finding, FindingKind

NAME = "clock"
REASON = "ClockWentBack"
ORDER_SLACK_NS = 50_000_000
"""How much later than it ended an operation may be written down, behind others that ended after it."""

_invoked = attrgetter("invoked_ns")
_completed = attrgetter("completed_ns")


def check(evidence: RunEvidence, guarantees: object) -> Iterator[Finding]:
    trouble = clock_trouble(evidence.history)
    if trouble:
        yield undecided(NAME, REASON, trouble, kind=FindingKind.RUN)
    else:
        yield held(NAME, "the run's clock never went back", kind=FindingKind.RUN)


def clock_trouble(history: History) -> str:
    """What shows that the recording process's clock went back; empty: nothing does."""
    for what, operations in (
        ("write", history.produces),
        ("read", history.fetches),
        ("topic creation", history.topics),
        ("operation", history.registers),
    ):
        if trouble := _of(what, operations):
            return trouble
    return ""


def _of(what: str, operations: Sequence[Any]) -> str:
    begins, ends = list(map(_invoked, operations)), list(map(_completed, operations))
    if not all(map(ge, ends, begins)):
        begin, end = next((begin, end) for begin, end in zip(begins, ends, strict=True) if end < begin)
        return (
            f"a {what} was answered {_seconds(begin - end)} before it was sent, at {end / 1e9:.2f} s: the recorder's "
            "clock went back, or the recording was edited"
        )
    latest = list(accumulate(ends, max))
    back_ns = max(map(sub, latest, ends), default=0)
    if back_ns > ORDER_SLACK_NS:
        return f"the recorder's clock went back by {_seconds(back_ns)}: a {what} ended before one recorded earlier"
    return ""


def _seconds(ns: int) -> str:
    return f"{ns / 1e9:.3f} s"


PROPERTY = Property(NAME, __doc__, check, FindingKind.RUN)
