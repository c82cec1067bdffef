"""Times without an acknowledgement in which somebody waited for one.

The workload is an instrument: its own pace, its silence and its end are not the system's. So of the time between two
acknowledgements only that counts in which some write was wanted and not yet answered: from its intended time (where it
was scheduled; else from when it was sent) to its end, whatever the end was.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from operator import sub
from typing import NamedTuple

from skerry.history.records import Produce, RegisterOperation

SCANS_MAX = 4

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
        """``writes``: the workload's own, no probes."""
        self._writes = [write for write in writes if not isinstance(write, Produce) or write.acks != "None"]
        self.acks_ns = sorted(write.completed_ns for write in self._writes if write.acknowledged)
        self._merged: tuple[list[int], list[int]] | None = None
        self._scans = 0

    def tried(self, from_ns: int, to_ns: int) -> bool:
        """Somebody waited for an acknowledgement in this time."""
        return any(_begin(write) <= to_ns and write.completed_ns >= from_ns for write in self._writes)

    def longest(self, from_ns: int, to_ns: int) -> Gap:
        """The longest wait inside [from, to]; one that begins before or ends behind counts as far as it lies inside."""
        inside = self.acks_ns[bisect_left(self.acks_ns, from_ns) : bisect_right(self.acks_ns, to_ns)]
        begins, ends = [from_ns, *inside], [*inside, to_ns]
        lengths = list(map(sub, ends, begins))
        best = Gap(0, from_ns, from_ns)
        # Waiting is at most all of the time in between: the longest ones first, until no later one can be longer.
        for position in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
            if lengths[position] <= best.length_ns:
                break
            waited = self._waited(begins[position], ends[position])
            if waited > best.length_ns:
                best = Gap(waited, begins[position], ends[position])
        return best

    def _waited(self, from_ns: int, to_ns: int) -> int:
        """How long of this time at least one write waited."""
        if self._merged is None and self._scans < SCANS_MAX:  # nearly always the first one asked about is the longest
            self._scans += 1
            starts, ends = _merged(w for w in self._writes if w.completed_ns > from_ns and _begin(w) < to_ns)
        else:
            self._merged = self._merged or _merged(self._writes)
            starts, ends = self._merged
        total = 0
        for position in range(max(0, bisect_right(starts, from_ns) - 1), len(starts)):
            if starts[position] >= to_ns:
                break
            total += max(0, min(ends[position], to_ns) - max(starts[position], from_ns))
        return total


def _merged(writes: Iterable[Write]) -> tuple[list[int], list[int]]:
    """Begins and ends of the stretches in which at least one of them waited, apart from each other, in order."""
    starts: list[int] = []
    ends: list[int] = []
    for begin, end in sorted((_begin(write), write.completed_ns) for write in writes):
        if ends and begin <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(begin)
            ends.append(end)
    return starts, ends


def _begin(write: Write) -> int:
    """A write that was sent before it was due (the clock of a schedule is not exact) waited from then on."""
    return min(write.intended_ns, write.invoked_ns) if write.intended_ns >= 0 else write.invoked_ns
