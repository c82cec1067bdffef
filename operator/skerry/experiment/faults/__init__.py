"""The faults of the vocabulary: one file each, all of one shape, and a line in this registry.

A fault model says what is asked. It knows its targets (``target_groups``: who is meant, side by side) and how long it
lasts by itself (``lasts_ns``; None: `duration` says so). What a world does with it is `skerry.engine.faults`.
"""

from __future__ import annotations

from skerry.experiment.faults.base import FaultBody
from skerry.experiment.faults.clock import ClockFault
from skerry.experiment.faults.disk import DiskFault
from skerry.experiment.faults.kill import KillFault
from skerry.experiment.faults.partition import Link, PartitionFault
from skerry.experiment.faults.pause import PauseFault
from skerry.experiment.faults.restart import RestartFault
from skerry.experiment.faults.slow import SlowFault
from skerry.experiment.faults.wipe import WipeFault

FAULTS: dict[str, type[FaultBody]] = {
    "partition": PartitionFault,
    "slow": SlowFault,
    "kill": KillFault,
    "restart": RestartFault,
    "pause": PauseFault,
    "wipe": WipeFault,
    "disk": DiskFault,
    "clock": ClockFault,
}
"""The field of the document -> its model, in the order of the reference page."""

__all__ = [
    "FAULTS",
    "ClockFault",
    "DiskFault",
    "FaultBody",
    "KillFault",
    "Link",
    "PartitionFault",
    "PauseFault",
    "RestartFault",
    "SlowFault",
    "WipeFault",
]
