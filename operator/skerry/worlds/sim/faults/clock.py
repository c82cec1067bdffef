"""`clock` in the simulator: the wall clock of one machine jumps, or both of its clocks drift."""

from __future__ import annotations

from skerry.faults.clock import FAULT, ClockShift
from skerry.faults.port import OccurrenceId
from skerry.worlds.sim.faults.handler import Handler, Machines
from skerry.worlds.sim.tasks import Work


def apply(machines: Machines, occurrence: OccurrenceId, fault: ClockShift) -> Work:
    for ordinal in fault.ordinals:
        if fault.jump_ns:
            machines.cluster.shift_wall(ordinal, str(occurrence), fault.jump_ns)
        if fault.drift_ppm:
            machines.cluster.set_drift(ordinal, fault.drift_ppm)
    yield from ()


def lift(machines: Machines, occurrence: OccurrenceId, fault: ClockShift) -> None:
    for ordinal in fault.ordinals:
        machines.cluster.shift_wall(ordinal, str(occurrence), 0)
        machines.cluster.set_drift(ordinal, 0)


HANDLER = Handler(FAULT, apply, lift)
