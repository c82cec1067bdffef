"""The longest time without an acknowledged put of any key is within the limit.

It is judged in the widest window that the brackets of the fault allow; a gap that begins before or ends behind it
counts as far as it lies inside. Only time in which some put was wanted and not yet answered counts: the workload's own
pace and silence are not the system's. A window in which nobody put anything is Inconclusive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from skerry.expectations.facts import RunFacts, Window
from skerry.expectations.gaps import Gap, Waits
from skerry.expectations.judged import Judged, longest_wait, on_widest, seconds
from skerry.history.records import RegisterAction

if TYPE_CHECKING:
    from skerry.expectations.max_write_gap import MaxWriteGap


def judge(body: MaxWriteGap, run: RunFacts) -> Iterator[Judged]:
    limit_ns = run.limit_ns(body.at_most_ns)
    waits = Waits(each for each in run.history.registers if each.action is RegisterAction.PUT)
    for window in run.windows(body.during, body.after_heal_of):
        yield on_widest(window, limit_ns, _one(waits, window, limit_ns))


def _one(waits: Waits, window: Window, limit_ns: int) -> Callable[[int, int], Judged]:
    def said(gap: Gap, from_ns: int, to_ns: int) -> str:
        longest = f"longest time without an acknowledged put {window.name} {seconds(gap.length_ns)}"
        return f"{longest}, from {seconds(gap.from_ns)} on"

    return longest_wait(waits, limit_ns, "GapTooLong", f"nobody put anything {window.name}", said)
