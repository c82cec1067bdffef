"""Times without an acknowledgement in which somebody waited for one.

The workload is an instrument: its own pace, its silence and its end are not the system's. So of the time between two
acknowledgements only that counts in which some write was wanted and not yet answered: from its intended time (where it
was scheduled; else from when it was sent) to its end, whatever the end was.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from functools import cached_property
from operator import attrgetter, sub
from typing import NamedTuple

from skerry.history.records import Outcome, Produce, RegisterOperation

FOREVER_NS = 1 << 62
_completed = attrgetter("completed_ns")

Write = Produce | RegisterOperation
"""A produce, or a put."""


class Gap(NamedTuple):
    """``length_ns`` of waiting, in the time without an acknowledgement that began at ``from_ns``."""

    length_ns: int
    from_ns: int
    to_ns: int


class Waits:
    """The writes to one place that asked for an acknowledgement, as times of waiting, and the answers to them."""

    def __init__(self, writes: Iterable[Write]) -> None:
        """``writes``: the workload's own that asked for an answer (`awaited`)."""
        self._writes = list(writes)
        self.acks_ns = sorted([write.completed_ns for write in self._writes if write.outcome is Outcome.OK])

    def tried(self, from_ns: int, to_ns: int) -> bool:
        """Somebody waited for an acknowledgement in this time."""
        return any(_begin(write) <= to_ns and write.completed_ns >= from_ns for write in self._writes)

    def longest(self, from_ns: int, to_ns: int) -> Gap:
        """The longest wait inside [from, to]; one that begins before or ends behind counts as far as it lies inside."""
        inside = self.acks_ns[bisect_left(self.acks_ns, from_ns) : bisect_right(self.acks_ns, to_ns)]
        edges = [from_ns, *inside, to_ns]
        waited = list(map(sub, edges[1:], edges))
        begins, ends = self._silences
        for position in range(bisect_right(ends, from_ns), bisect_left(begins, to_ns)):
            # Nobody waits in a silence, so no answer comes: it lies between two acknowledgements.
            begin, end = max(begins[position], from_ns), min(ends[position], to_ns)
            waited[bisect_right(inside, begin)] -= end - begin
        longest = max(waited)
        at = waited.index(longest)
        return Gap(max(0, longest), edges[at], edges[at + 1])

    @cached_property
    def _silences(self) -> tuple[list[int], list[int]]:
        """Begins and ends of the stretches in which no write waited, in order; the first and the last have no end.

        When as many writes have ended as have begun, and the next one begins later, nobody waits in between.
        """
        starts = [w.intended_ns if 0 <= w.intended_ns < w.invoked_ns else w.invoked_ns for w in self._writes]
        starts.sort()
        all_answered = len(self.acks_ns) == len(self._writes)
        stops = self.acks_ns if all_answered else sorted(map(_completed, self._writes))
        silent = [(stop, start) for stop, start in zip(stops, starts[1:], strict=False) if start > stop]
        begins = [-FOREVER_NS, *(begin for begin, _ in silent), stops[-1] if stops else FOREVER_NS]
        return begins, [starts[0] if starts else FOREVER_NS, *(end for _, end in silent), FOREVER_NS]


def awaited(produces: Iterable[Produce]) -> list[Produce]:
    """Those for whose acknowledgement the workload waited: no probes, and nothing with ``acks: None``."""
    return [produce for produce in produces if produce.directed_to < 0 and produce.acks != "None"]


def _begin(write: Write) -> int:
    """A write that was sent before it was due (the clock of a schedule is not exact) waited from then on."""
    intended_ns, invoked_ns = write.intended_ns, write.invoked_ns
    return intended_ns if 0 <= intended_ns < invoked_ns else invoked_ns
