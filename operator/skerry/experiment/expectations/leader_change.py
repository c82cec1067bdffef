"""`leaderChange`: leadership moves, in time."""

from __future__ import annotations

from skerry.experiment.expectations.base import OfPartitionOrController
from skerry.schema.base import FaultName, PositiveDuration


class LeaderChange(OfPartitionOrController):
    """A higher leader epoch (controller: term) with another leader is committed in time; another leader is another
    broker, or another process of the same one."""

    within_ns: PositiveDuration
    """Counted from the moment the fault took effect."""
    of: FaultName
    """The fault that makes it move."""
