"""`unavailable`: below quorum or minimum ISR the cluster stops, and does not lie."""

from __future__ import annotations

from skerry.experiment.expectations.available import When
from skerry.experiment.expectations.base import Windowed
from skerry.schema.base import PartitionIndex, PositiveDuration


class Unavailable(Windowed):
    """While the condition holds, no write is acknowledged from `within` on."""

    when: When | None = None
    within_ns: PositiveDuration = 5_000_000_000
    """The time until it must have stopped. Default 5s."""
    partition: PartitionIndex | None = None
    """Default: every partition of the topic."""
