"""`noLeaderChange`: leadership stays where it is."""

from __future__ import annotations

from skerry.experiment.expectations.base import OfPartitionOrController
from skerry.schema.base import FaultName


class NoLeaderChange(OfPartitionOrController):
    """No higher leader epoch (controller: term) is committed while the fault is in effect."""

    during: FaultName
    """While this fault is in effect."""
