"""Garbage on all four planes of three real brokers while a client writes: no election, no lost record, no growth."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from pathlib import Path

import aiohttp
import msgspec
import pytest
from broker_processes import PLANES, Processes

from skerry_broker.batch import Record, decode_records, encode_batch
from skerry_broker.client import Client
from skerry_broker.status_report import StatusReport
from skerry_broker.wire import PREFACE

pytestmark = [pytest.mark.local, pytest.mark.timeout(60)]

HUGE = 0xFFFF_FFF0


def garbage(rng: random.Random) -> list[bytes]:
    return [
        rng.randbytes(10_000),
        PREFACE[: len(PREFACE) // 2],
        PREFACE + struct.pack("<II", HUGE, 0) + bytes(64),
        PREFACE + struct.pack(">II", HUGE, 0) + bytes(64),
        PREFACE + rng.randbytes(500),
        b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /topics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"",
    ]


async def statuses(processes: Processes) -> dict[int, StatusReport]:
    found = {}
    async with aiohttp.ClientSession() as session:
        for broker in processes.ports:
            host, port = processes.address(broker, "admin")
            async with session.get(f"http://{host}:{port}/status") as answer:
                found[broker] = msgspec.json.decode(await answer.read(), type=StatusReport)
    return found


async def all_in_sync(processes: Processes) -> dict[int, StatusReport]:
    for _ in range(400):
        with contextlib.suppress(aiohttp.ClientError, OSError):
            found = await statuses(processes)
            partitions = [partition for one in found.values() for partition in one.node.partitions]
            if all(one.ready for one in found.values()) and all(len(one.isr) == 3 for one in partitions):
                return found
        await asyncio.sleep(0.05)
    raise AssertionError("three brokers did not come together")


async def test_garbage_while_a_client_writes(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start(1, 2, 3)
    written: list[bytes] = []
    open_ones: list[socket.socket] = []
    try:
        await all_in_sync(processes)
        async with Client(processes.bootstrap) as client:
            await client.create_topic("orders", partitions=1, replication_factor=3, min_in_sync_replicas=2)
            before = await all_in_sync(processes)
            rng = random.Random(7)
            for number in range(3):
                for piece in garbage(rng):
                    for broker in processes.ports:
                        for plane in PLANES:
                            one = socket.create_connection(processes.address(broker, plane), timeout=5)
                            with contextlib.suppress(ConnectionError, TimeoutError):
                                one.sendall(piece)
                            open_ones.append(one)  # half a frame, and then nothing: the connection stays open
                    value = b"%d %d" % (number, len(written))
                    assert await client.produce("orders", 0, encode_batch([Record(None, value)])) is not None
                    written.append(value)
            after = await all_in_sync(processes)
            read = [
                record.value
                for batch in (await client.fetch("orders", 0, 0)).batches
                for record in decode_records(batch)
            ]
        assert read == written
        for broker, report in after.items():
            was = before[broker]
            assert report.process.pid == was.process.pid
            assert report.node.raft.term == was.node.raft.term
            assert [one.leader_epoch for one in report.node.partitions] == [
                one.leader_epoch for one in was.node.partitions
            ]
            assert report.process.resident_bytes < was.process.resident_bytes + (32 << 20)
            assert "Traceback" not in processes.log(broker)
    finally:
        for one in open_ones:
            one.close()
        processes.close()
