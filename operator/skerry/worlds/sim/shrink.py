"""Make a failing plan small: fewer faults, then less load, as long as the *same* rule is still broken.

A plan is data, so a smaller one can simply be run (`chaos.run_plan`). Whole halves of the steps go first, then single
ones (delta debugging, Zeller 1999); a step that ends a fault goes with the one that began it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from skerry.worlds.sim.plan import Plan, Step

StillFails = Callable[[Plan], bool]


def shrink(plan: Plan, still_fails: StillFails) -> Plan:
    """The smallest plan found; ``still_fails`` runs one and tells. ``plan`` itself must fail."""
    faults = _faults(plan.steps)
    size = max(1, len(faults) // 2)
    while faults:
        for begin in range(0, len(faults), size):
            fewer = faults[:begin] + faults[begin + size :]
            smaller = msgspec.structs.replace(plan, steps=_steps(fewer))
            if still_fails(smaller):
                plan, faults = smaller, fewer
                size = max(1, min(size, len(faults) // 2))
                break
        else:
            if size == 1:
                break
            size //= 2
    for change in ({"partitions": 1}, {"producers": 1}, {"consumers": 1}, {"max_drift_ppm": 0}):
        smaller = msgspec.structs.replace(plan, **change)
        if smaller != plan and still_fails(smaller):
            plan = smaller
    return plan


def _faults(steps: tuple[Step, ...]) -> list[tuple[Step, ...]]:
    """Steps of one name belong together; the nameless stand alone."""
    named: dict[str, list[Step]] = {}
    found: list[list[Step]] = []
    for step in steps:
        if step.name and step.name in named:
            named[step.name].append(step)
            continue
        group = [step]
        found.append(group)
        if step.name:
            named[step.name] = group
    return [tuple(group) for group in found]


def _steps(faults: list[tuple[Step, ...]]) -> tuple[Step, ...]:
    return tuple(sorted((step for fault in faults for step in fault), key=lambda step: step.at_ns))
