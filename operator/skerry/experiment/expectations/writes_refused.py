"""`writesRefused`: the wrong side of a fault acknowledges nothing."""

from __future__ import annotations

from typing import ClassVar

from skerry.experiment.expectations.base import ExpectationBody, Probed
from skerry.schema.base import PartitionIndex, PositiveDuration
from skerry.schema.selectors import Side
from skerry.schema.vocabulary import Acks


class WritesRefused(ExpectationBody):
    """Every produce that is sent to that side only, once `within` has passed since the fault took effect and until it
    ends, is refused (or not answered)."""

    probed: ClassVar[Probed] = Probed.WRITES
    by: Side
    within_ns: PositiveDuration
    """The time that this side has to notice, counted from the moment the fault took effect."""
    acks: Acks | None = None
    """What the probes ask for. Default: as the workload."""
    partition: PartitionIndex | None = None
    """Default: every partition of the topic."""
