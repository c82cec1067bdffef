"""`available`: writes are acknowledged."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict, model_validator

from skerry.experiment.expectations.base import Windowed
from skerry.schema.base import Model, PartitionIndex, PositiveDuration

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


class Available(Windowed):
    """While the condition holds, acknowledgements never pause for longer than `within`."""

    when: When | None = None
    within_ns: PositiveDuration = 5_000_000_000
    """Also the time allowed to come (back) to it. Default 5s."""
    partition: PartitionIndex | None = None
    """Default: every partition of the topic."""
