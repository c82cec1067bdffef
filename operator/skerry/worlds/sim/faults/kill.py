"""`kill` in the simulator: the process is gone at once, or after its grace period."""

from __future__ import annotations

from skerry.faults.kill import FAULT, Kill, KillHow
from skerry.faults.port import OccurrenceId
from skerry.worlds.sim.faults.handler import Handler, Machines
from skerry.worlds.sim.faults.stopping import GRACE_DEFAULT_NS, terminate
from skerry.worlds.sim.tasks import Work


def apply(machines: Machines, occurrence: OccurrenceId, fault: Kill) -> Work:
    if fault.how is KillHow.PROCESS:
        for ordinal in fault.ordinals:
            machines.cluster.kill(ordinal)
    else:
        yield from terminate(machines.cluster, fault.ordinals, fault.grace_ns or GRACE_DEFAULT_NS)


def lift(machines: Machines, occurrence: OccurrenceId, fault: Kill) -> None:
    for ordinal in fault.ordinals:
        machines.cluster.start(ordinal)


HANDLER = Handler(FAULT, apply, lift)
