"""What all faults have in common."""

from __future__ import annotations

from abc import abstractmethod

from skerry.schema.base import Model
from skerry.schema.targets import Target


class FaultBody(Model):
    """The part of a fault that says what happens; when it happens stands beside it."""

    @abstractmethod
    def target_groups(self) -> tuple[tuple[Target, ...], ...]:
        """Whom it means, in the order of resolution: sides of a partition, else one group of victims."""

    def lasts_ns(self) -> int | None:
        """How long the victims are gone by the fault's own fields; None: `duration` is required and says it."""
        return None
