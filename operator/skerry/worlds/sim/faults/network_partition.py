"""`partition` in the simulator: what an ordered pair sends waits for the heal, or its connections are refused."""

from __future__ import annotations

from skerry.faults.network_partition import FAULT, Connections, Cut, CutAction
from skerry.faults.port import OccurrenceId
from skerry.worlds.sim.faults.handler import Handler, Machines
from skerry.worlds.sim.faults.planes import broker_planes
from skerry.worlds.sim.network import CutMode
from skerry.worlds.sim.tasks import Work

MODES = {
    (CutAction.DROP, Connections.ALL): CutMode.HOLD,
    (CutAction.DROP, Connections.NEW): CutMode.NEW_ONLY,
    (CutAction.REJECT, Connections.ALL): CutMode.REJECT,
    (CutAction.REJECT, Connections.NEW): CutMode.NEW_REJECT,
}
"""The same as on real processes: a dropped segment is sent again until it arrives, so a stream is late and whole."""


def apply(machines: Machines, occurrence: OccurrenceId, fault: Cut) -> Work:
    mode = MODES[fault.action, fault.connections]
    machines.cluster.cut(str(occurrence), fault.links, broker_planes(fault.planes), mode)
    yield from ()


def lift(machines: Machines, occurrence: OccurrenceId, fault: Cut) -> None:
    machines.cluster.heal(str(occurrence))


HANDLER = Handler(FAULT, apply, lift)
