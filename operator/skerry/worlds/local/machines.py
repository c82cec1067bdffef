"""What a fault can be made of on this machine: rules for the proxy, signals for the broker processes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable, Mapping

from skerry.engine.world import BrokerView
from skerry.faults.port import OccurrenceId
from skerry.runner.clock import RunClock
from skerry.worlds.local.brokers import BrokerProcess
from skerry.worlds.local.proxies import FaultProxy
from skerry.worlds.local.rules import Rule

NS = 1_000_000_000
GONE_TIMEOUT_S = 10.0
GRACE_DEFAULT_S = 30.0
REGISTERED_TIMEOUT_S = 45.0
"""Until a restarted broker has registered, and the next one may stop."""
POLL_S = 0.02

Views = Callable[[], tuple[BrokerView, ...]]


class Machines:
    """Invariant: ``_rules`` is what the proxy has been told, or is being told, of every live occurrence."""

    def __init__(self, brokers: Mapping[int, BrokerProcess], proxy: FaultProxy, clock: RunClock, views: Views) -> None:
        """``views``: the latest picture of the brokers; a rolling restart waits for their registrations."""
        self.brokers = brokers
        self._proxy = proxy
        self._clock = clock
        self._views = views
        self._rules: dict[OccurrenceId, list[Rule]] = {}

    # --- links --------------------------------------------------------------------------------------------

    def boot_ns(self, run_ns: int) -> int:
        """The boot clock, by which the proxy lifts its rules, at a moment of the run's clock."""
        return self._clock.boot_ns(run_ns)

    async def set_rules(self, occurrence: OccurrenceId, rules: list[Rule]) -> None:
        """These hold for the occurrence. Raises ProxyError."""
        self._rules[occurrence] = rules
        await self._tell_proxy()

    async def drop_rules(self, occurrence: OccurrenceId) -> None:
        """Those of the occurrence hold no more. Raises ProxyError."""
        self._rules.pop(occurrence, None)
        if self._proxy.alive:  # a proxy that is gone, or new, holds nothing back
            await self._tell_proxy()

    async def drop_all_rules(self) -> None:
        """No rule holds any more. Raises ProxyError."""
        self._rules.clear()
        if self._proxy.alive:
            await self._tell_proxy()

    async def _tell_proxy(self) -> None:
        await self._proxy.set_rules(tuple(rule for rules in self._rules.values() for rule in rules))

    # --- processes ----------------------------------------------------------------------------------------

    def signal(self, ordinal: int, number: signal.Signals) -> None:
        self.brokers[ordinal].signal(number)

    def start(self, ordinal: int) -> None:
        self.brokers[ordinal].start()

    def wipe(self, ordinal: int) -> None:
        """Empty the data directory of a broker that is gone."""
        self.brokers[ordinal].wipe()

    async def kill(self, ordinal: int) -> None:
        """SIGKILL, and wait until it is gone. Raises TimeoutError."""
        self.brokers[ordinal].signal(signal.SIGKILL)
        await self._gone(ordinal, GONE_TIMEOUT_S)

    async def terminate(self, ordinal: int, grace_s: float = GRACE_DEFAULT_S) -> None:
        """What deleting a pod does: SIGTERM, and SIGKILL when the grace period is over."""
        self.brokers[ordinal].signal(signal.SIGTERM)
        try:
            await self._gone(ordinal, grace_s)
        except TimeoutError:
            await self.kill(ordinal)

    async def bring_back(self, ordinals: Iterable[int]) -> None:
        """Start the brokers; one that is already on its way out is helped first. One that ended by itself is left as it
        is: nothing that we did has to be undone, and starting it would hide that it crashed."""
        await asyncio.gather(*(self._bring_back(ordinal) for ordinal in ordinals))

    async def _bring_back(self, ordinal: int) -> None:
        broker = self.brokers[ordinal]
        if broker.told_to_end:
            await self.kill(ordinal)
            broker.start()

    async def _gone(self, ordinal: int, timeout_s: float) -> None:
        if not await self.brokers[ordinal].gone(timeout_s):
            raise TimeoutError(f"broker {ordinal} did not end within {timeout_s:g} s")

    def view(self, ordinal: int) -> BrokerView:
        """What the broker last said of itself."""
        return next(view for view in self._views() if view.ordinal == ordinal)

    async def registered_again(self, ordinal: int, stopped: BrokerView) -> None:
        """Wait until another process than the one that was stopped has registered. Raises TimeoutError."""
        deadline_ns = self._clock.now_ns() + int(REGISTERED_TIMEOUT_S * NS)
        while not is_back(self.view(ordinal), stopped):
            if self._clock.now_ns() >= deadline_ns:
                raise TimeoutError(f"broker {ordinal} did not register within {REGISTERED_TIMEOUT_S:g} s of its start")
            await asyncio.sleep(POLL_S)


def is_back(view: BrokerView, stopped: BrokerView) -> bool:
    """Another process than the one that was stopped answers, under a registration of its own."""
    return view.reachable and view.incarnation != stopped.incarnation and view.broker_epoch > stopped.broker_epoch
