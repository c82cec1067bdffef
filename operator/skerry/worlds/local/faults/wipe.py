"""`wipe` on this machine: SIGKILL, and the data directory is emptied."""

from __future__ import annotations

import asyncio

from skerry.engine.world import Inject
from skerry.faults.port import OccurrenceId
from skerry.faults.wipe import FAULT, Wipe
from skerry.worlds.local.faults.handler import Handler
from skerry.worlds.local.machines import Machines


async def apply(machines: Machines, action: Inject, fault: Wipe) -> None:
    await asyncio.gather(*(machines.kill(ordinal) for ordinal in fault.ordinals))
    for ordinal in fault.ordinals:
        machines.wipe(ordinal)


async def lift(machines: Machines, occurrence: OccurrenceId, fault: Wipe) -> None:
    await machines.bring_back(fault.ordinals)


HANDLER = Handler(FAULT, apply, lift)
