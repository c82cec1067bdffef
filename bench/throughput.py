"""Acknowledged records per second, latency at half that rate, single-record requests, and what an idle broker costs.

acks=All, replication 3, group fsync, without the fault proxy. Batches are built before the clock starts: what is
measured is the brokers and the client's connection, on the same cores.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from cluster import TOPIC, Cluster
from rows import Goal, Row, measured

from skerry.targets.skerry.client import batch_of
from skerry_broker.client import Client
from skerry_broker.core.api import ProduceRequest
from skerry_broker.core.client import ClientConfig, Outcome
from skerry_broker.core.types import Acks, Batch

RECORD_BYTES = 256
BATCH_RECORDS = 100
PARTITIONS = 3
WARM_UP_S = 2.0
MEASURED_S = 8.0
WINDOW_S = 1.0
IN_FLIGHT = 5
MEBIBYTE = 1 << 20


def _client(cluster: Cluster) -> Client:
    addresses = {ordinal: f"127.0.0.1:{ports.client}" for ordinal, ports in enumerate(cluster.ports)}
    return Client(addresses, ClientConfig(idempotent=True))


async def _closed_loop(cluster: Cluster, batch: Batch, in_flight: int) -> list[float]:
    """Acknowledged records per second, one sample a second, with ``in_flight`` requests always open per partition."""
    acknowledged: list[float] = []
    stop = time.monotonic() + WARM_UP_S + MEASURED_S

    async def writer(client: Client, partition: int) -> None:
        while time.monotonic() < stop:
            done = await client.submit(ProduceRequest(TOPIC, partition, batch, Acks.ALL, 10_000))
            if done.outcome is Outcome.OK:
                acknowledged.append(time.monotonic())

    async with _client(cluster) as client:
        begun = time.monotonic()
        await asyncio.gather(*(writer(client, partition) for partition in range(PARTITIONS) for _ in range(in_flight)))
    windows = [0.0] * int(MEASURED_S / WINDOW_S)
    for at in acknowledged:
        window = int((at - begun - WARM_UP_S) // WINDOW_S)
        if 0 <= window < len(windows):
            windows[window] += batch.record_count / WINDOW_S
    return windows


async def _open_loop(cluster: Cluster, batch: Batch, records_per_second: float) -> list[float]:
    """Milliseconds from the intended send time to the acknowledgement."""
    latencies: list[float] = []
    interval_s = batch.record_count / records_per_second
    tasks: set[asyncio.Task[None]] = set()

    async def write(client: Client, partition: int, intended: float) -> None:
        done = await client.submit(ProduceRequest(TOPIC, partition, batch, Acks.ALL, 10_000))
        if done.outcome is not Outcome.OK:
            raise RuntimeError(f"a write failed: {done.error}")
        latencies.append((time.monotonic() - intended) * 1000)

    async with _client(cluster) as client:
        begun = due = time.monotonic()
        number = 0
        while due < begun + WARM_UP_S + MEASURED_S:
            await asyncio.sleep(max(0, due - time.monotonic()))
            task = asyncio.create_task(write(client, number % PARTITIONS, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
            due += interval_s
        await asyncio.gather(*tasks)
    return latencies[int(WARM_UP_S / interval_s) :]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mebibytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE


async def _idle(cluster: Cluster, seconds: float) -> tuple[list[float], list[float]]:
    """Per broker: percent of a core, resident MiB."""
    pids = [broker.pid for broker in cluster.brokers if broker.pid is not None]
    before = [_cpu_seconds(pid) for pid in pids]
    await asyncio.sleep(seconds)
    cpu = [(_cpu_seconds(pid) - earlier) / seconds * 100 for pid, earlier in zip(pids, before, strict=True)]
    return cpu, [_resident_mebibytes(pid) for pid in pids]


async def _measure() -> list[Row]:
    batch = batch_of(1, BATCH_RECORDS, RECORD_BYTES)
    single = batch_of(1, 1, RECORD_BYTES)
    async with Cluster(partitions=PARTITIONS) as cluster:
        cpu, memory = await _idle(cluster, 10.0)
        rates = await _closed_loop(cluster, batch, IN_FLIGHT)
        half = sorted(rates)[len(rates) // 2] / 2
        latencies = await _open_loop(cluster, batch, half)
        singles = await _closed_loop(cluster, single, IN_FLIGHT)
    return [
        measured("acknowledged records, batches of 100", "records/s", rates, Goal("p50", False, 50_000)),
        measured(f"latency at {half:,.0f} records/s", "ms", latencies, Goal("p99", True, 50)),
        measured("single-record requests", "requests/s", singles, Goal("p50", False, 1000)),
        measured("idle broker, processor", "% of a core", cpu, Goal("max", True, 3)),
        measured("idle broker, resident memory", "MiB", memory, Goal("max", True, 80)),
    ]


def rows() -> list[Row]:
    return asyncio.run(_measure())
