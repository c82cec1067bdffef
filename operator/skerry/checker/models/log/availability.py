"""How long writers had to wait: measured, never judged.

Per partition the longest time without an acknowledgement between the first and the last one (of which only that counts
in which some write was wanted and not yet answered), and how the operations ended. Limits on it are expectations
(`maxWriteGap`, `available`), because what is acceptable depends on the fault. A run in which nothing was acknowledged
is Inconclusive.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from skerry.checker.findings import held, plural, undecided
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.property import Property
from skerry.expectations.gaps import Gap, Waits, awaited
from skerry.history import PartitionOperations
from skerry.history.records import Outcome
from skerry.schema.verdict import Finding

NAME = "availability"
_outcome = attrgetter("outcome")


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    outcomes: list[Outcome] = []
    acknowledged = 0
    gaps = []
    for key, operations in evidence.history.partitions.items():
        outcomes += map(_outcome, operations.produces)
        acknowledged += len(operations.acked) + len(operations.unplaced)
        gap = longest_gap(operations)
        if gap is not None:
            gaps.append((gap.length_ns, gap.from_ns, key))
    if not acknowledged:
        message = f"none of {plural(len(outcomes), 'write')} was acknowledged; a run that wrote nothing proves nothing"
        yield undecided(NAME, "NothingAcknowledged", message)
        return
    text = (
        f"{acknowledged:,} writes acknowledged, {outcomes.count(Outcome.FAILED):,} failed, "
        f"{outcomes.count(Outcome.UNKNOWN):,} unknown"
    )
    if gaps:
        gap_ns, at_ns, key = max(gaps)
        text += f"; longest time without an acknowledgement {gap_ns / 1e6:.0f} ms ({key}, from {at_ns / 1e9:.2f} s)"
    yield held(NAME, text + _latency(evidence))


def _latency(evidence: Evidence) -> str:
    """Open loop: from the moment a write was due, so that a slow answer cannot hide the ones behind it."""
    latencies = [
        op.completed_ns - (op.intended_ns if op.intended_ns >= 0 else op.invoked_ns)
        for operations in evidence.history.partitions.values()
        for op in (*operations.acked, *operations.unplaced)
        if op.directed_to < 0
    ]
    latencies.sort()
    if not latencies:
        return ""
    p50, p99 = latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
    return f"; latency p50 {p50 / 1e6:.1f} ms, p99 {p99 / 1e6:.1f} ms, max {latencies[-1] / 1e6:.1f} ms"


def longest_gap(operations: PartitionOperations) -> Gap | None:
    """The longest wait between two acknowledgements; None: there was no acknowledgement at all."""
    waits = Waits(awaited(operations.produces))
    return waits.longest(waits.acks_ns[0], waits.acks_ns[-1]) if waits.acks_ns else None


PROPERTY = Property(NAME, __doc__, check)
