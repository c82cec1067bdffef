"""How many brokers were alive, by the faults that took some away."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from skerry.expectations.facts import RunFacts, Window
from skerry.faults.port import Absence
from skerry.faults.registry import absence
from skerry.history.occurrences import Occurrence
from skerry.history.records import FaultStep

if TYPE_CHECKING:
    from skerry.expectations.when import When


def stretches(run: RunFacts, window: Window, when: When | None) -> list[Window]:
    """The parts of the window in which the condition certainly held; all of it without a condition."""
    if when is None:
        return [window]
    edges = {window.from_ns, window.to_ns}
    for occurrence in run.all_occurrences:
        for edge in (*_possibly_down(run, occurrence), *_certainly_down(run, occurrence)):
            if window.from_ns < edge < window.to_ns:
                edges.add(edge)
    ordered = sorted(edges)
    found: list[Window] = []
    for start, end in pairwise(ordered):
        if not _holds(run, when, start, end):
            continue
        if found and found[-1].to_ns == start:
            start = found.pop().from_ns
        found.append(window.within(start, end))
    return found


def _holds(run: RunFacts, when: When, start: int, end: int) -> bool:
    """Between two edges nothing changes."""
    brokers = run.experiment.spec.cluster.brokers
    fewest = brokers - len(_down(run, start, end, certainly=False))
    most = brokers - len(_down(run, start, end, certainly=True))
    return (when.alive_at_least is None or fewest >= when.alive_at_least) and (
        when.alive_at_most is None or most <= when.alive_at_most
    )


def _down(run: RunFacts, start: int, end: int, *, certainly: bool) -> set[int]:
    down: set[int] = set()
    for occurrence in run.all_occurrences:
        first, last = (_certainly_down if certainly else _possibly_down)(run, occurrence)
        if first <= start and end <= last:
            down |= occurrence.victims
    return down


def _absence(run: RunFacts, occurrence: Occurrence) -> Absence:
    return absence(occurrence.kind, run.experiment.fault(occurrence.fault).body)


def _possibly_down(run: RunFacts, occurrence: Occurrence) -> tuple[int, int]:
    """From the early edge of the injection to the late edge of the heal (for a kill: it has registered again)."""
    begin = occurrence.steps.get(FaultStep.INJECTING) or occurrence.effective
    if begin is None or _absence(run, occurrence) is Absence.NEVER:
        return (0, 0)
    return begin.before_ns, occurrence.healed.after_ns if occurrence.healed else run.workload_end_ns


def _certainly_down(run: RunFacts, occurrence: Occurrence) -> tuple[int, int]:
    """From the late edge of the effect to the early edge of the heal. A rolling restart has nobody down for certain."""
    effective = occurrence.effective
    if effective is None or _absence(run, occurrence) is not Absence.ALWAYS:
        return (0, 0)
    end = occurrence.heal_begins_ns
    return effective.after_ns, run.workload_end_ns if end is None else end
