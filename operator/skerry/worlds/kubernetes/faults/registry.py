"""What the Kubernetes world does, or says that it cannot do, of every fault."""

from __future__ import annotations

from importlib.metadata import entry_points

from skerry.worlds.kubernetes.faults import clock, disk, kill, network_partition, pause, restart, slow_network, wipe
from skerry.worlds.kubernetes.faults.handler import Handler

GROUP = "skerry.faults.kubernetes"
"""Entry points of this group name the ``HANDLER`` of a fault that is installed beside Skerry."""
BUILT_IN = (
    network_partition.HANDLER,
    kill.HANDLER,
    slow_network.HANDLER,
    restart.HANDLER,
    pause.HANDLER,
    wipe.HANDLER,
    disk.HANDLER,
    clock.HANDLER,
)
HANDLERS: dict[str, Handler] = {
    handler.fault.kind: handler
    for handler in (*BUILT_IN, *(point.load() for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)))
}
