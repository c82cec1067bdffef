"""On which condition an expectation is about a stretch of time: how many brokers are alive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, Strict, model_validator

from skerry.expectations.bodies import Windowed
from skerry.faults.port import Path
from skerry.schema.base import JsonObject, Model
from skerry.schema.cel import SpecRule, rule

if TYPE_CHECKING:
    from skerry.experiment.document import Spec

Brokers = Annotated[int, Strict(), Field(ge=0, le=99)]


class When(Model):
    """Only while so many brokers are alive (registered, not killed, not paused)."""

    alive_at_least: Brokers | None = None
    """So many or more."""
    alive_at_most: Brokers | None = None
    """So many or fewer."""

    @model_validator(mode="after")
    def _consistent(self) -> When:
        low, high = self.alive_at_least, self.alive_at_most
        if low is None and high is None:
            raise ValueError("is empty: give `aliveAtLeast` and/or `aliveAtMost`")
        if low is not None and high is not None and low > high:
            raise ValueError(f"can never hold: `aliveAtLeast` ({low}) is above `aliveAtMost` ({high})")
        return self


class WindowedWhen(Windowed):
    """The parts of a stretch of time in which a condition holds."""

    when: When | None = None

    def problems(self, spec: Spec) -> Iterator[tuple[Path, str]]:
        low = self.when.alive_at_least if self.when is not None else None
        if low is not None and low > spec.cluster.brokers:
            yield (
                ("when", "aliveAtLeast"),
                f"{low} brokers can never be alive: `cluster.brokers` is {spec.cluster.brokers}",
            )


RULES: dict[str, tuple[JsonObject, ...]] = {
    "When": (
        rule(
            "has(self.aliveAtLeast) || has(self.aliveAtMost)",
            "`when` is empty: give `aliveAtLeast` and/or `aliveAtMost`",
        ),
        rule(
            "!has(self.aliveAtLeast) || !has(self.aliveAtMost) || self.aliveAtLeast <= self.aliveAtMost",
            "`when` can never hold: `aliveAtLeast` is above `aliveAtMost`",
        ),
    ),
}
CAN_BE_ALIVE = SpecRule(
    "{0}.?when.?aliveAtLeast.orValue(0) <= {brokers}",
    "so many brokers can never be alive: it is more than `cluster.brokers`",
)
