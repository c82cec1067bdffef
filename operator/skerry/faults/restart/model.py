"""`restart`: brokers stop and start again, one by one or together."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from skerry.faults.port import FaultBody
from skerry.schema.base import Duration, JsonObject
from skerry.schema.cel import NO_TIME, rule
from skerry.schema.selectors import Selector


class RestartHow(StrEnum):
    GRACEFUL = "Graceful"
    KILL = "Kill"


class RestartOrder(StrEnum):
    ONE_BY_ONE = "OneByOne"
    TOGETHER = "Together"


class RestartFault(FaultBody):
    """Each named broker is stopped and started again. Healed when all have registered."""

    targets: Annotated[tuple[Selector, ...], Field(min_length=1, max_length=16)]
    """The brokers, in the order in which they are restarted."""
    how: RestartHow
    """Graceful: SIGTERM, leadership is handed over. Kill: SIGKILL."""
    order: RestartOrder = RestartOrder.ONE_BY_ONE
    """OneByOne: the next one stops when the one before has registered again. Together: all at the same moment."""
    pause_between_ns: Duration = 0
    """OneByOne: waited after a broker has registered and before the next one stops."""

    @model_validator(mode="after")
    def _consistent(self) -> RestartFault:
        if self.order is RestartOrder.TOGETHER and self.pause_between_ns:
            raise ValueError("`pauseBetween` has no meaning for `order: Together`; remove it")
        return self

    def target_groups(self) -> tuple[tuple[Selector, ...], ...]:
        return (self.targets,)

    def lasts_ns(self) -> int:
        return 0


RULES: dict[str, tuple[JsonObject, ...]] = {
    "RestartFault": (
        rule(
            f"self.?order.orValue('') != 'Together' || duration(self.?pauseBetween.orValue('0s')) == {NO_TIME}",
            "`pauseBetween` has no meaning for `order: Together`; remove it",
        ),
    ),
}
