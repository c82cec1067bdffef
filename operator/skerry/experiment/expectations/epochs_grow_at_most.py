"""`epochsGrowAtMost`: no election storm, no flapping."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from skerry.experiment.expectations.base import Count, ExpectationBody
from skerry.schema.base import FaultName, PartitionIndex, at_most_one


class EpochsGrowAtMost(ExpectationBody):
    """Leader epochs (with `controller`: the term) grow by no more than this, partition by partition."""

    by: Annotated[Count, Field(le=1000)]
    """How many elections are right."""
    partition: PartitionIndex | None = None
    """Default: every partition of the topic."""
    controller: Literal[True] | None = None
    """`true`: the term, instead of leader epochs."""
    during: FaultName | None = None
    """While this fault is in effect."""
    after: FaultName | None = None
    """From the end of this fault to the end of the workload. Default without `during`: the whole run."""

    @model_validator(mode="after")
    def _consistent(self) -> EpochsGrowAtMost:
        at_most_one(self, ("during", "after"), "the window")
        at_most_one(self, ("partition", "controller"), "whose epoch is meant")
        return self
