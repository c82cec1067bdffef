"""The records of whole faults, for recordings that are written by hand."""

from __future__ import annotations

from skerry.history.records import FaultEvent, FaultStep

STEPS = {"injecting": 0, "effective": 0, "verified": 0, "healing": 1, "healed": 1}
"""At the beginning of a fault, or at its end."""


def whole(name, kind, *groups, at=0, until=None, number=0, links=(), without=()):
    """One occurrence as it should be; ``without``: steps that are left out."""
    times = (at, at if until is None else until)
    return [
        FaultEvent(name, number, FaultStep(step), times[end], times[end] + 1, kind=kind, groups=groups, links=links)
        for step, end in STEPS.items()
        if step not in without
    ]
