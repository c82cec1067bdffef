"""Whether the recording process's clock went back: what shows it, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from operator import attrgetter, ge, sub
from typing import Any

ORDER_SLACK_NS = 50_000_000
"""How much later than it ended an operation may be written down, behind others that ended after it."""

_invoked = attrgetter("invoked_ns")
_completed = attrgetter("completed_ns")
_before = attrgetter("before_ns")
Recorded = Sequence[tuple[str, Sequence[Any]]]
"""What records are called, and they themselves."""


def clock_trouble(recorded: Recorded) -> str:
    """Empty: nothing shows that it did. ``recorded``: operations as they were recorded, and what they are called."""
    return next(filter(None, (_of(what, operations) for what, operations in recorded)), "")


def behind_the_end(ended_ns: int, operations: Recorded, looks: Recorded) -> str:
    """What was recorded of a time when the run had ended; empty: nothing. ``looks``: what is known to a bracket."""
    for moment, recorded in ((_completed, operations), (_before, looks)):
        for what, records in recorded:
            latest_ns = max(map(moment, records), default=ended_ns)
            if latest_ns > ended_ns + ORDER_SLACK_NS:
                return (
                    f"the run ended at {ended_ns / 1e9:.2f} s, and a {what} is recorded at {latest_ns / 1e9:.2f} s: "
                    "the recorder's clock went back, or the recording was edited"
                )
    return ""


def _of(what: str, operations: Sequence[Any]) -> str:
    begins, ends = list(map(_invoked, operations)), list(map(_completed, operations))
    if not all(map(ge, ends, begins)):
        begin, end = next((begin, end) for begin, end in zip(begins, ends, strict=True) if end < begin)
        return (
            f"a {what} was answered {_seconds(begin - end)} before it was sent, at {end / 1e9:.2f} s: the recorder's "
            "clock went back, or the recording was edited"
        )
    if ends == sorted(ends):
        return ""
    latest = list(accumulate(ends, max))
    back_ns = max(map(sub, latest, ends), default=0)
    if back_ns > ORDER_SLACK_NS:
        return f"the recorder's clock went back by {_seconds(back_ns)}: a {what} ended before one recorded earlier"
    return ""


def _seconds(ns: int) -> str:
    return f"{ns / 1e9:.3f} s"
