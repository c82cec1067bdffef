"""Three real broker processes, real sockets, real fsync: what holds together, and what bad input does to it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from broker_processes import PLANES, Processes, eventually

from skerry_broker.batch import Record, decode_records, encode_batch
from skerry_broker.client import Client, ClientError, DefiniteError
from skerry_broker.core.api import MetadataResponse
from skerry_broker.core.client import ClientConfig
from skerry_broker.core.types import Acks, Batch
from skerry_broker.status_report import PeerCheckReport, StatusReport

pytestmark = [pytest.mark.local, pytest.mark.timeout(120)]


class Cluster:
    def __init__(self, processes: Processes, session: aiohttp.ClientSession, client: Client) -> None:
        self.processes = processes
        self.session = session
        self.client = client

    async def admin(self, broker: int, path: str, method: str = "GET") -> bytes:
        host, port = self.processes.address(broker, "admin")
        timeout = aiohttp.ClientTimeout(total=3)
        async with self.session.request(method, f"http://{host}:{port}{path}", timeout=timeout) as answer:
            return await answer.read()

    async def status(self, broker: int) -> StatusReport:
        return msgspec.json.decode(await self.admin(broker, "/status"), type=StatusReport)

    async def all_ready(self) -> None:
        async def ready() -> bool | None:
            reports = [await self.status(broker) for broker in sorted(self.processes.running)]
            return all(report.ready for report in reports) or None

        await eventually(ready, "every running broker is ready")

    async def settled(self, topic: str, replicas: int) -> MetadataResponse:
        """The controller's own view once every partition has a leader and ``replicas`` in-sync replicas."""

        async def whole() -> MetadataResponse | None:
            for broker in sorted(self.processes.running):
                report = await self.status(broker)
                if report.node.controller != broker:
                    continue
                view = await self.client.metadata(topic, broker=broker)
                partitions = view.topics[0].partitions if view.topics else ()
                if partitions and all(one.leader >= 0 and len(one.isr) == replicas for one in partitions):
                    return view
            return None

        return await eventually(whole, f"{topic} has leaders and {replicas} in-sync replicas")

    async def read_all(self, topic: str, partition: int) -> list[bytes | None]:
        values: list[bytes | None] = []
        offset = 0
        while True:
            answer = await self.client.fetch(topic, partition, offset)
            for batch in answer.batches:
                values += [record.value for record in decode_records(batch)]
                offset = batch.next_offset
            if offset >= answer.high_watermark:
                return values


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    one = Processes(tmp_path_factory.mktemp("brokers"))
    yield one
    one.close()


@pytest.fixture
async def cluster(processes: Processes) -> AsyncIterator[Cluster]:
    """One cluster for all tests of this file, made whole again before each."""
    processes.start(*(broker for broker in processes.ports if broker not in processes.running))
    async with aiohttp.ClientSession() as session, Client(processes.bootstrap) as client:
        one = Cluster(processes, session, client)
        await one.all_ready()
        yield one


async def test_every_acknowledged_record_survives_the_leader(cluster: Cluster) -> None:
    client, processes = cluster.client, cluster.processes
    await client.create_topic("orders", partitions=2, replication_factor=3, min_in_sync_replicas=2)
    await cluster.settled("orders", 3)
    written: list[bytes] = []
    for number in range(20):
        value = b"before %d" % number
        assert await client.produce("orders", 0, encode_batch([Record(None, value)])) is not None
        written.append(value)
    leader = (await cluster.settled("orders", 3)).topics[0].partitions[0].leader
    epoch = (await cluster.settled("orders", 3)).topics[0].partitions[0].leader_epoch
    processes.kill(leader)
    for number in range(20):
        value = b"after %d" % number
        answer = await client.produce("orders", 0, encode_batch([Record(None, value)]))
        assert answer is not None
        assert answer.leader != leader
        assert answer.leader_epoch > epoch
        written.append(value)
    assert await cluster.read_all("orders", 0) == written
    processes.start(leader)
    await cluster.settled("orders", 3)

    # metrics tell the same story: the new epoch has a time on every broker, the ISR is whole again
    for broker in processes.ports:
        text = (await cluster.admin(broker, "/metrics")).decode()
        elected = [
            line
            for line in text.splitlines()
            if line.startswith("broker_partition_leader_elected_timestamp_seconds")
            and 'partition="0"' in line
            and f'leader_epoch="{epoch}"' not in line
        ]
        assert elected
    # replicas are there to be read, byte for byte
    files = msgspec.json.decode(await cluster.admin(leader, "/replica/orders/0"))
    segment = next(one for one in files if one["name"].endswith(".log"))
    data = await cluster.admin(leader, f"/replica/orders/0/{segment['name']}")
    assert b"before 0" in data
    assert b"after 19" in data


async def test_sigterm_hands_over_and_leaves_a_clean_mark(cluster: Cluster) -> None:
    client, processes = cluster.client, cluster.processes
    await client.create_topic("leaving", partitions=3, replication_factor=3, min_in_sync_replicas=2)
    view = await cluster.settled("leaving", 3)
    await client.produce("leaving", 0, encode_batch([Record(None, b"one")]))
    leaver = view.topics[0].partitions[0].leader
    assert processes.terminate(leaver) == 0
    assert f"skerry-broker {leaver} stopped cleanly" in processes.log(leaver)
    view = await cluster.settled("leaving", 2)
    assert all(one.leader != leaver for one in view.topics[0].partitions)
    assert await cluster.read_all("leaving", 0) == [b"one"]


async def test_peer_checks_see_a_dead_and_a_paused_broker(cluster: Cluster) -> None:
    async def probes(broker: int) -> dict[tuple[int, str], bool]:
        report = msgspec.json.decode(await cluster.admin(broker, "/peer-check", "POST"), type=PeerCheckReport)
        return {(one.broker_id, one.plane.value): one.ok for one in report.probes}

    assert await probes(1) == {(peer, plane.capitalize()): True for peer in (2, 3) for plane in PLANES}
    cluster.processes.kill(3)
    found = await probes(1)
    assert all(ok is (peer == 2) for (peer, _), ok in found.items())

    async def noticed() -> bool | None:
        kept = {check.plane: check.kept for check in (await cluster.status(1)).peers if check.broker_id == 3}
        return all(one.silent_ns > 300_000_000 and one.connected_wall_ns is None for one in kept.values()) or None

    await eventually(noticed, "kept connections to broker 3 are lost")
    pausing = asyncio.get_running_loop().run_in_executor(None, cluster.processes.pause, 2, 1.5)
    await asyncio.sleep(0.5)
    kept = [check.kept for check in (await cluster.status(1)).peers if check.broker_id == 2]
    assert all(one.silent_ns > 300_000_000 for one in kept)
    await pausing

    async def stalled() -> StatusReport | None:
        report = await cluster.status(2)
        return report if report.stalls else None

    report = await eventually(stalled, "broker 2 lists its own stall")
    assert report.stalls[-1].duration_ns > 1_000_000_000
    text = (await cluster.admin(2, "/metrics")).decode()
    count = next(line for line in text.splitlines() if line.startswith("broker_event_loop_lag_seconds_count"))
    assert float(count.split()[1]) > 0
    assert "broker_event_loop_stalls_total 0.0" not in text


async def test_garbage_on_every_port_changes_nothing(cluster: Cluster) -> None:
    client = cluster.client
    await client.create_topic("garbage", partitions=1, replication_factor=3, min_in_sync_replicas=2)
    before = {broker: (await cluster.status(broker)).process.pid for broker in cluster.processes.ports}
    for garbage in (
        b"\x00" * 64,
        b"\xff" * 4096,
        b"\x00SKERRY\x01" + b"\x7f" * 64,
        b"GET /\x00 \r\n\r\n",
        b"\x16\x03\x01",
    ):
        for broker in cluster.processes.ports:
            for plane in PLANES:
                with socket.create_connection(cluster.processes.address(broker, plane), timeout=5) as one:
                    one.sendall(garbage)
    with pytest.raises(DefiniteError, match="BatchTooLarge after 1 attempts"):
        await client.produce("garbage", 0, encode_batch([Record(None, bytes(2 << 20))]))
    assert await client.produce("garbage", 0, encode_batch([Record(None, b"still here")])) is not None
    assert await client.produce("garbage", 0, encode_batch([Record(None, b"gone")]), Acks.NONE) is None
    after = {broker: (await cluster.status(broker)).process.pid for broker in cluster.processes.ports}
    assert after == before
    text = (await cluster.admin(1, "/metrics")).decode()
    assert 'broker_connections_refused_total{plane="Raft",reason="garbage"} 0.0' not in text


async def test_a_port_in_use_stops_the_start_with_one_sentence(tmp_path: Path) -> None:
    processes = Processes(tmp_path, count=1)
    with socket.create_server(processes.address(1, "raft")):
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "skerry_broker", *processes.arguments(1)],
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    port = processes.ports[1][1]
    assert line == (
        f"skerry-broker: cannot listen on 127.0.0.1:{port} (Address already in use); "
        "free that port or choose another with --listen"
    )


async def test_a_directory_of_another_broker_stops_the_start_with_one_sentence(tmp_path: Path) -> None:
    processes = Processes(tmp_path, count=1)
    processes.start(1)
    async with aiohttp.ClientSession() as session, Client(processes.bootstrap) as client:
        try:
            await Cluster(processes, session, client).all_ready()
            assert processes.terminate(1) == 0
        finally:
            processes.close()
    arguments = [one.replace("--broker-id=1", "--broker-id=2") for one in processes.arguments(1)]
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "skerry_broker", *arguments], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert "broker 1" in done.stderr


async def until_refused(client: Client, topic: str, batch: Batch) -> int:
    """How many batches were acknowledged before one was not."""
    for acknowledged in range(1000):
        try:
            await client.produce(topic, 0, batch)
        except ClientError:
            return acknowledged
    raise AssertionError("a thousand batches were taken")


async def test_a_full_disk_and_retention_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    processes = Processes(tmp_path, count=1, timing="Default")
    one_record = encode_batch([Record(None, bytes(10_000))])
    small = ("--segment-bytes=32KiB", "--retention-check=200ms")
    processes.start(1, extra=("--data-bytes-max=200KiB", *small))
    try:
        config = ClientConfig(delivery_timeout_ms=3000, idempotent=False)
        async with aiohttp.ClientSession() as session, Client(processes.bootstrap, config) as client:
            cluster = Cluster(processes, session, client)
            await cluster.all_ready()
            await client.create_topic("kept", partitions=1, replication_factor=1, min_in_sync_replicas=1)
            acknowledged = await until_refused(client, "kept", one_record)
            assert acknowledged == 204_800 // len(one_record.data)
            assert (await cluster.status(1)).node.log_offline
            assert processes.terminate(1) == 1
            assert "the size limit of 204800 bytes" in processes.log(1).splitlines()[-1]

            processes.start(1, extra=("--data-bytes-max=2MiB", *small))
            await cluster.all_ready()
            assert len(await cluster.read_all("kept", 0)) >= acknowledged
            await client.create_topic(
                "aging", partitions=1, replication_factor=1, min_in_sync_replicas=1, retention_bytes=50_000
            )
            for _ in range(12):
                await client.produce("aging", 0, one_record)

            async def trimmed() -> int | None:
                return (await client.list_offsets("aging", 0)).log_start_offset or None

            start = await eventually(trimmed, "retention removes old segments")
            assert 0 < start <= 12 - 5
            with pytest.raises(DefiniteError, match="OffsetOutOfRange"):
                await client.fetch("aging", 0, 0)
            assert (await client.fetch("aging", 0, start)).batches[0].base_offset == start
            assert processes.terminate(1) == 0
    finally:
        processes.close()
