"""`restart` in the simulator: stopped and started again, one after the other or together."""

from __future__ import annotations

from skerry.faults.port import OccurrenceId
from skerry.faults.restart import FAULT, Restart, RestartHow
from skerry.worlds.sim.faults.handler import Handler, Machines
from skerry.worlds.sim.faults.stopping import GRACE_DEFAULT_NS, terminate
from skerry.worlds.sim.tasks import Work


def apply(machines: Machines, occurrence: OccurrenceId, fault: Restart) -> Work:
    cluster = machines.cluster
    groups = (fault.ordinals,) if fault.together else tuple((ordinal,) for ordinal in fault.ordinals)
    for number, group in enumerate(groups):
        if number:
            yield fault.pause_between_ns
        if fault.how is RestartHow.KILL:
            for ordinal in group:
                cluster.kill(ordinal)
        else:
            yield from terminate(cluster, group, GRACE_DEFAULT_NS)
        for ordinal in group:
            cluster.start(ordinal)


def lift(machines: Machines, occurrence: OccurrenceId, fault: Restart) -> None:
    """Nothing is left of it: who was stopped was started."""


HANDLER = Handler(FAULT, apply, lift)
