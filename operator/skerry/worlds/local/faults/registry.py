"""What the local world does, or says that it cannot do, of every fault."""

from __future__ import annotations

from skerry.schema.registry import by_word
from skerry.worlds.local.faults import clock, disk, kill, network_partition, pause, restart, slow_network, wipe
from skerry.worlds.local.faults.handler import AnyHandler

GROUP = "skerry.faults.local"
"""Entry points of this group name the ``HANDLER`` of a fault that is installed beside Skerry."""
BUILT_IN: tuple[AnyHandler, ...] = (
    network_partition.HANDLER,
    slow_network.HANDLER,
    kill.HANDLER,
    restart.HANDLER,
    pause.HANDLER,
    wipe.HANDLER,
    disk.HANDLER,
    clock.HANDLER,
)
HANDLERS: dict[str, AnyHandler] = by_word(GROUP, BUILT_IN, lambda handler: handler.fault.kind)
