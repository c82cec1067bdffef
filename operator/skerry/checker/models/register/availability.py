"""How long clients had to wait: measured, never judged.

The longest time without an acknowledged put between the first and the last one, over all keys, how the operations
ended, and their latency. A run in which nothing was acknowledged is Inconclusive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from skerry.checker.findings import held, plural, undecided
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.register.evidence import Evidence
from skerry.checker.property import Property
from skerry.history.records import Outcome, RegisterAction, RegisterOperation
from skerry.schema.verdict import Finding

NAME = "availability"


def check(evidence: Evidence, guarantees: Guarantees) -> Iterator[Finding]:
    operations = [each for each in evidence.history.registers if not each.final]
    puts = [each for each in operations if each.action is RegisterAction.PUT]
    outcomes = Counter(put.outcome for put in puts)
    if not outcomes[Outcome.OK]:
        message = f"none of {plural(len(puts), 'put')} was acknowledged; a run that wrote nothing proves nothing"
        yield undecided(NAME, "NothingAcknowledged", message)
        return
    gets = Counter(each.outcome for each in operations if each.action is RegisterAction.GET)
    gap_ns, at_ns = longest_gap(puts)
    yield held(
        NAME,
        f"puts: {_counted(outcomes)}; gets: {_counted(gets)}; longest time without an acknowledged put "
        f"{gap_ns / 1e6:.0f} ms (from {at_ns / 1e9:.2f} s); {_latency(puts)}",
    )


def longest_gap(puts: list[RegisterOperation]) -> tuple[int, int]:
    """(length, begin) of the longest time between two acknowledgements; begin -1: there was none at all."""
    times = sorted(put.completed_ns for put in puts if put.outcome is Outcome.OK)
    if not times:
        return 0, -1
    return max(((after - before, before) for before, after in pairwise(times)), default=(0, times[0]))


def _counted(outcomes: Counter[Outcome]) -> str:
    return f"{outcomes[Outcome.OK]:,} ok, {outcomes[Outcome.FAILED]:,} failed, {outcomes[Outcome.UNKNOWN]:,} unknown"


def _latency(puts: list[RegisterOperation]) -> str:
    """Open loop: from the moment a put was due, so that a slow answer cannot hide the ones behind it."""
    latencies = sorted(
        put.completed_ns - (put.intended_ns if put.intended_ns >= 0 else put.invoked_ns)
        for put in puts
        if put.outcome is Outcome.OK
    )
    p50, p99 = latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
    return f"latency of puts p50 {p50 / 1e6:.1f} ms, p99 {p99 / 1e6:.1f} ms, max {latencies[-1] / 1e6:.1f} ms"


PROPERTY = Property(NAME, __doc__, check)
