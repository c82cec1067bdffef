"""The engine's faults, carried out on a simulated cluster by their handlers.

Every one can be healed at any time and any number of times, and ends by itself at its deadline. A heal that comes while
its injection is under way (a graceful stop takes seconds, a rolling restart minutes) breaks that off first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from skerry.engine.world import Inject, OccurrenceId, ResolvedFault
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.faults.handler import AnyHandler, Machines
from skerry.worlds.sim.faults.registry import HANDLERS
from skerry.worlds.sim.invariants.truth import Truth
from skerry.worlds.sim.tasks import Work


class BrokenOff(Exception):
    """An injection was healed before it was in force."""


class WorldFaults:
    def __init__(self, cluster: Cluster, truth: Truth, handlers: Mapping[str, AnyHandler] = HANDLERS) -> None:
        """``handlers``: by the kind of the fault."""
        self._machines = Machines(cluster, truth)
        self._handlers = handlers
        self._active: dict[OccurrenceId, ResolvedFault] = {}
        self._injections: dict[OccurrenceId, Work] = {}
        """Those that are under way."""

    def inject(self, action: Inject) -> Work:
        """Over when the fault is in force (for a kill: when the process is gone). Raises BrokenOff."""
        fault = action.fault
        self._active[action.occurrence] = fault
        injection = self._handlers[fault.kind].apply(self._machines, action.occurrence, fault)
        self._injections[action.occurrence] = injection

        def broken_off() -> bool:
            return self._injections.get(action.occurrence) is not injection

        for waiting in injection:
            yield waiting if isinstance(waiting, int) else _either(broken_off, waiting)
        if broken_off():
            raise BrokenOff("it was healed before it was in force")
        del self._injections[action.occurrence]
        if not fault.gradual:
            self._machines.cluster.scheduler.post(action.deadline_ns, self._end, action.occurrence)

    def _end(self, occurrence: OccurrenceId) -> None:
        fault = self._active.get(occurrence)
        if fault is not None:
            self.lift(occurrence, fault)

    def lift(self, occurrence: OccurrenceId, fault: ResolvedFault) -> None:
        """Make it absent."""
        self._active.pop(occurrence, None)
        if (injection := self._injections.pop(occurrence, None)) is not None:
            injection.close()
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


def _either(one: Callable[[], bool], other: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: one() or other()
