"""Whether the recording process's clock went back: what shows it, in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import attrgetter, ge, sub
from typing import Any

ORDER_SLACK_NS = 50_000_000
"""How much later than it ended an operation may be written down, behind others that ended after it."""

_invoked = attrgetter("invoked_ns")
_completed = attrgetter("completed_ns")


def clock_trouble(recorded: Iterable[tuple[str, Sequence[Any]]]) -> str:
    """Empty: nothing shows that it did. ``recorded``: operations as they were recorded, and what they are called."""
    return next(filter(None, (_of(what, operations) for what, operations in recorded)), "")


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
