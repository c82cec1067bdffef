"""Real processes whose fdatasync hangs: the leader is replaced, says so in its status, and follows again later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from broker_processes import Processes

from skerry_broker.batch import Record, decode_records, encode_batch
from skerry_broker.client import Client, ClientError
from skerry_broker.core.types import TIMING_PRESETS
from skerry_broker.status_report import StatusReport

pytestmark = [pytest.mark.local, pytest.mark.timeout(120)]

BOUND_S = 3 * TIMING_PRESETS["Relaxed"].replica_lag_ms / 1000
"""The arithmetic of decision 11 gives 1.1 times the lag; the rest is for a machine with other things to do."""


class HeldDisks(Processes):
    """Brokers whose fdatasync does not return while the file ``held(broker)`` is there."""

    def program_of(self, broker: int) -> tuple[str, ...]:
        return (str(Path(__file__).parent / "held_fsync.py"), str(self.held(broker)))

    def held(self, broker: int) -> Path:
        return self.directory / f"hold-{broker}"


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[HeldDisks]:
    brokers = HeldDisks(tmp_path)
    brokers.start(1, 2, 3)
    yield brokers
    for broker in (1, 2, 3):
        brokers.held(broker).unlink(missing_ok=True)
    brokers.close()


async def status(brokers: HeldDisks, broker: int, session: aiohttp.ClientSession) -> StatusReport:
    host, port = brokers.address(broker, "admin")
    async with session.get(f"http://{host}:{port}/status") as answer:
        return msgspec.json.decode(await answer.read(), type=StatusReport)


async def leader_and_isr(client: Client) -> tuple[int, tuple[int, ...]]:
    for topic in (await client.metadata("orders")).topics:
        return topic.partitions[0].leader, topic.partitions[0].isr
    return -1, ()


async def until_whole(client: Client) -> int:
    """The leader, once all three are in sync."""
    async with asyncio.timeout(60):
        while True:
            try:
                leader, isr = await leader_and_isr(client)
            except ClientError:
                leader, isr = -1, ()
            if leader > 0 and len(isr) == 3:
                return leader
            await asyncio.sleep(0.1)


async def test_a_leader_whose_disk_hangs_is_replaced(brokers: HeldDisks) -> None:
    loop = asyncio.get_running_loop()
    async with Client(brokers.bootstrap) as client, aiohttp.ClientSession() as session:
        async with asyncio.timeout(60):
            while True:
                try:
                    await client.create_topic("orders", partitions=1, replication_factor=3, min_in_sync_replicas=2)
                    break
                except ClientError:
                    await asyncio.sleep(0.2)
        old = await until_whole(client)
        await client.produce("orders", 0, encode_batch([Record(None, b"before")]))

        brokers.held(old).touch()
        began = loop.time()
        await client.produce("orders", 0, encode_batch([Record(None, b"during")]))
        took_s = loop.time() - began
        hung = await status(brokers, old, session)
        new, isr = await leader_and_isr(client)
        assert new != old
        assert old not in isr
        assert took_s < BOUND_S
        lag_ns = TIMING_PRESETS["Relaxed"].replica_lag_ms * 1_000_000
        assert hung.disk.fsync_under_way_ns >= lag_ns
        assert hung.node.disk_waiting_ns >= lag_ns

        brokers.held(old).unlink()
        assert await until_whole(client) == new, "it does not take its place back"
        found = await client.fetch("orders", 0, 0)
        values = [record.value for batch in found.batches for record in decode_records(batch)]
        assert values == [b"before", b"during"]
