"""`failover`: from the fault to the new leader, by the brokers' own metrics."""

from __future__ import annotations

from skerry.experiment.expectations.base import ExpectationBody
from skerry.schema.base import FaultName, PartitionIndex, PositiveDuration


class Failover(ExpectationBody):
    """Failover = earliest leader elected after the fault's effect - effect, from the exported timestamps; the client's
    longest gap is printed beside it."""

    partition: PartitionIndex
    """The partition whose leader is lost."""
    at_most_ns: PositiveDuration
    """The longest that is right."""
    of: FaultName
    """The fault that takes the leader away."""
