"""The admin plane: health never asks peers, readiness says why not, replicas are read and nothing else is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from skerry_broker.admin_api import AdminApi
from skerry_broker.broker import why_not_ready
from skerry_broker.config import PLANES, Address
from skerry_broker.core.status import NodeStatus, RaftStatus
from skerry_broker.core.types import Plane, Timing, Voter
from skerry_broker.dialing import Resolver
from skerry_broker.listener import PlaneListener
from skerry_broker.metrics import Metrics
from skerry_broker.peer_checks import PeerChecks
from skerry_broker.status_report import PeerCheckReport, ProcessReport, Stall, StatusReport
from skerry_broker.transport import Identity

NODE = NodeStatus(
    broker_id=1, directory_id="d", cluster_id="c", incarnation="i", broker_epoch=5, controller=1,
    lease_remaining_ns=400_000_000, fenced=False, shutting_down=False, log_offline=False,
    raft=RaftStatus("Leader", 7, 1, 20, 19, 21, 0, ((1, "d"),)), brokers=(), partitions=(), produces_pending=0,
)  # fmt: skip
REPORT = StatusReport(
    version="1", broker_id=1, wall_ns=2, boot_ns=1, ready=True, not_ready="", timing_preset="Default", timing=Timing(),
    flush="group", advertised={"1": "h:1"}, node=NODE, peers=(), stalls=(Stall(1, 2, 3),),
    process=ProcessReport(1, 2, 3, 4, 5, "3.11", "uvloop"),
)  # fmt: skip


class Api:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def get(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        # the path goes out as it stands: "..", too
        async with self.session.request(method, f"{self.url}{path}") as answer:
            return answer.status, await answer.read()


Open = Callable[[StatusReport], Any]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def make(report: StatusReport) -> Api:
            identity = Identity(Voter(1, "d"), "i", "c", "h:1")
            checks = PeerChecks(identity, {2: dict.fromkeys(PLANES, Address("127.0.0.1", 1))}, Resolver())
            metrics = Metrics()
            admin = AdminApi(lambda: report, checks, metrics, tmp_path)
            listener = PlaneListener(
                Plane.ADMIN,
                Address("127.0.0.1", 0),
                gate=checks.accept,
                welcome=identity.welcome,
                bytes_max=4096,
                metrics=metrics,
                http=await admin.open(),
            )
            address = await listener.open()
            stack.push_async_callback(admin.close)
            stack.push_async_callback(listener.close)
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return Api(session, f"http://{address}")

        yield make


async def test_status_is_what_the_node_says(api: Open) -> None:
    one = await api(REPORT)
    status, body = await one.get("/status")
    assert status == 200
    assert msgspec.json.decode(body, type=StatusReport) == REPORT


async def test_alive_and_ready_are_two_things(api: Open) -> None:
    one = await api(msgspec.structs.replace(REPORT, ready=False, not_ready="its lease has lapsed"))
    assert await one.get("/healthz") == (200, b'{"alive":true}')
    assert await one.get("/readyz") == (503, b'{"ready":false,"reason":"its lease has lapsed"}')
    assert (await (await api(REPORT)).get("/readyz"))[0] == 200


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"shutting_down": True}, "it is shutting down"),
        ({"broker_epoch": -1}, "it has not registered with the controller yet"),
        ({"fenced": True}, "it is fenced: "),
        ({"lease_remaining_ns": 0}, "its lease has lapsed: it has lost the controller"),
        ({"log_offline": True}, "its log is offline after a disk error, which its own log names"),
        ({"log_offline": True, "fenced": True}, "its log is offline after a disk error, which its own log names"),
    ],
)  # fmt: skip
def test_readiness(changes: dict[str, object], reason: str) -> None:
    said = why_not_ready(msgspec.structs.replace(NODE, **changes))
    assert said.startswith(reason)
    assert bool(said) is bool(reason)


async def test_metrics_are_in_the_text_format(api: Open) -> None:
    one = await api(REPORT)
    async with one.session.get(f"{one.url}/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert b"# TYPE broker_fence_events_total counter" in await answer.read()


async def test_peer_check_takes_planes_and_brokers(api: Open) -> None:
    one = await api(REPORT)
    status, body = await one.get("/peer-check?planes=Raft,Client&brokers=2", "POST")
    report = msgspec.json.decode(body, type=PeerCheckReport)
    assert status == 200
    assert [(probe.broker_id, probe.plane, probe.ok) for probe in report.probes] == [
        (2, Plane.CLIENT, False), (2, Plane.RAFT, False),
    ]  # fmt: skip
    status, body = await one.get("/peer-check?planes=Moon", "POST")
    assert status == 400
    assert "planes are Client, Raft, Replication, Admin" in json.loads(body)["error"]
    assert (await one.get("/peer-check"))[0] == 405  # it opens connections: not a GET


async def test_a_replica_can_be_read_and_nothing_else(api: Open, tmp_path: Path) -> None:
    replica = tmp_path / "topics" / "orders-0"
    replica.mkdir(parents=True)
    (replica / "00000.log").write_bytes(b"records")
    (replica / ".hidden").write_bytes(b"secret")
    (replica / "link.log").symlink_to(tmp_path / "meta.json")
    (tmp_path / "meta.json").write_bytes(b"secret")
    (tmp_path / "topics" / "meta.json").write_bytes(b"secret")
    one = await api(REPORT)
    status, body = await one.get("/replica/orders/0")
    assert status == 200
    assert json.loads(body) == [{"name": "00000.log", "bytes": 7}]
    assert await one.get("/replica/orders/0/00000.log") == (200, b"records")
    for path in (
        "/replica/orders/1",
        "/replica/orders/x",
        "/replica/orders/0/.hidden",
        "/replica/orders/0/link.log",
        "/replica/orders/0/none.log",
        "/replica/orders/0/..%2f..%2fmeta.json",
        "/replica/..%2f..%2f/0/meta.json",
        "/replica/%2e%2e/0/meta.json",
        "/replica/orders/0/%00",
    ):
        status, body = await one.get(path)
        assert status == 404, path
        assert b"secret" not in body
