"""`stepsDown`: a leader that was replaced learns it, and follows."""

from __future__ import annotations

from skerry.experiment.expectations.base import ExpectationBody
from skerry.schema.base import FaultName, PositiveDuration
from skerry.schema.selectors import Selector


class StepsDown(ExpectationBody):
    """After the heal the broker follows the new leader epoch in time, having truncated what diverged."""

    target: Selector
    """As it was at the moment the fault began: `PartitionLeader` is the old leader."""
    within_ns: PositiveDuration
    """Counted from the moment the fault was healed."""
    after_heal_of: FaultName
    """The fault during which it was replaced."""
