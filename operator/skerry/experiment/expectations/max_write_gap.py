"""`maxWriteGap`: how long writers had to wait."""

from __future__ import annotations

from skerry.experiment.expectations.base import Windowed
from skerry.schema.base import PartitionIndex, PositiveDuration


class MaxWriteGap(Windowed):
    """The longest time between two acknowledgements of a partition is at most this."""

    at_most_ns: PositiveDuration
    """The longest that is right."""
    partition: PartitionIndex | None = None
    """Default: every partition of the topic."""
