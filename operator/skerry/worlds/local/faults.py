"""Faults carried out on this machine: rules for the proxy, signals for the broker processes.

Every occurrence can be healed at any time and any number of times, and ends by itself at its deadline. A heal that
comes while its injection is under way (a graceful stop takes seconds, a rolling restart minutes) breaks that off first.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from skerry.engine.world import (
    ActionReport,
    BrokerView,
    Cut,
    Heal,
    HealAll,
    Inject,
    Kill,
    OccurrenceId,
    Pause,
    ReportState,
    ResolvedFault,
    Restart,
    Slow,
    Wipe,
    fault_kind,
)
from skerry.runner.clock import RunClock
from skerry.schema.vocabulary import KillHow, RestartHow
from skerry.worlds.local.brokers import BrokerProcess
from skerry.worlds.local.proxies import FaultProxy, ProxyError
from skerry.worlds.local.rules import CutAction, Flow, Rule

NS = 1_000_000_000
MS = 1_000_000
GONE_TIMEOUT_S = 10.0
GRACE_DEFAULT_S = 30.0
REGISTERED_TIMEOUT_S = 45.0
"""Until a restarted broker has registered, and the next one may stop."""
POLL_S = 0.02

Views = Callable[[], tuple[BrokerView, ...]]


def rules_of(occurrence: OccurrenceId, fault: Cut | Slow, expires_ns: int) -> list[Rule]:
    """One rule per flow that the fault touches; ``expires_ns`` is on the boot clock."""
    rules = []
    for source, target in fault.links:
        for plane in fault.planes:
            flow = Flow(source, target, str(plane))
            if isinstance(fault, Cut):
                rule = Rule(
                    fault=str(occurrence),
                    flow=flow,
                    expires_ns=expires_ns,
                    cut=CutAction(str(fault.action)),
                    new_connections_only=str(fault.connections) == "New",
                )
            else:
                rule = Rule(
                    fault=str(occurrence),
                    flow=flow,
                    expires_ns=expires_ns,
                    latency_ms=fault.latency_ns // MS,
                    jitter_ms=fault.jitter_ns // MS,
                    loss_percent=fault.loss_percent,
                    rate_kbps=fault.rate_kbps,
                )
            rules.append(rule)
    return rules


class Faults:
    """Invariant 1: ``_rules`` is what the proxy has been told, or is being told, of every live occurrence.
    Invariant 2: of one occurrence, an injection and a heal are never under way at once.
    """

    def __init__(
        self,
        brokers: Mapping[int, BrokerProcess],
        proxy: FaultProxy,
        clock: RunClock,
        report: Callable[[ActionReport], None],
        views: Views,
    ) -> None:
        """``views``: the latest picture of the brokers; a rolling restart waits for their registrations."""
        self._brokers = brokers
        self._proxy = proxy
        self._clock = clock
        self._report = report
        self._views = views
        self._rules: dict[OccurrenceId, list[Rule]] = {}
        self._ends: dict[OccurrenceId, asyncio.Task[None]] = {}
        self._injections: dict[OccurrenceId, asyncio.Task[None]] = {}

    async def inject(self, action: Inject) -> None:
        """Carry the fault out; reports DONE when it is in force (for a kill: when the process is gone)."""
        fault = action.fault
        applying = asyncio.create_task(self._apply(action.occurrence, fault, action.deadline_ns))
        self._injections[action.occurrence] = applying
        await self._bracket(action.id, lambda: _unless_broken_off(applying))
        self._injections.pop(action.occurrence, None)
        if not isinstance(fault, Cut | Slow | Restart) and not applying.cancelled():
            self._ends[action.occurrence] = asyncio.create_task(self._end_at_deadline(action))

    async def heal(self, action: Heal) -> None:
        await self._bracket(action.id, lambda: self._lift(action.occurrence, action.fault))

    async def heal_all(self, action: HealAll) -> None:
        await self._bracket(action.id, self.lift_everything)

    async def lift_everything(self) -> None:
        """No rule, no stopped process, no broker that is down; whatever was injected, by whomever."""
        for task in self._ends.values():
            task.cancel()
        self._ends.clear()
        for occurrence in list(self._injections):
            await self._break_off(occurrence)
        self._rules.clear()
        if self._proxy.alive:
            await self._proxy.set_rules(())
        for broker in self._brokers.values():
            broker.signal(signal.SIGCONT)
        await asyncio.gather(*(self._bring_back(ordinal) for ordinal in self._brokers))

    async def _break_off(self, occurrence: OccurrenceId) -> None:
        injection = self._injections.pop(occurrence, None)
        if injection is not None:
            injection.cancel()
            await asyncio.wait([injection])

    async def _bring_back(self, ordinal: int) -> None:
        """Start the broker; one that is already on its way out is helped first. One that ended by itself is left as
        it is: nothing that we did has to be undone, and starting it would hide that it crashed."""
        broker = self._brokers[ordinal]
        if broker.told_to_end:
            await self._kill(ordinal)
            broker.start()

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

    async def _apply(self, occurrence: OccurrenceId, fault: ResolvedFault, deadline_ns: int) -> None:
        match fault:
            case Cut() | Slow():
                self._rules[occurrence] = rules_of(occurrence, fault, self._clock.boot_ns(deadline_ns))
                await self._tell_proxy()
            case Kill(how=KillHow.PROCESS):
                await asyncio.gather(*(self._kill(ordinal) for ordinal in fault.ordinals))
            case Kill():
                grace_s = fault.grace_ns / NS
                await asyncio.gather(*(self._terminate(ordinal, grace_s) for ordinal in fault.ordinals))
            case Pause():
                for ordinal in fault.ordinals:
                    self._brokers[ordinal].signal(signal.SIGSTOP)
            case Wipe():
                await asyncio.gather(*(self._kill(ordinal) for ordinal in fault.ordinals))
                for ordinal in fault.ordinals:
                    self._brokers[ordinal].wipe()
            case Restart():
                await self._restart(fault)
            case _:
                raise OSError(f"the local world cannot do `{fault_kind(fault)}`")

    async def _lift(self, occurrence: OccurrenceId, fault: ResolvedFault) -> None:
        end = self._ends.pop(occurrence, None)
        if end is not None and end is not asyncio.current_task():
            end.cancel()
        await self._break_off(occurrence)
        match fault:
            case Cut() | Slow():
                self._rules.pop(occurrence, None)
                if self._proxy.alive:  # a proxy that is gone, or new, holds nothing back
                    await self._tell_proxy()
            case Pause():
                for ordinal in fault.ordinals:
                    self._brokers[ordinal].signal(signal.SIGCONT)
            case Kill() | Wipe() | Restart():
                await asyncio.gather(*(self._bring_back(ordinal) for ordinal in fault.ordinals))
            case _:
                pass

    async def _end_at_deadline(self, action: Inject) -> None:
        await asyncio.sleep(max(0, action.deadline_ns - self._clock.now_ns()) / NS)
        await self._lift(action.occurrence, action.fault)

    async def _tell_proxy(self) -> None:
        await self._proxy.set_rules(tuple(rule for rules in self._rules.values() for rule in rules))

    async def _kill(self, ordinal: int) -> None:
        self._brokers[ordinal].signal(signal.SIGKILL)
        await self._gone(ordinal, GONE_TIMEOUT_S)

    async def _terminate(self, ordinal: int, grace_s: float) -> None:
        """What deleting a pod does: SIGTERM, and SIGKILL when the grace period is over."""
        self._brokers[ordinal].signal(signal.SIGTERM)
        try:
            await self._gone(ordinal, grace_s)
        except TimeoutError:
            await self._kill(ordinal)

    async def _gone(self, ordinal: int, timeout_s: float) -> None:
        if not await self._brokers[ordinal].gone(timeout_s):
            raise TimeoutError(f"broker {ordinal} did not end within {timeout_s:g} s")

    async def _restart(self, fault: Restart) -> None:
        stop = self._kill if fault.how is RestartHow.KILL else self._stop_gracefully
        if fault.together:
            await asyncio.gather(*(stop(ordinal) for ordinal in fault.ordinals))
            for ordinal in fault.ordinals:
                self._brokers[ordinal].start()
            return
        for number, ordinal in enumerate(fault.ordinals):
            if number:
                await asyncio.sleep(fault.pause_between_ns / NS)
            stopped = self._view(ordinal)
            await stop(ordinal)
            self._brokers[ordinal].start()
            await self._registered_again(ordinal, stopped)

    def _view(self, ordinal: int) -> BrokerView:
        return next(view for view in self._views() if view.ordinal == ordinal)

    async def _registered_again(self, ordinal: int, stopped: BrokerView) -> None:
        """An upgrade goes on only when the broker is back: two of three that are away at once is an outage."""
        deadline_ns = self._clock.now_ns() + int(REGISTERED_TIMEOUT_S * NS)
        while not is_back(self._view(ordinal), stopped):
            if self._clock.now_ns() >= deadline_ns:
                raise TimeoutError(f"broker {ordinal} did not register within {REGISTERED_TIMEOUT_S:g} s of its start")
            await asyncio.sleep(POLL_S)

    async def _stop_gracefully(self, ordinal: int) -> None:
        await self._terminate(ordinal, GRACE_DEFAULT_S)


def is_back(view: BrokerView, stopped: BrokerView) -> bool:
    """Another process than the one that was stopped answers, under a registration of its own."""
    return view.reachable and view.incarnation != stopped.incarnation and view.broker_epoch > stopped.broker_epoch


async def _unless_broken_off(injection: asyncio.Task[None]) -> None:
    """The injection's end, whichever; raises OSError when a heal broke it off."""
    await asyncio.wait([injection])
    if injection.cancelled():
        raise OSError("it was healed before it was in force")
    injection.result()
