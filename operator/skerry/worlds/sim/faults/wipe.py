"""`wipe` in the simulator: the process is killed and its disk is a new one."""

from __future__ import annotations

from skerry.faults.port import OccurrenceId
from skerry.faults.wipe import FAULT, Wipe
from skerry.worlds.sim.faults.handler import Handler, Machines
from skerry.worlds.sim.tasks import Work


def apply(machines: Machines, occurrence: OccurrenceId, fault: Wipe) -> Work:
    for ordinal in fault.ordinals:
        machines.cluster.wipe(ordinal)
        machines.truth.lose_disk(ordinal)
    yield from ()


def lift(machines: Machines, occurrence: OccurrenceId, fault: Wipe) -> None:
    for ordinal in fault.ordinals:
        machines.cluster.start(ordinal)


HANDLER = Handler(FAULT, apply, lift)
