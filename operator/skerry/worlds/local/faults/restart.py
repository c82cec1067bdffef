"""`restart` on this machine: each process is stopped and started again; one by one, it waits for the registrations."""

from __future__ import annotations

import asyncio

from skerry.engine.world import Inject
from skerry.faults.port import OccurrenceId
from skerry.faults.restart import FAULT, Restart, RestartHow
from skerry.worlds.local.faults.handler import Handler
from skerry.worlds.local.machines import NS, Machines


async def apply(machines: Machines, action: Inject, fault: Restart) -> None:
    stop = machines.kill if fault.how is RestartHow.KILL else machines.terminate
    if fault.together:
        await asyncio.gather(*(stop(ordinal) for ordinal in fault.ordinals))
        for ordinal in fault.ordinals:
            machines.start(ordinal)
        return
    for number, ordinal in enumerate(fault.ordinals):
        if number:
            await asyncio.sleep(fault.pause_between_ns / NS)
        stopped = machines.view(ordinal)
        await stop(ordinal)
        machines.start(ordinal)
        # An upgrade goes on only when the broker is back: two of three that are away at once is an outage.
        await machines.registered_again(ordinal, stopped)


async def lift(machines: Machines, occurrence: OccurrenceId, fault: Restart) -> None:
    await machines.bring_back(fault.ordinals)


HANDLER = Handler(FAULT, apply, lift)
