"""How far the brokers' wall clocks are from the recorder's: a by-product of asking for their status.

An answer carries the wall clock of the broker's machine, read between the question and the answer. So its offset lies
between (its clock - ours after) and (its clock - ours before). The narrowest such bracket of the last seconds is kept.
"""

from __future__ import annotations

from typing import NamedTuple

KEPT_NS = 10_000_000_000


class Offset(NamedTuple):
    """How far one broker's wall clock is from the recorder's."""

    middle_ns: int
    error_ns: int
    """How far the true offset may be from the middle."""
    at_ns: int
    """When it was measured, on the run's clock."""


class ClockSkew:
    """The offsets of all brokers."""

    def __init__(self) -> None:
        self._best: dict[int, Offset] = {}

    def note(self, ordinal: int, at_ns: int, wall_before_ns: int, wall_ns: int, wall_after_ns: int) -> Offset | None:
        """Take in one answer. The best that is known of this broker; None: nothing is, because our own clock was set
        back meanwhile, or the broker tells none.

        ``at_ns``: the run's clock.
        ``wall_ns``: the broker's wall clock; the two others are ours, around it.
        """
        known = self._best.get(ordinal)
        if wall_ns and wall_after_ns >= wall_before_ns:
            error_ns = -(-(wall_after_ns - wall_before_ns) // 2)
            new = Offset(wall_ns - (wall_before_ns + wall_after_ns) // 2, error_ns, at_ns)
            contradicts = known and abs(known.middle_ns - new.middle_ns) > known.error_ns + new.error_ns
            if known is None or contradicts or new.error_ns <= known.error_ns or at_ns > known.at_ns + KEPT_NS:
                known = self._best[ordinal] = new
        return known
