"""What an expectation's judge gives back, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from skerry.expectations.facts import Window
from skerry.expectations.gaps import Gap, Waits
from skerry.history.records import HistoryRecord
from skerry.schema.verdict import Verdict

MS = 1_000_000
SECOND = 1_000_000_000
BRACKET_PART = 10
"""A bracket of up to this part of a limit is judged by its worse edge; a wider one decides nothing by itself."""


@dataclass(frozen=True)
class Judged:
    """One judgement: of one occurrence of a fault, or of one partition. The worst of them is the expectation's."""

    verdict: Verdict
    message: str
    """One sentence with numbers."""
    reason: str = ""
    limit: str = ""
    measured: str = ""
    weight: int = 0
    """Among equals the heaviest is shown: the longest gap, the slowest failover."""
    window: tuple[int, int] | None = None
    """The time that was judged, in run nanoseconds; a stall inside it matters."""
    upper_bound: bool = False
    """The limit is the longest time that something may take."""
    stall_voids_pass: bool = False
    """A Pass says that something did not happen in time, which a runner that stood still would not have seen."""
    witness: tuple[HistoryRecord | None, ...] = ()
    partition: int = -1


def passed(message: str, **more: Any) -> Judged:
    return Judged(Verdict.PASS, message, **more)


def failed(reason: str, message: str, **more: Any) -> Judged:
    return Judged(Verdict.FAIL, message, reason, **more)


def unknown(reason: str, message: str, **more: Any) -> Judged:
    """Nothing in the history answers it."""
    return Judged(Verdict.INCONCLUSIVE, message, reason, **more)


def within(low_ns: int, high_ns: int, limit_ns: int, reason: str, message: str, **more: Any) -> Judged:
    """Something took between ``low_ns`` and ``high_ns``, and may take ``limit_ns``: judged by the longest that it may
    have taken. Where that breaks the limit, the shortest does not, and the two are further apart than a part of the
    limit, it is our knowledge that decides and not the system: Inconclusive."""
    if high_ns <= limit_ns:
        return passed(message, **more)
    if low_ns > limit_ns or high_ns - low_ns <= limit_ns // BRACKET_PART:
        return failed(reason, message, **more)
    return unknown("BracketTooWide", f"{message}; {_too_wide(high_ns - low_ns, limit_ns)}", **more)


def on_widest(window: Window, limit_ns: int, one: Callable[[int, int], Judged]) -> Judged:
    """An upper bound inside a window whose edges are known to brackets only: judged on the widest that it may be.

    ``one(from, to)`` judges a window; a wider one never looks better. Where the narrowest would pass and the brackets
    are wider than a part of ``limit_ns`` (of the window, where the limit is no time: 0), it is our knowledge that
    decides and not the system: Inconclusive.
    """
    wide = one(window.from_ns, window.to_ns)
    allowed_ns = (limit_ns or window.to_ns - window.from_ns) // BRACKET_PART
    if wide.verdict is not Verdict.FAIL or window.unsure_ns <= allowed_ns:
        return wide
    if window.sure_to_ns > window.sure_from_ns and one(window.sure_from_ns, window.sure_to_ns).verdict is Verdict.FAIL:
        return wide
    message = f"{wide.message}; {_too_wide(window.unsure_ns, BRACKET_PART * allowed_ns)}"
    return replace(wide, verdict=Verdict.INCONCLUSIVE, reason="BracketTooWide", message=message)


def longest_wait(
    waits: Waits, limit_ns: int, reason: str, untried: str, said: Callable[[Gap, int, int], str], partition: int = -1
) -> Callable[[int, int], Judged]:
    """Judges a window, for `on_widest`, by the longest wait for an acknowledgement inside it.

    ``reason``: why one that is longer than the limit is a Fail. ``untried``: the sentence where nobody waited;
    ``said(gap, from, to)``: the one about the wait."""

    def judged(from_ns: int, to_ns: int) -> Judged:
        shown = {"limit": seconds(limit_ns), "window": (from_ns, to_ns), "upper_bound": True, "partition": partition}
        if not waits.tried(from_ns, to_ns):
            return unknown("NotTried", untried, **shown)
        gap = waits.longest(from_ns, to_ns)
        shown |= {"measured": seconds(gap.length_ns), "weight": gap.length_ns}
        message = said(gap, from_ns, to_ns)
        if gap.length_ns <= limit_ns:
            return passed(message, **shown)
        return failed(reason, message, **shown | {"window": (gap.from_ns, gap.to_ns)})

    return judged


def _too_wide(bracket_ns: int, limit_ns: int) -> str:
    return (
        f"but when it began and ended is known to {seconds(bracket_ns)} only, which is more than a tenth of "
        f"{seconds(limit_ns)}, and that decides"
    )


def seconds(ns: int) -> str:
    """``1.42 s``, ``0.35 s``."""
    return f"{ns / SECOND:.2f} s"


def span(low_ns: int, high_ns: int) -> str:
    """A measured time with its bounds: ``1.42 s``, or ``1.38-1.51 s`` where they differ visibly."""
    low_ns = max(0, low_ns)
    if high_ns - low_ns < 10 * MS:
        return seconds(high_ns)
    return f"{low_ns / SECOND:.2f}-{high_ns / SECOND:.2f} s"
