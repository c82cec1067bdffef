"""`isrRecovery`: from the heal to a whole ISR, by the brokers' own metrics."""

from __future__ import annotations

from skerry.experiment.expectations.base import ExpectationBody
from skerry.schema.base import FaultName, PartitionIndex, PositiveDuration


class IsrRecovery(ExpectationBody):
    """ISR recovery = the ISR is all assigned replicas again - the fault is healed, from the exported timestamps."""

    partition: PartitionIndex | None = None
    """Default: every partition of the topic."""
    at_most_ns: PositiveDuration
    """The longest that is right, counted from the heal."""
    of: FaultName
    """The fault whose heal it is counted from."""
