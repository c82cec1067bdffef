"""Times without an acknowledgement."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple


class Gap(NamedTuple):
    length_ns: int
    from_ns: int


def longest_gap(times: list[int], from_ns: int, to_ns: int) -> Gap:
    """The longest time without an acknowledgement inside [from, to]; ``times`` is sorted.

    A gap that begins before or ends behind the window counts only as far as it lies inside.
    """
    best = Gap(0, from_ns)
    edge = from_ns
    for time in [*times[bisect_left(times, from_ns) : bisect_right(times, to_ns)], to_ns]:
        if time - edge > best.length_ns:
            best = Gap(time - edge, edge)
        edge = time
    return best
