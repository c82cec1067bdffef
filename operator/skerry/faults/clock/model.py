"""`clock`: a broker's wall clock is wrong."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict, model_validator

from skerry.faults.port import FaultBody
from skerry.schema.base import Flag, JsonObject, PositiveDuration, format_duration
from skerry.schema.cel import rule
from skerry.schema.selectors import Selector

MS = 1_000_000
RESOLUTION_NS = 2 * MS
"""A drift shows when it has come to this."""
LOOK_NS = 300 * MS
"""So long it takes at most until somebody looks who is in time, on a machine that is not busy."""
DRIFT_PPM_MAX = 100_000
_MILLION = 1_000_000


def shows_after_ns(drift_ppm: int) -> int:
    """How long a drift takes until it can be told from noise; 0: there is none."""
    return -(-RESOLUTION_NS * _MILLION // abs(drift_ppm)) if drift_ppm else 0


class ClockFault(FaultBody):
    """For the fault's `duration` the clock is off by `jump`, or drifts; afterwards it is right again."""

    target: Selector
    jump_ns: PositiveDuration | None = None
    """The wall clock jumps forward by this much."""
    backwards: Flag = False
    """The jump goes back in time."""
    drift_ppm: Annotated[int, Strict(), Field(ge=-DRIFT_PPM_MAX, le=DRIFT_PPM_MAX)] = 0
    """Both clocks run fast (or slow, when negative) by this many millionths; in all by 2 ms or more, or it
    could not be told from noise."""

    @model_validator(mode="after")
    def _consistent(self) -> ClockFault:
        if self.jump_ns is None and not self.drift_ppm:
            raise ValueError("changes nothing: give `jump` or `driftPpm`")
        if self.backwards and self.jump_ns is None:
            raise ValueError("`backwards` needs `jump`")
        return self

    def target_groups(self) -> tuple[tuple[Selector, ...], ...]:
        return ((self.target,),)

    def never_shows(self, lasts_ns: int) -> str:
        needs_ns = shows_after_ns(self.drift_ppm) + LOOK_NS
        if not self.drift_ppm or lasts_ns >= needs_ns:
            return ""
        moved_ms = lasts_ns * abs(self.drift_ppm) / _MILLION / MS
        enough_ppm = -(-RESOLUTION_NS * _MILLION // max(1, lasts_ns - LOOK_NS))
        longer = format_duration(-(-needs_ns // MS) * MS)
        more = f"`driftPpm` {enough_ppm} or more, or a " if enough_ppm <= DRIFT_PPM_MAX else "a "
        return (
            f"{self.drift_ppm} millionths over {format_duration(lasts_ns)} move the clock by {moved_ms:g} ms, which "
            f"cannot be told from noise; it takes {more}`duration` of {longer} or more"
        )


RULES: dict[str, tuple[JsonObject, ...]] = {
    "ClockFault": (
        rule("has(self.jump) || self.?driftPpm.orValue(0) != 0", "changes nothing: give `jump` or `driftPpm`"),
        rule("!self.?backwards.orValue(false) || has(self.jump)", "`backwards` needs `jump`"),
    ),
}
