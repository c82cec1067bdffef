"""`pause` on this machine: SIGSTOP, and SIGCONT."""

from __future__ import annotations

import signal

from skerry.engine.world import Inject
from skerry.faults.pause import FAULT, Pause
from skerry.faults.port import OccurrenceId
from skerry.worlds.local.faults.handler import Handler
from skerry.worlds.local.machines import Machines


async def apply(machines: Machines, action: Inject, fault: Pause) -> None:
    for ordinal in fault.ordinals:
        machines.signal(ordinal, signal.SIGSTOP)


async def lift(machines: Machines, occurrence: OccurrenceId, fault: Pause) -> None:
    for ordinal in fault.ordinals:
        machines.signal(ordinal, signal.SIGCONT)


HANDLER = Handler(FAULT, apply, lift)
