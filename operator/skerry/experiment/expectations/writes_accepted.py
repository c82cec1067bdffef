"""`writesAccepted`: the right side of a fault goes on."""

from __future__ import annotations

from typing import ClassVar

from skerry.experiment.expectations.base import ExpectationBody, Probed
from skerry.schema.base import PartitionIndex, PositiveDuration
from skerry.schema.selectors import Side
from skerry.schema.vocabulary import Acks


class WritesAccepted(ExpectationBody):
    """At least one produce is acknowledged by a broker of that side, while the fault is in effect and no later than
    `within` after it took effect."""

    probed: ClassVar[Probed] = Probed.WRITES
    by: Side
    within_ns: PositiveDuration
    """Counted from the moment the fault took effect."""
    acks: Acks | None = None
    """What the probes ask for. Default: as the workload."""
    partition: PartitionIndex | None = None
    """Default: any partition of the topic."""
