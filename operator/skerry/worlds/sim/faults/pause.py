"""`pause` in the simulator: the process stands still, and its clocks go on."""

from __future__ import annotations

from skerry.faults.pause import FAULT, Pause
from skerry.faults.port import OccurrenceId
from skerry.worlds.sim.faults.handler import Handler, Machines
from skerry.worlds.sim.tasks import Work


def apply(machines: Machines, occurrence: OccurrenceId, fault: Pause) -> Work:
    for ordinal in fault.ordinals:
        machines.cluster.pause(ordinal)
    yield from ()


def lift(machines: Machines, occurrence: OccurrenceId, fault: Pause) -> None:
    for ordinal in fault.ordinals:
        machines.cluster.resume(ordinal)


HANDLER = Handler(FAULT, apply, lift)
