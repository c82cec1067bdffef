"""What the Kubernetes world does, or says that it cannot do, of every fault."""

from __future__ import annotations

from skerry.schema.registry import by_word
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
HANDLERS: dict[str, Handler] = by_word(GROUP, BUILT_IN, lambda handler: handler.fault.kind)
