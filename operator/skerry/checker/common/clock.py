"""The run's clock never goes back: operations are recorded when they end, and end after they began.

Everything that is judged in real time rests on one clock, that of the process that records. Where it went back, an old
answer looks new and a new one old, and the system under test would be blamed for that. The run is Inconclusive then,
and no property that compares moments is judged, nor any expectation.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import held, undecided
from skerry.checker.guarantees import Guarantees
from skerry.checker.model import RunEvidence
from skerry.checker.property import Property
from skerry.schema.verdict import Finding, FindingKind

NAME = "clock"
REASON = "ClockWentBack"


def check(evidence: RunEvidence, guarantees: Guarantees) -> Iterator[Finding]:
    trouble = evidence.history.clock_trouble
    if trouble:
        yield undecided(NAME, REASON, trouble, kind=FindingKind.RUN)
    else:
        yield held(NAME, "the run's clock never went back", kind=FindingKind.RUN)


PROPERTY = Property(NAME, __doc__, check, FindingKind.RUN)
