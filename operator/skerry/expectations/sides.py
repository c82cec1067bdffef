"""Which brokers a ``by`` means, and when: the brokers of one side of a fault, while it was certainly in effect."""

from __future__ import annotations

from typing import NamedTuple

from skerry.expectations.facts import RunFacts, Window, exactly
from skerry.schema.selectors import Side


class SideInTime(NamedTuple):
    brokers: frozenset[int]
    window: Window
    effect_ns: int
    """The late edge of the effect; the run's first effect where no fault is named."""
    effect_from_ns: int
    """The early edge of it."""


def sides_in_time(run: RunFacts, side: Side, within_ns: int) -> list[SideInTime]:
    """One per occurrence; the window begins ``within_ns`` after the effect. Empty: the fault never took effect."""
    if side.ordinal is not None:
        first = run.first_effect_ns
        if first is None:
            return []
        ends = [o.heal_begins_ns for o in run.all_occurrences]
        end = max((e for e in ends if e is not None), default=run.workload_end_ns)
        start = first + within_ns
        return [
            SideInTime(frozenset({side.ordinal}), exactly(start, max(start, end), "during the faults"), first, first)
        ]
    found = []
    for occurrence, effective in run.occurrences_of(side.fault or ""):
        if side.group_index < len(occurrence.groups):
            brokers = frozenset(occurrence.groups[side.group_index])
            window = run.certain_window(occurrence, effective, within_ns)
            found.append(SideInTime(brokers, window, effective.after_ns, effective.before_ns))
    return found


def brokers_text(brokers: frozenset[int]) -> str:
    listed = ", ".join(str(broker) for broker in sorted(brokers))
    return f"broker {listed}" if len(brokers) == 1 else f"brokers {listed}"
