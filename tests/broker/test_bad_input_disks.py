"""Three real brokers, and a disk that is full or damaged: every acknowledged record is still readable."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from broker_processes import Processes, eventually

from skerry_broker.batch import Record, decode_records, encode_batch
from skerry_broker.client import Client
from skerry_broker.core.api import MetadataResponse
from skerry_broker.status_report import StatusReport

pytestmark = [pytest.mark.local, pytest.mark.timeout(90)]

VALUE = bytes(1000)


class Cluster:
    def __init__(self, processes: Processes, session: aiohttp.ClientSession, client: Client) -> None:
        self.processes = processes
        self.client = client
        self._session = session
        self.acknowledged: list[bytes] = []

    async def status(self, broker: int) -> StatusReport:
        host, port = self.processes.address(broker, "admin")
        timeout = aiohttp.ClientTimeout(total=3)
        async with self._session.get(f"http://{host}:{port}/status", timeout=timeout) as answer:
            return msgspec.json.decode(await answer.read(), type=StatusReport)

    async def settled(self, in_sync: int) -> MetadataResponse:
        """The view of a leader of `orders`-0 when its ISR has so many members."""

        async def whole() -> MetadataResponse | None:
            for broker in sorted(self.processes.running):
                report = await self.status(broker)
                if report.node.controller != broker:
                    continue
                view = await self.client.metadata("orders", broker=broker)
                partitions = view.topics[0].partitions if view.topics else ()
                if partitions and all(one.leader >= 0 and len(one.isr) == in_sync for one in partitions):
                    return view
            return None

        return await eventually(whole, f"an ISR of {in_sync}")

    async def begin(self) -> int:
        """Create the topic; the leader of its partition."""

        async def ready() -> bool | None:
            return all([(await self.status(broker)).ready for broker in self.processes.running]) or None

        await eventually(ready, "all brokers are ready")
        await self.client.create_topic("orders", partitions=1, replication_factor=3, min_in_sync_replicas=2)
        return (await self.settled(3)).topics[0].partitions[0].leader

    async def led_by(self, broker: int) -> None:
        async def leads() -> bool | None:
            return (await self.settled(3)).topics[0].partitions[0].leader == broker or None

        await eventually(leads, f"broker {broker} leads")

    async def write(self, count: int) -> None:
        for _ in range(count):
            value = b"%06d " % len(self.acknowledged) + VALUE
            assert await self.client.produce("orders", 0, encode_batch([Record(None, value)])) is not None
            self.acknowledged.append(value)

    async def read_all(self) -> list[bytes | None]:
        values: list[bytes | None] = []
        offset = 0
        deadline = time.monotonic() + 20
        while True:
            assert time.monotonic() < deadline, f"readers stand still at offset {offset}"
            answer = await self.client.fetch("orders", 0, offset)
            for batch in answer.batches:
                values += [record.value for record in decode_records(batch)]
                offset = batch.next_offset
            if offset >= answer.high_watermark:
                return values


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    processes = Processes(tmp_path, timing="Default")
    try:
        processes.start(1, 2, 3)
        async with aiohttp.ClientSession() as session, Client(processes.bootstrap) as client:
            yield Cluster(processes, session, client)
    finally:
        processes.close()


async def restart(cluster: Cluster, broker: int, **arguments: str) -> None:
    cluster.processes.terminate(broker)
    cluster.processes.extra[broker] = [f"--{name.replace('_', '-')}={value}" for name, value in arguments.items()]
    cluster.processes.start(broker)


@pytest.mark.parametrize("victim_leads", [True, False], ids=["of the leader", "of a follower"])
async def test_a_full_disk_loses_nothing(cluster: Cluster, victim_leads: bool) -> None:
    leader = await cluster.begin()
    victim = leader if victim_leads else leader % 3 + 1
    await cluster.write(5)
    await restart(cluster, victim, data_bytes_max="20KiB")
    await cluster.settled(3)
    if victim_leads:
        await cluster.client.elect_leader("orders", 0, victim)
        await cluster.led_by(victim)
    await cluster.write(40)  # more than fits on the victim's disk: the others go on without it
    assert (await cluster.settled(2)).topics[0].partitions[0].leader != victim
    assert await cluster.read_all() == cluster.acknowledged

    log = cluster.processes.log(victim)
    assert "the size limit of 20480 bytes of records is reached; raise --data-bytes-max" in log
    assert "Traceback" not in log
    report = await cluster.status(victim)
    assert report.not_ready == "its log is offline after a disk error, which its own log names"

    await restart(cluster, victim, data_bytes_max="1MiB")  # what the sentence says
    await cluster.settled(3)
    await cluster.write(3)
    assert await cluster.read_all() == cluster.acknowledged


@pytest.mark.parametrize("stop", ["SIGTERM", "SIGKILL"])
async def test_a_corrupt_segment_loses_nothing(cluster: Cluster, tmp_path: Path, stop: str) -> None:
    """One flipped bit in the middle of the leader's segment, below what was durable."""
    victim = await cluster.begin()
    await cluster.write(20)
    if stop == "SIGTERM":
        assert cluster.processes.terminate(victim) == 0
    else:
        cluster.processes.kill(victim)
    (segment,) = (tmp_path / str(victim)).glob("topics/orders-0/*.log")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 0x10
    segment.write_bytes(content)
    await cluster.write(3)
    cluster.processes.start(victim)
    await cluster.settled(3)
    assert await cluster.read_all() == cluster.acknowledged

    (line,) = [line for line in cluster.processes.log(victim).splitlines() if "ERROR" in line]
    assert f"disk damage: {segment}" in line
    assert line.endswith("it is put aside and copied again from other brokers; check the disk")
    (kept,) = segment.parent.glob(f"corrupt-*/{segment.name}")
    assert kept.read_bytes() == bytes(content), "the evidence is still there"

    await cluster.client.elect_leader("orders", 0, victim)  # its new copy is as good as the others
    await cluster.led_by(victim)
    assert await cluster.read_all() == cluster.acknowledged


@pytest.mark.parametrize("where", ["content", "offset"])
async def test_bytes_that_rot_while_it_runs_are_never_served(cluster: Cluster, tmp_path: Path, where: str) -> None:
    """Each read from the disk is checked: the leader stops to lead rather than answer. No checksum covers an offset."""
    victim = await cluster.begin()
    await cluster.write(20)
    await restart(cluster, victim)  # so that nothing of it is in the broker's memory
    await cluster.settled(3)
    await cluster.client.elect_leader("orders", 0, victim)
    await cluster.led_by(victim)
    (segment,) = (tmp_path / str(victim)).glob("topics/orders-0/*.log")
    batch = segment.stat().st_size // 20
    with segment.open("r+b") as file:
        file.seek(10 * batch + {"content": batch // 2, "offset": 0}[where])
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 0x10]))
    assert await cluster.read_all() == cluster.acknowledged
    await cluster.write(3)
    assert await cluster.read_all() == cluster.acknowledged
    assert (await cluster.settled(2)).topics[0].partitions[0].leader != victim
    log = cluster.processes.log(victim)
    assert {"content": "does not match its content", "offset": "follows where 10 should"}[where] in log
    assert "Traceback" not in log
