"""Client-visible failover: the longest time without an acknowledgement around a fault, at one producer.

The producer writes a record every 10 ms to the partition whose leader is hit (open loop: a slow answer does not slow
the next write); the gap is between two successive acknowledgements.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from collections.abc import Awaitable, Callable

from cluster import TOPIC, Cluster
from rows import Goal, Row, measured

from skerry.history.records import Outcome
from skerry.targets.skerry.client import SkerryClient
from skerry.workload.log.operations import Write
from skerry.workload.operations import ClientSpec

INTERVAL_S = 0.01
BEFORE_S = 0.5
AFTER_S = 5.0


class GapMeter:
    """Writes and notes when acknowledgements arrive."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._acks: list[float] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._value = 0
        self._stop = asyncio.Event()

    async def run(self) -> None:
        due = time.monotonic()
        async with self._cluster.target.client(ClientSpec("meter", idempotent=True)) as client:
            while not self._stop.is_set():
                task = asyncio.create_task(self._write(client, self._value))
                self._value += 1
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                due += INTERVAL_S
                await asyncio.sleep(max(0, due - time.monotonic()))
            while self._tasks:
                await asyncio.wait(self._tasks)

    async def _write(self, client: SkerryClient, value: int) -> None:
        result = await client.perform(Write(TOPIC, 0, value, 1, 64, "All", 10_000))
        if result.outcome is Outcome.OK:
            self._acks.append(time.monotonic())

    def stop(self) -> None:
        self._stop.set()

    def longest_gap(self, since: float) -> float:
        acks = sorted(at for at in self._acks if at >= since - BEFORE_S)
        if len(acks) < 2 or acks[-1] < since + 0.1:
            raise RuntimeError("writes did not resume")
        return max(later - earlier for earlier, later in itertools.pairwise(acks))


async def one_gap(cluster: Cluster, fault: Callable[[], Awaitable[None]]) -> float:
    meter = GapMeter(cluster)
    writing = asyncio.create_task(meter.run())
    await asyncio.sleep(BEFORE_S)
    since = time.monotonic()
    await fault()
    await asyncio.sleep(AFTER_S)
    meter.stop()
    await writing
    return meter.longest_gap(since)


async def kill_gaps(runs: int, *, controller_too: bool) -> list[float]:
    gaps = []
    async with Cluster(partitions=1) as cluster:
        for number in range(runs):
            leader = number % 3
            controller = leader if controller_too else (leader + 1) % 3
            await cluster.place(leader, controller)

            async def kill(victim: int = leader) -> None:
                cluster.brokers[victim].signal(signal.SIGKILL)
                await cluster.brokers[victim].gone(5)

            gaps.append(await one_gap(cluster, kill))
            cluster.brokers[leader].start()
            await cluster.ready()
            await cluster.whole()
    return gaps


async def isolation_gaps(runs: int) -> list[float]:
    gaps = []
    async with Cluster(partitions=1, proxied=True) as cluster:
        for number in range(runs):
            leader = number % 3
            await cluster.place(leader, (leader + 1) % 3)

            async def cut(victim: int = leader) -> None:
                await cluster.isolate(victim, AFTER_S + 5)

            gaps.append(await one_gap(cluster, cut))
            await cluster.heal()
            await cluster.whole()
    return gaps


def rows(runs: int = 20) -> list[Row]:
    return [
        measured(
            "failover, leader killed, not the controller",
            "s",
            asyncio.run(kill_gaps(runs, controller_too=False)),
            Goal("p50", True, 1.0),
            Goal("p99", True, 2.0),
        ),
        measured(
            "failover, leader killed, also the controller",
            "s",
            asyncio.run(kill_gaps(runs, controller_too=True)),
            Goal("p50", True, 2.0),
            Goal("p99", True, 3.0),
        ),
        measured("failover, leader isolated", "s", asyncio.run(isolation_gaps(runs)), Goal("max", True, 3.0)),
    ]
