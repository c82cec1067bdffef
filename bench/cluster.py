"""A cluster of local broker processes for measurements: the local world's parts, without an experiment."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from skerry.engine.world import BrokerView
from skerry.targets.port import addresses_on_loopback
from skerry.targets.skerry.admin import AdminClient
from skerry.targets.skerry.client import ADMIN_TIMEOUT_MS, SkerryClient
from skerry.targets.skerry.planes import Plane
from skerry.targets.skerry.process import BrokerPorts, broker_arguments
from skerry.targets.skerry.system import SkerrySystem
from skerry.workload.log.operations import CreateTopic, MoveController, MoveLeader
from skerry.workload.operations import ClientSpec
from skerry.worlds.local.brokers import BrokerProcess, data_directory_in
from skerry.worlds.local.ports import claim_ports
from skerry.worlds.local.proxies import FaultProxy
from skerry.worlds.local.proxy import Link, boot_ns
from skerry.worlds.local.rules import CutAction, Flow, Rule
from skerry.worlds.local.watchdog import Watchdog

TOPIC = "orders"
READY_TIMEOUT_S = 30.0
PLANES = (Plane.RAFT, Plane.REPLICATION)


class Cluster:
    """``async with Cluster(3) as cluster``: brokers that are ready, a topic, and everything gone afterwards.

    ``proxied``: with the fault proxy between the brokers, for `isolate`; without it nothing costs what it would not.
    """

    def __init__(self, brokers: int = 3, partitions: int = 3, *, proxied: bool = False) -> None:
        self.partitions = partitions
        self._directory = Path(tempfile.mkdtemp(prefix="skerry-bench-"))
        self._watchdog = Watchdog()
        self._proxy = FaultProxy(self._watchdog, lambda stall: None) if proxied else None
        ports = self._claimed = claim_ports(brokers * (4 + 2 * (brokers - 1)), random.Random())
        self.ports = [BrokerPorts(*ports[4 * i : 4 * i + 4]) for i in range(brokers)]
        free = iter(ports[4 * brokers :])
        self._links = tuple(
            Link(source, target, str(plane), next(free), self.ports[target].of(plane))
            for source in range(brokers)
            for target in range(brokers)
            if source != target
            for plane in PLANES
        )
        self.target = SkerrySystem(addresses_on_loopback([ports.by_plane() for ports in self.ports]), TOPIC)
        self.brokers = [
            BrokerProcess(
                i,
                self._command(i),
                self._directory / str(i),
                self._watchdog,
            )
            for i in range(brokers)
        ]
        self.admin: AdminClient = self.target.admin()
        self.client: SkerryClient = self.target.client(ClientSpec("bench", idempotent=True))

    def _command(self, ordinal: int) -> list[str]:
        arguments = broker_arguments(ordinal, self.ports[ordinal], self._peers(ordinal), "Default")
        data = data_directory_in(self._directory / str(ordinal))
        return [sys.executable, "-m", "skerry_broker", *arguments, "--data-dir", str(data)]

    def _peers(self, ordinal: int) -> dict[int, BrokerPorts]:
        through = {(link.target, link.plane): link.listen_port for link in self._links if link.source == ordinal}
        peers = {}
        for peer, ports in enumerate(self.ports):
            if peer != ordinal:
                peers[peer] = (
                    ports
                    if self._proxy is None
                    else ports._replace(raft=through[peer, "Raft"], replication=through[peer, "Replication"])
                )
        return peers

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def _start(self) -> None:
        if self._proxy is not None:
            await self._proxy.start(self._links)
        for broker in self.brokers:
            broker.start()
        await self.admin.__aenter__()
        await self.ready()
        create = CreateTopic(TOPIC, self.partitions, len(self.brokers), 2, ADMIN_TIMEOUT_MS)
        told = await self.client.perform(create)
        if told.error:
            raise RuntimeError(f"the topic was not created ({told.outcome}): {told.error}")
        await self.whole()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        """Nothing that was started is left."""
        await self.client.__aexit__(None, None, None)
        await self.admin.__aexit__(None, None, None)
        for broker in self.brokers:
            broker.signal(signal.SIGKILL)
            await broker.gone(10)
        if self._proxy is not None:
            await self._proxy.stop()
        self._watchdog.close()
        self._claimed.close()
        shutil.rmtree(self._directory)

    # --- what it is ---------------------------------------------------------------------------------------

    async def ready(self) -> None:
        """Every broker is registered and unfenced."""
        await self._until(lambda views: all(view is not None and not view.fenced for view in views))

    async def whole(self) -> None:
        """Every partition has a leader and a full ISR, by every broker's word."""
        full = len(self.brokers)
        await self._until(
            lambda views: all(
                view is not None
                and len(view.partitions) >= self.partitions
                and all(len(sample.isr) == full and sample.leader >= 0 for sample in view.partitions)
                for view in views
            )
        )

    async def _until(self, condition: Callable[[Sequence[BrokerView | None]], bool]) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            views = await asyncio.gather(*(self.view(ordinal) for ordinal in range(len(self.brokers))))
            if condition(views):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"the cluster was not ready within {READY_TIMEOUT_S:g} s: {views}")
            await asyncio.sleep(0.05)

    async def view(self, ordinal: int) -> BrokerView | None:
        answer = await self.admin.status(ordinal)
        return None if answer is None else answer.view(ordinal, 0, self.brokers[ordinal].state, 0)

    async def leader_and_controller(self, partition: int = 0) -> tuple[int, int]:
        view = next(
            view for view in await asyncio.gather(*(self.view(i) for i in range(len(self.brokers)))) if view is not None
        )
        leader = next(sample.leader for sample in view.partitions if sample.partition == partition)
        return leader, view.controller

    async def place(self, leader: int, controller: int, partition: int = 0) -> None:
        """Move both there and wait until they are."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while await self.leader_and_controller(partition) != (leader, controller):
            if time.monotonic() > deadline:
                raise TimeoutError(f"leader {leader} and controller {controller} could not be placed")
            now_leader, now_controller = await self.leader_and_controller(partition)
            if now_controller != controller:
                await self.client.perform(MoveController(controller, ADMIN_TIMEOUT_MS))
            elif now_leader != leader:
                await self.client.perform(MoveLeader(TOPIC, partition, leader, ADMIN_TIMEOUT_MS))
            await asyncio.sleep(0.1)

    # --- what is done to it -------------------------------------------------------------------------------

    async def isolate(self, ordinal: int, seconds: float) -> None:
        """Cut one broker from all others on the raft and replication planes; ends by itself."""
        assert self._proxy is not None
        expires = boot_ns() + int(seconds * 1e9)
        pairs = [(ordinal, peer) for peer in range(len(self.brokers)) if peer != ordinal]
        await self._proxy.set_rules(
            tuple(
                Rule("bench", Flow(a, b, str(plane)), expires, CutAction.DROP)
                for pair in pairs
                for a, b in (pair, pair[::-1])
                for plane in PLANES
            )
        )

    async def heal(self) -> None:
        assert self._proxy is not None
        await self._proxy.set_rules(())
