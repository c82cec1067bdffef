"""A wrong clock, with concrete brokers."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.faults.clock.model import ClockFault
from skerry.faults.port import Effect, Feature, Groups, Hold, ResolvedFault

JUMP = Feature("clock, jump")
DRIFT = Feature("clock, driftPpm")
FEATURES = (JUMP, DRIFT)
MS = 1_000_000
RESOLUTION_NS = 2 * MS
"""A drift shows when it has come to this."""
STOPPED_WITHIN_NS = 30_000 * MS
"""Whether a drift has ended is looked at for no longer than this."""


class ClockShift(ResolvedFault, frozen=True, tag="clock"):
    """The broker's wall clock jumps once, or drifts."""

    ordinals: tuple[int, ...]
    jump_ns: int = 0
    drift_ppm: int = 0

    def gone_shows_after_ns(self, lasted_ns: int) -> int:
        """A drift that has not ended would add twice what can be measured, and what it may lack because it began late,
        which is a fifth of all it should have come to."""
        if not self.drift_ppm:
            return 0
        shows_ns = max(2 * RESOLUTION_NS * 1_000_000 // abs(self.drift_ppm), lasted_ns * 2 // 5)
        return min(shows_ns, STOPPED_WITHIN_NS)

    @property
    def holds(self) -> frozenset[Hold]:
        return frozenset(f"the clock of broker {ordinal}" for ordinal in self.ordinals)

    @property
    def victims(self) -> frozenset[int]:
        return frozenset(self.ordinals)

    def effects(self) -> tuple[Effect, ...]:
        return (Effect(),)


def concrete(body: ClockFault, groups: Groups) -> ClockShift:
    ordinals = tuple(ordinal for group in groups for ordinal in group)
    jump_ns = body.jump_ns or 0
    return ClockShift(ordinals, -jump_ns if body.backwards else jump_ns, body.drift_ppm)


def needs(body: ClockFault) -> Iterator[Feature]:
    if body.jump_ns is not None:
        yield JUMP
    if body.drift_ppm:
        yield DRIFT
