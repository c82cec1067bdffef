"""The engine's faults, carried out on a simulated cluster by their handlers.

Every one can be healed at any time and any number of times, and ends by itself at its deadline.
"""

from __future__ import annotations

from collections.abc import Mapping

from skerry.engine.world import Inject, OccurrenceId, ResolvedFault
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.faults.handler import AnyHandler, Machines
from skerry.worlds.sim.faults.registry import HANDLERS
from skerry.worlds.sim.invariants.truth import Truth
from skerry.worlds.sim.tasks import Work


class WorldFaults:
    def __init__(self, cluster: Cluster, truth: Truth, handlers: Mapping[str, AnyHandler] = HANDLERS) -> None:
        """``handlers``: by the kind of the fault."""
        self._machines = Machines(cluster, truth)
        self._handlers = handlers
        self._active: dict[OccurrenceId, ResolvedFault] = {}

    def inject(self, action: Inject) -> Work:
        """Over when the fault is in force (for a kill: when the process is gone)."""
        fault = action.fault
        self._active[action.occurrence] = fault
        yield from self._handlers[fault.kind].apply(self._machines, action.occurrence, fault)
        if not fault.gradual:
            self._machines.cluster.scheduler.post(action.deadline_ns, self._end, action.occurrence)

    def _end(self, occurrence: OccurrenceId) -> None:
        fault = self._active.get(occurrence)
        if fault is not None:
            self.lift(occurrence, fault)

    def lift(self, occurrence: OccurrenceId, fault: ResolvedFault) -> None:
        """Make it absent."""
        self._active.pop(occurrence, None)
        self._handlers[fault.kind].lift(self._machines, occurrence, fault)

    def lift_everything(self) -> None:
        for occurrence, fault in list(self._active.items()):
            self.lift(occurrence, fault)
        cluster = self._machines.cluster
        cluster.heal()
        for host in cluster.hosts:
            if host.paused:
                cluster.resume(host.broker_id)
            cluster.start(host.broker_id)
