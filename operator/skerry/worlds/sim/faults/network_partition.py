"""`partition` in the simulator: packets of an ordered pair are dropped, or its connections refused."""

from __future__ import annotations

from skerry.faults.network_partition import FAULT, Connections, Cut, CutAction
from skerry.faults.network_partition.fault import CLIENT_PLANE
from skerry.faults.port import OccurrenceId
from skerry.worlds.sim.faults.handler import Handler, Machines
from skerry.worlds.sim.faults.planes import broker_planes
from skerry.worlds.sim.network import CutMode
from skerry.worlds.sim.tasks import Work


def apply(machines: Machines, occurrence: OccurrenceId, fault: Cut) -> Work:
    mode = CutMode.REJECT if fault.action is CutAction.REJECT else CutMode.DROP
    if fault.connections is Connections.NEW:
        mode = CutMode.NEW_ONLY
    machines.cluster.cut(str(occurrence), fault.links, broker_planes(fault.planes), mode)
    yield from ()


def lift(machines: Machines, occurrence: OccurrenceId, fault: Cut) -> None:
    machines.cluster.heal(str(occurrence))


HANDLER = Handler(
    FAULT,
    apply,
    lift,
    cannot={
        CLIENT_PLANE: "a partition is between brokers, and they do not talk on the Client plane; use "
        "`planes: [Raft, Replication]`."
    },
)
