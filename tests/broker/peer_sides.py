"""Two brokers without a node, on real loopback sockets: listeners, transport, pings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from skerry_broker.config import PLANES, Address
from skerry_broker.core.peer_messages import PeerMessage
from skerry_broker.core.types import Plane, Voter
from skerry_broker.dialing import Resolver
from skerry_broker.frames import FrameConnection, Session
from skerry_broker.listener import PlaneListener
from skerry_broker.metrics import Metrics
from skerry_broker.peer_checks import PeerChecks
from skerry_broker.transport import Identity, PeerTransport
from skerry_broker.wire import PREFACE, Hello, Purpose, control_frame

ANY = Address("127.0.0.1", 0)


class Side:
    """One broker's listeners, transport and pings, without a node: messages are collected."""

    def __init__(self, broker_id: int, cluster_id: str | None = "c") -> None:
        self.identity = Identity(Voter(broker_id, f"d{broker_id}"), f"i{broker_id}", cluster_id, f"host{broker_id}:9")
        self.metrics = Metrics()
        self.messages: list[tuple[Voter, PeerMessage]] = []
        self.refused: list[tuple[int, Plane]] = []
        self.listeners: dict[Plane, PlaneListener] = {}
        self.arrived = asyncio.Event()

    @property
    def addresses(self) -> dict[Plane, Address]:
        return {plane: listener.address for plane, listener in self.listeners.items()}

    async def listen(self) -> None:
        for plane in PLANES:
            self.listeners[plane] = PlaneListener(
                plane, ANY, gate=self._gate, welcome=self.identity.welcome, bytes_max=1 << 20, metrics=self.metrics
            )
            await self.listeners[plane].open()

    def connect(self, peers: dict[int, dict[Plane, Address]], stall_s: float = 5.0) -> None:
        self.transport = PeerTransport(
            self.identity,
            peers,
            on_message=self._on_message,
            on_refused=lambda peer, plane: self.refused.append((peer, plane)),
            metrics=self.metrics,
            resolver=Resolver(),
            stall_s=stall_s,
        )
        self.checks = PeerChecks(self.identity, peers, Resolver())

    def counted(self, text: str) -> float:
        for line in self.metrics.render().decode().splitlines():
            if line.startswith(text):
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError(f"no metric {text}")

    async def close(self) -> None:
        await self.transport.stop()
        await self.checks.stop()
        for listener in self.listeners.values():
            await listener.close()

    def _on_message(self, source: Voter, message: PeerMessage) -> None:
        self.messages.append((source, message))
        self.arrived.set()

    def _gate(self, hello: Hello, connection: FrameConnection) -> Session | str:
        if hello.purpose is Purpose.MESSAGES:
            return self.transport.accept(hello, connection)
        return self.checks.accept(hello, connection)


async def until(condition: Callable[[], object]) -> None:
    """Give the sockets their turn until ``condition``; the test's own time limit ends what never comes."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # the condition is about two kernels' sockets: nothing to wait on
            await asyncio.sleep(0.005)


Pair = Callable[..., Coroutine[object, object, tuple[Side, Side]]]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:

        async def make(cluster_1: str | None = "c", cluster_2: str | None = "c") -> tuple[Side, Side]:
            one, two = Side(1, cluster_1), Side(2, cluster_2)
            for side in (one, two):
                await side.listen()
            for side, peer in ((one, two), (two, one)):
                side.connect({peer.identity.voter.broker_id: peer.addresses})
                side.transport.start()
                stack.push_async_callback(side.close)
            return one, two

        yield make


async def raw(address: Address, *data: bytes) -> bytes:
    """What comes back from a connection that writes ``data``, until the other side closes it."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        for one in data:
            writer.write(one)
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def hello(plane: Plane = Plane.RAFT, **changes: object) -> bytes:
    fields: dict[str, object] = {
        "protocol": 1,
        "purpose": Purpose.MESSAGES,
        "plane": plane,
        "cluster_id": "c",
        "broker_id": 2,
        "directory_id": "d2",
        "incarnation": "i2",
        "connection": 1,
    }
    return PREFACE + bytes(control_frame(Hello(**(fields | changes))))  # type: ignore[arg-type]  # fields of Hello


@asynccontextmanager
async def black_hole() -> AsyncIterator[tuple[Address, list[asyncio.StreamWriter]]]:
    """Accepts and takes everything, and never answers: a proxy whose cut holds the bytes."""
    accepted: list[asyncio.StreamWriter] = []

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    yield Address("127.0.0.1", server.sockets[0].getsockname()[1]), accepted
    server.close()
    for writer in accepted:
        writer.close()
    await server.wait_closed()
