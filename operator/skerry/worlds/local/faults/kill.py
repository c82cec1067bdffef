"""`kill` on this machine: SIGKILL, or SIGTERM and SIGKILL when the grace period is over."""

from __future__ import annotations

import asyncio

from skerry.engine.world import Inject
from skerry.faults.kill import FAULT, Kill, KillHow
from skerry.faults.port import OccurrenceId
from skerry.worlds.local.faults.handler import Handler
from skerry.worlds.local.machines import NS, Machines


async def apply(machines: Machines, action: Inject, fault: Kill) -> None:
    if fault.how is KillHow.PROCESS:
        await asyncio.gather(*(machines.kill(ordinal) for ordinal in fault.ordinals))
    else:
        await asyncio.gather(*(machines.terminate(ordinal, fault.grace_ns / NS) for ordinal in fault.ordinals))


async def lift(machines: Machines, occurrence: OccurrenceId, fault: Kill) -> None:
    await machines.bring_back(fault.ordinals)


HANDLER = Handler(FAULT, apply, lift)
