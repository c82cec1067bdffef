"""Faults carried out on this machine: rules for the proxy, signals for the broker processes.

Every occurrence can be healed at any time and any number of times, and ends by itself at its deadline. A heal that
comes while its injection is under way (a graceful stop takes seconds, a rolling restart minutes) breaks that off first.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from skerry.engine.world import ActionReport, Heal, HealAll, Inject, OccurrenceId, ReportState, ResolvedFault
from skerry.runner.clock import RunClock
from skerry.worlds.local.faults.handler import AnyHandler
from skerry.worlds.local.faults.registry import HANDLERS
from skerry.worlds.local.machines import NS, Machines
from skerry.worlds.local.proxies import ProxyError


class Faults:
    """Invariant: of one occurrence, an injection and a heal are never under way at once."""

    def __init__(
        self,
        machines: Machines,
        clock: RunClock,
        report: Callable[[ActionReport], None],
        handlers: Mapping[str, AnyHandler] = HANDLERS,
    ) -> None:
        """``handlers``: by the kind of the fault."""
        self._machines = machines
        self._clock = clock
        self._report = report
        self._handlers = handlers
        self._ends: dict[OccurrenceId, asyncio.Task[None]] = {}
        self._injections: dict[OccurrenceId, asyncio.Task[None]] = {}

    async def inject(self, action: Inject) -> None:
        """Carry the fault out; reports DONE when it is in force (for a kill: when the process is gone)."""
        handler = self._handlers[action.fault.kind]
        applying = asyncio.create_task(self._apply(handler, action))
        self._injections[action.occurrence] = applying
        await self._bracket(action.id, lambda: _unless_broken_off(applying))
        self._injections.pop(action.occurrence, None)
        if not (handler.own_deadline or action.fault.gradual or applying.cancelled()):
            self._ends[action.occurrence] = asyncio.create_task(self._end_at_deadline(action))

    async def heal(self, action: Heal) -> None:
        await self._bracket(action.id, lambda: self._lift(action.occurrence, action.fault))

    async def heal_all(self, action: HealAll) -> None:
        await self._bracket(action.id, self.lift_everything)

    async def lift_everything(self) -> None:
        """No rule, no stopped process, no broker that is down; whatever was injected, also by others."""
        for task in self._ends.values():
            task.cancel()
        self._ends.clear()
        for occurrence in list(self._injections):
            await self._break_off(occurrence)
        await self._machines.drop_all_rules()
        for broker in self._machines.brokers.values():
            broker.signal(signal.SIGCONT)
        await self._machines.bring_back(self._machines.brokers)

    async def _break_off(self, occurrence: OccurrenceId) -> None:
        injection = self._injections.pop(occurrence, None)
        if injection is not None:
            injection.cancel()
            await asyncio.wait([injection])

    async def close(self) -> None:
        """Break off whatever is under way; heals nothing."""
        under_way = [*self._ends.values(), *self._injections.values()]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _bracket(self, action_id: int, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        before_ns, wall_ns = self._clock.now_ns(), self._clock.wall_ns()
        self._report(ActionReport(action_id, ReportState.STARTED, before_ns, before_wall_ns=wall_ns))
        try:
            await act()
        except (ProxyError, OSError, TimeoutError) as failure:
            self._report(
                ActionReport(
                    action_id, ReportState.FAILED, before_ns, self._clock.now_ns(), wall_ns, str(failure) or "timed out"
                )
            )
        else:
            self._report(ActionReport(action_id, ReportState.DONE, before_ns, self._clock.now_ns(), wall_ns))

    async def _apply(self, handler: AnyHandler, action: Inject) -> None:
        await handler.apply(self._machines, action, action.fault)

    async def _lift(self, occurrence: OccurrenceId, fault: ResolvedFault) -> None:
        end = self._ends.pop(occurrence, None)
        if end is not None and end is not asyncio.current_task():
            end.cancel()
        await self._break_off(occurrence)
        await self._handlers[fault.kind].lift(self._machines, occurrence, fault)

    async def _end_at_deadline(self, action: Inject) -> None:
        await asyncio.sleep(max(0, action.deadline_ns - self._clock.now_ns()) / NS)
        await self._lift(action.occurrence, action.fault)


async def _unless_broken_off(injection: asyncio.Task[None]) -> None:
    """The injection's end, whichever; raises OSError when a heal broke it off."""
    await asyncio.wait([injection])
    if injection.cancelled():
        raise OSError("it was healed before it was in force")
    injection.result()
