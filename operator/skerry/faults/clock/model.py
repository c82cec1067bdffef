"""`clock`: a broker's wall clock is wrong."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict, model_validator

from skerry.faults.port import FaultBody
from skerry.schema.base import Flag, JsonObject, PositiveDuration
from skerry.schema.cel import rule
from skerry.schema.selectors import Selector


class ClockFault(FaultBody):
    """For the fault's `duration` the clock is off by `jump`, or drifts; afterwards it is right again."""

    target: Selector
    jump_ns: PositiveDuration | None = None
    """The wall clock jumps forward by this much."""
    backwards: Flag = False
    """The jump goes back in time."""
    drift_ppm: Annotated[int, Strict(), Field(ge=-100_000, le=100_000)] = 0
    """Both clocks run fast (or slow, when negative) by this many millionths."""

    @model_validator(mode="after")
    def _consistent(self) -> ClockFault:
        if self.jump_ns is None and not self.drift_ppm:
            raise ValueError("changes nothing: give `jump` or `driftPpm`")
        if self.backwards and self.jump_ns is None:
            raise ValueError("`backwards` needs `jump`")
        return self

    def target_groups(self) -> tuple[tuple[Selector, ...], ...]:
        return ((self.target,),)


RULES: dict[str, tuple[JsonObject, ...]] = {
    "ClockFault": (
        rule("has(self.jump) || self.?driftPpm.orValue(0) != 0", "changes nothing: give `jump` or `driftPpm`"),
        rule("!self.?backwards.orValue(false) || has(self.jump)", "`backwards` needs `jump`"),
    ),
}
