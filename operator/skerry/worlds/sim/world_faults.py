"""The engine's faults, carried out on a simulated cluster. Every one can be healed at any time and any number of times,
and ends by itself at its deadline."""

from __future__ import annotations

from collections.abc import Iterable

from skerry.engine.world import (
    ClockShift,
    Cut,
    Disk,
    Inject,
    Kill,
    OccurrenceId,
    Pause,
    ResolvedFault,
    Restart,
    Slow,
    Wipe,
)
from skerry.schema.vocabulary import Connections, CutAction, KillHow, RestartHow
from skerry.schema.vocabulary import Plane as DocumentPlane
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.invariants.truth import Truth
from skerry.worlds.sim.network import CutMode, LinkFaults
from skerry.worlds.sim.node_host import DiskSpeed
from skerry.worlds.sim.scheduler import NS_PER_S
from skerry.worlds.sim.tasks import Tasks, Work
from skerry_broker.core.types import Plane

GRACE_DEFAULT_NS = 30 * NS_PER_S


class WorldFaults:
    def __init__(self, cluster: Cluster, truth: Truth, tasks: Tasks) -> None:
        self._cluster = cluster
        self._truth = truth
        self._tasks = tasks
        self._active: dict[OccurrenceId, ResolvedFault] = {}

    def inject(self, action: Inject) -> Work:
        """Over when the fault is in force (for a kill: when the process is gone)."""
        fault = action.fault
        self._active[action.occurrence] = fault
        yield from self._apply(action.occurrence, fault)
        if not isinstance(fault, Restart):
            self._cluster.scheduler.post(action.deadline_ns, self._end, action.occurrence)

    def _end(self, occurrence: OccurrenceId) -> None:
        fault = self._active.get(occurrence)
        if fault is not None:
            self.lift(occurrence, fault)

    def lift(self, occurrence: OccurrenceId, fault: ResolvedFault) -> None:
        """Make it absent."""
        self._active.pop(occurrence, None)
        cluster = self._cluster
        if isinstance(fault, Cut | Slow):
            cluster.heal(str(occurrence))
            return
        for ordinal in fault.ordinals:
            host = cluster.hosts[ordinal]
            match fault:
                case Pause():
                    cluster.resume(ordinal)
                case Kill() | Wipe():
                    cluster.start(ordinal)
                case Disk():
                    host.disk_speed = DiskSpeed()
                    host.fail_next_sync = None
                    if host.disk.logs_failed:
                        cluster.kill(ordinal)  # a log that went offline stays so until a new process reads the disk
                    cluster.start(ordinal)
                case ClockShift():
                    cluster.set_drift(ordinal, 0)
                case _:
                    pass

    def lift_everything(self) -> None:
        for occurrence, fault in list(self._active.items()):
            self.lift(occurrence, fault)
        self._cluster.heal()
        for host in self._cluster.hosts:
            if host.paused:
                self._cluster.resume(host.broker_id)
            self._cluster.start(host.broker_id)

    # --- applying ---------------------------------------------------------------------------------------------

    def _apply(self, occurrence: OccurrenceId, fault: ResolvedFault) -> Work:
        cluster = self._cluster
        match fault:
            case Cut():
                mode = CutMode.REJECT if fault.action is CutAction.REJECT else CutMode.DROP
                if fault.connections is Connections.NEW:
                    mode = CutMode.NEW_ONLY
                cluster.cut(str(occurrence), fault.links, _planes(fault.planes), mode)
            case Slow():
                cluster.slow(str(occurrence), fault.links, _link_faults(fault), _planes(fault.planes))
            case Kill(how=KillHow.PROCESS):
                for ordinal in fault.ordinals:
                    cluster.kill(ordinal)
            case Kill():
                yield from self._terminate(fault.ordinals, fault.grace_ns or GRACE_DEFAULT_NS)
            case Pause():
                for ordinal in fault.ordinals:
                    cluster.pause(ordinal)
            case Wipe():
                for ordinal in fault.ordinals:
                    cluster.wipe(ordinal)
                    self._truth.lost_disks[ordinal] = cluster.hosts[ordinal].disk.directory_id
            case Restart():
                yield from self._restart(fault)
            case Disk():
                self._damage(fault)
            case ClockShift():
                for ordinal in fault.ordinals:
                    if fault.jump_ns:
                        cluster.jump_wall(ordinal, fault.jump_ns)
                    if fault.drift_ppm:
                        cluster.set_drift(ordinal, fault.drift_ppm)

    def _terminate(self, ordinals: Iterable[int], grace_ns: int) -> Work:
        """What deleting a pod does: SIGTERM, and SIGKILL when the grace period is over."""
        cluster = self._cluster
        ordinals = tuple(ordinals)
        deadline_ns = cluster.now_ns + grace_ns
        for ordinal in ordinals:
            cluster.terminate(ordinal)
        yield lambda: cluster.now_ns >= deadline_ns or not any(cluster.hosts[each].running for each in ordinals)
        for ordinal in ordinals:
            cluster.kill(ordinal)

    def _restart(self, fault: Restart) -> Work:
        cluster = self._cluster
        groups = (fault.ordinals,) if fault.together else tuple((ordinal,) for ordinal in fault.ordinals)
        for number, group in enumerate(groups):
            if number:
                yield fault.pause_between_ns
            if fault.how is RestartHow.KILL:
                for ordinal in group:
                    cluster.kill(ordinal)
            else:
                yield from self._terminate(group, GRACE_DEFAULT_NS)
            for ordinal in group:
                cluster.start(ordinal)

    def _damage(self, fault: Disk) -> None:
        for ordinal in fault.ordinals:
            host = self._cluster.hosts[ordinal]
            if fault.slow_by_ns:
                host.disk_speed = DiskSpeed(fault.slow_by_ns, 800_000)
            if fault.fsync_error:
                host.fail_next_sync = "logs"
            if fault.bit_flip:
                for partition in sorted(host.disk.logs):
                    if host.disk.flip_bit(partition):
                        self._truth.lost_disks[ordinal] = host.disk.directory_id
                        break
            if fault.bit_flip or fault.lose_unsynced or fault.torn_write:
                self._cluster.power_cut(ordinal, lose_all=fault.lose_unsynced and not fault.torn_write)


def _planes(planes: Iterable[DocumentPlane]) -> tuple[Plane, ...]:
    return tuple(Plane(plane.value) for plane in planes)


def _link_faults(fault: Slow) -> LinkFaults:
    """Loss means what it means to TCP: the packet comes again, later, and everything behind it waits."""
    return LinkFaults(
        latency_ns=fault.latency_ns,
        jitter_ns=fault.jitter_ns,
        retransmit=fault.loss_percent / 100,
        rate_kbps=fault.rate_kbps,
    )
