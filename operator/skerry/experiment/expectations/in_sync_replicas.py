"""`inSyncReplicas`: the ISR shrinks, or is whole again."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict, model_validator

from skerry.experiment.expectations.base import ExpectationBody
from skerry.schema.base import FaultName, PartitionIndex, PositiveDuration, exactly_one

IsrSize = Annotated[int, Strict(), Field(ge=0, le=99)]


class InSyncReplicas(ExpectationBody):
    """The committed ISR has this size at some moment no later than `within`; after a heal it also stays so."""

    equals: IsrSize | None = None
    """Exactly so many."""
    at_most: IsrSize | None = None
    """So many or fewer."""
    at_least: IsrSize | None = None
    """So many or more."""
    within_ns: PositiveDuration
    """Counted from the moment that `of` or `afterHealOf` says."""
    of: FaultName | None = None
    """Counted from the moment this fault took effect."""
    after_heal_of: FaultName | None = None
    """Counted from the moment this fault was healed."""
    partition: PartitionIndex | None = None
    """Default: every partition of the topic."""

    @model_validator(mode="after")
    def _consistent(self) -> InSyncReplicas:
        exactly_one(self, ("of", "after_heal_of"), "the moment that `within` counts from")
        exactly_one(self, ("equals", "at_most", "at_least"), "the size")
        return self
