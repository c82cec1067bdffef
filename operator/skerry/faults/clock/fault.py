"""A wrong clock, with concrete brokers."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.faults.clock.model import MS, ClockFault, shows_after_ns
from skerry.faults.port import Effect, Feature, Groups, Hold, ResolvedFault

JUMP = Feature("clock, jump")
DRIFT = Feature("clock, driftPpm")
FEATURES = (JUMP, DRIFT)
LATE_SHARE = 4
"""A drift that has come to 80 % of what it would be had it begun at once may have begun after a quarter of the time."""
STOPPED_WITHIN_NS = 30_000 * MS
"""Whether a drift has ended is looked at for no longer than this."""


class ClockShift(ResolvedFault, frozen=True, tag="clock"):
    """The broker's wall clock jumps once, or drifts."""

    ordinals: tuple[int, ...]
    jump_ns: int = 0
    drift_ppm: int = 0

    @property
    def shows_after_ns(self) -> int:
        """A drift shows when it has come to what can be measured: the smaller it is, the longer that takes."""
        return shows_after_ns(self.drift_ppm)

    @property
    def begin_unsure_ns(self) -> int:
        """What a drift lacks when it shows may be the machine's noise, or that it began late."""
        return self.shows_after_ns // LATE_SHARE

    def gone_shows_after_ns(self, lasted_ns: int) -> int:
        """A drift that has not ended would add twice what can be measured, and what it may lack because it began late,
        which is a fifth of all it should have come to."""
        if not self.drift_ppm:
            return 0
        shows_ns = max(2 * self.shows_after_ns, lasted_ns * 2 // 5)
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
