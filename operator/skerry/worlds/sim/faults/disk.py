"""`disk` in the simulator: power cuts, failing and slow fsyncs, rotten bits."""

from __future__ import annotations

from skerry.faults.disk import FAULT, Disk
from skerry.faults.port import OccurrenceId
from skerry.worlds.sim.faults.handler import Handler, Machines
from skerry.worlds.sim.node_host import DiskSpeed
from skerry.worlds.sim.tasks import Work


def apply(machines: Machines, occurrence: OccurrenceId, fault: Disk) -> Work:
    cluster = machines.cluster
    for ordinal in fault.ordinals:
        host = cluster.hosts[ordinal]
        if fault.slow_by_ns:
            host.disk_speed = DiskSpeed(fault.slow_by_ns, 800_000)
        if fault.fsync_error:
            host.fail_next_sync = "logs"
        if fault.bit_flip:
            for partition in sorted(host.disk.logs):
                if host.disk.flip_bit(partition):
                    machines.truth.lose_disk(ordinal)
                    break
        if fault.power_cut:
            cluster.power_cut(ordinal, lose_all=fault.lose_unsynced and not fault.torn_write)
    yield from ()


def lift(machines: Machines, occurrence: OccurrenceId, fault: Disk) -> None:
    for ordinal in fault.ordinals:
        host = machines.cluster.hosts[ordinal]
        host.disk_speed = DiskSpeed()
        host.fail_next_sync = None
        if not fault.ends_process:
            continue
        if host.disk.logs_failed:
            machines.cluster.kill(ordinal)
        machines.cluster.start(ordinal)


HANDLER = Handler(FAULT, apply, lift)
