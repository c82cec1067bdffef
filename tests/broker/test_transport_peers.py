"""Peer connections and pings on real loopback sockets: who is heard, who is refused, what a dead path looks like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from skerry_broker.config import PLANES, Address
from skerry_broker.core.peer_messages import (
    AppendRequest,
    Identify,
    PeerMessage,
    ReplicaProgress,
    TimeoutNow,
    VoteReply,
)
from skerry_broker.core.types import Plane, Voter
from skerry_broker.dialing import Resolver
from skerry_broker.errors import PortInUse
from skerry_broker.frames import FrameConnection, Session
from skerry_broker.listener import PlaneListener
from skerry_broker.metrics import Metrics
from skerry_broker.peer_checks import PeerChecks
from skerry_broker.transport import WAITING_MAX, Identity, PeerTransport
from skerry_broker.wire import (
    PREFACE,
    Hello,
    Ping,
    Purpose,
    control_frame,
    peer_frame,
)

ANY = Address("127.0.0.1", 0)
NOBODY = Address("127.0.0.1", 1)


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


async def test_messages_arrive_in_order_with_their_sender(pair: Pair) -> None:
    one, two = await pair()
    for term in range(20):
        one.transport.send(2, TimeoutNow(term))
    one.transport.send(2, ReplicaProgress(1, ()))
    await until(lambda: len(two.messages) == 21)
    raft = [message for _, message in two.messages if isinstance(message, TimeoutNow)]
    assert raft == [TimeoutNow(term) for term in range(20)]
    assert {source for source, _ in two.messages} == {Voter(1, "d1")}
    assert one.messages == []


async def test_each_learns_where_clients_find_the_other(pair: Pair) -> None:
    one, two = await pair()
    await until(lambda: 2 in one.identity.advertised and 1 in two.identity.advertised)
    assert one.identity.advertised == {1: "host1:9", 2: "host2:9"}


async def test_a_peer_that_is_gone_is_refused_and_found_again(pair: Pair) -> None:
    one, two = await pair()
    one.transport.send(2, TimeoutNow(1))
    await until(lambda: two.messages)
    address = two.listeners[Plane.RAFT].address
    await two.listeners[Plane.RAFT].close()
    await until(lambda: (2, Plane.RAFT) in one.refused)
    two.listeners[Plane.RAFT].address = address
    await two.listeners[Plane.RAFT].open()
    before = len(two.messages)

    def sent_again() -> bool:
        one.transport.send(2, TimeoutNow(2))
        return len(two.messages) > before

    await until(sent_again)


async def test_what_waits_for_a_connection_is_bounded(pair: Pair) -> None:
    side = Side(1)
    side.connect({2: dict.fromkeys(PLANES, NOBODY)})
    for term in range(WAITING_MAX + 5):
        side.transport.send(2, TimeoutNow(term))
    assert side.counted('broker_peer_messages_dropped_total{plane="Raft"}') == 5
    side.transport.start()
    await until(lambda: side.refused)
    assert side.counted('broker_peer_messages_dropped_total{plane="Raft"}') == WAITING_MAX + 5
    side.transport.send(9, TimeoutNow(1))  # nobody of that name: no error
    await side.close()


async def test_brokers_of_two_clusters_do_not_listen_to_each_other(pair: Pair) -> None:
    one, two = await pair("ours", "theirs")
    one.transport.send(2, TimeoutNow(1))
    await until(lambda: two.counted('broker_connections_refused_total{plane="Raft",reason="handshake"}') >= 1)
    assert two.messages == []
    answer = await raw(two.addresses[Plane.RAFT], hello(cluster_id="ours", broker_id=7))
    assert b"belongs to cluster theirs, not to ours" in answer


async def test_an_unformatted_broker_is_heard_until_it_belongs_elsewhere(pair: Pair) -> None:
    one, two = await pair(None, "c")
    one.transport.send(2, Identify(None))
    await until(lambda: two.messages)
    one.transport.set_cluster_id("other")
    await until(lambda: two.counted('broker_connections_refused_total{plane="Raft",reason="handshake"}') >= 1)


async def test_who_belongs_to_no_cluster_can_only_ask_and_say_who_it_is(pair: Pair) -> None:
    """Else anybody who reaches the port leads the cluster, in a term of his choice."""
    one, two = await pair(None, "c")
    one.transport.send(2, AppendRequest(7, 0, 0, 0, 1))
    await until(lambda: two.counted('broker_connections_refused_total{plane="Raft",reason="garbage"}') >= 1)
    assert two.messages == []
    two.transport.send(1, AppendRequest(7, 0, 0, 0, 1))  # the other way round it is the new broker that cannot know
    await until(lambda: one.messages)


async def test_what_a_hello_says_of_addresses_is_not_passed_on_to_clients(pair: Pair) -> None:
    one, _ = await pair()
    await until(lambda: 2 in one.identity.advertised)
    for purpose, plane in ((Purpose.MESSAGES, Plane.RAFT), (Purpose.PINGS, Plane.CLIENT), (Purpose.PROBE, Plane.ADMIN)):
        for broker_id in (2, 3, 4):
            lie = hello(plane, purpose=purpose, broker_id=broker_id, advertised="elsewhere:1", connection=1 << 40)
            _, writer = await asyncio.open_connection(*one.addresses[plane])
            writer.write(lie + bytes(control_frame(Ping(1))))
            await writer.drain()
            writer.close()
    _, writer = await asyncio.open_connection(*one.addresses[Plane.CLIENT])
    writer.write(hello(Plane.CLIENT, purpose=Purpose.PINGS, broker_id=9, advertised="elsewhere:1"))
    await writer.drain()
    await until(lambda: True)
    assert one.identity.advertised == {1: "host1:9", 2: "host2:9"}
    writer.close()


GARBAGE = {
    "a web browser": (b"GET / HTTP/1.1\r\n\r\n", "garbage"),
    "noise": (bytes(range(1, 250)), "garbage"),
    "a wrong preface": (b"\x00SKERRY\x02", "garbage"),
    "noise after the preface": (PREFACE + b"\xff" * 40, "garbage"),
    "no hello": (PREFACE + bytes(control_frame(Ping(1))), "garbage"),
    "a message as hello": (PREFACE + bytes(peer_frame(TimeoutNow(1))), "garbage"),
    "noise after the hello": (hello() + b"\xff" * 40, "garbage"),
    "a huge length": (hello() + b"\x7f\xff\xff\xff\x00\x00\x00\x00" + b"\x2c\x94\x8d\x86", "garbage"),
    "a ping among messages": (hello() + bytes(control_frame(Ping(1))), "garbage"),
    "a message of the other plane": (hello() + bytes(peer_frame(ReplicaProgress(1, ()))), "garbage"),
    "another protocol": (hello(protocol=9), "handshake"),
    "another plane": (hello(Plane.REPLICATION), "handshake"),
    "oneself": (hello(broker_id=1), "handshake"),
    "a client": (hello(broker_id=-1), "handshake"),
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_closes_its_connection_is_counted_and_nothing_else(pair: Pair, name: str) -> None:
    data, reason = GARBAGE[name]
    one, two = await pair()
    await raw(one.addresses[Plane.RAFT], data)
    assert one.counted(f'broker_connections_refused_total{{plane="Raft",reason="{reason}"}}') == 1
    assert one.messages == []
    two.transport.send(1, VoteReply(3, True, False))
    await until(lambda: one.messages)  # and the real peer is heard
    assert one.messages == [(Voter(2, "d2"), VoteReply(3, True, False))]


async def test_garbage_on_every_plane(pair: Pair) -> None:
    one, _ = await pair()
    for plane in PLANES:
        await raw(one.addresses[plane], b"\x16\x03\x01 this is TLS, perhaps")
        assert one.counted(f'broker_connections_refused_total{{plane="{plane.value}",reason="garbage"}}') == 1


async def test_an_older_connection_of_the_same_process_does_not_speak_again() -> None:
    side = Side(1)
    await side.listen()
    side.connect({})
    address = side.addresses[Plane.RAFT]
    _, newer = await asyncio.open_connection(*address)
    newer.write(hello(connection=5) + bytes(peer_frame(TimeoutNow(5))))
    await until(lambda: side.messages)
    answer = await raw(address, hello(connection=4), bytes(peer_frame(TimeoutNow(4))))
    assert b"a newer connection" in answer
    _, next_process = await asyncio.open_connection(*address)
    next_process.write(hello(connection=1, incarnation="i2b") + bytes(peer_frame(TimeoutNow(6))))
    await until(lambda: len(side.messages) == 2)
    assert [message for _, message in side.messages] == [TimeoutNow(5), TimeoutNow(6)]
    newer.close()
    next_process.close()
    await side.close()


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


async def test_a_path_that_takes_bytes_and_delivers_none_is_replaced() -> None:
    async with black_hole() as (address, accepted):
        side = Side(1)
        side.connect({2: dict.fromkeys(PLANES, address)}, stall_s=0.0)
        side.transport.start()
        await until(lambda: len(accepted) == 2)  # raft and replication
        side.transport.beat()
        assert all(link.dialer.connection is not None for link in side.transport._links.values())  # idle is not dead

        def beaten() -> bool:
            side.transport.send(2, TimeoutNow(1))
            side.transport.beat()
            return len(accepted) >= 3

        await until(beaten)
        assert side.refused == []  # silent is not gone
        await side.close()


async def test_a_taken_message_keeps_the_path(pair: Pair) -> None:
    one, two = await pair()
    one.transport.stall_s = 0.0
    link = one.transport._links[2, Plane.RAFT]

    def taken() -> bool:
        two.transport.beat()
        return len(two.messages) == term + 1 and link._taken == link._sent

    for term in range(10):
        one.transport.send(2, TimeoutNow(term))
        await until(taken)
        one.transport.beat()
    assert two.counted('broker_connections_refused_total{plane="Raft",reason="handshake"}') == 0
    assert len(two.messages) == 10
    assert link.dialer.opened == 1


# --- pings


async def test_kept_connections_are_pinged_and_both_ends_count(pair: Pair) -> None:
    one, two = await pair()
    for side in (one, two):
        side.checks.start()

    def beaten() -> bool:
        one.checks.beat()
        two.checks.beat()
        return all(check.kept.pongs > 2 and check.received.count > 2 for check in one.checks.report())

    await until(beaten)
    report = one.checks.report()
    assert [(check.broker_id, check.plane) for check in report] == [(2, plane) for plane in PLANES]
    for check in report:
        assert check.kept.opened == 1
        assert check.kept.error == ""
        assert check.kept.connected_wall_ns is not None
        assert check.kept.rtt_ns is not None
        assert 0 < check.kept.rtt_ns <= 300_000_000
        assert check.received.number >= check.received.count


async def test_looked_at_closely_kept_connections_are_pinged_without_a_beat(pair: Pair) -> None:
    one, _ = await pair()
    one.checks.start()
    one.checks.look_closely()
    await until(lambda: all(check.kept.pongs > 2 for check in one.checks.report()))
    await one.checks.stop()
    one.checks.look_closely()  # a broker that is stopping is asked once more
    await one.checks.stop()


async def test_a_new_connection_is_opened_on_request(pair: Pair) -> None:
    one, two = await pair()
    report = await one.checks.probe()
    assert [(probe.plane, probe.ok, probe.error) for probe in report.probes] == [(plane, True, "") for plane in PLANES]
    assert all(probe.rtt_ns is not None and 0 < probe.rtt_ns < 300_000_000 for probe in report.probes)
    assert report.begun_boot_ns < report.ended_boot_ns
    await two.listeners[Plane.RAFT].close()
    report = await one.checks.probe([Plane.RAFT, Plane.ADMIN])
    assert [(probe.plane, probe.ok) for probe in report.probes] == [(Plane.RAFT, False), (Plane.ADMIN, True)]
    assert report.probes[0].error == "Connection refused"
    assert (await one.checks.probe(brokers={9})).probes == ()


async def test_a_probe_counts_an_answer_not_an_accept() -> None:
    async with black_hole() as (address, _):
        side = Side(1)
        side.connect({2: dict.fromkeys(PLANES, address)})
        report = await side.checks.probe([Plane.CLIENT])
        assert [(probe.ok, probe.rtt_ns, probe.error) for probe in report.probes] == [
            (False, None, "no answer within 300 ms")
        ]
        await side.close()


async def test_pings_into_a_black_hole_are_lost_ones() -> None:
    async with black_hole() as (address, accepted):
        side = Side(1)
        side.connect({2: dict.fromkeys(PLANES, address)})
        side.checks.start()
        await until(lambda: len(accepted) == len(PLANES))
        for _ in range(5):
            side.checks.beat()
        first = side.checks.report()[0]
        assert (first.kept.pongs, first.kept.rtt_ns) == (0, None)
        assert first.kept.pings >= 5
        assert first.kept.unanswered_ns is not None
        assert 0 < first.kept.unanswered_ns <= first.kept.silent_ns
        assert first.received.silent_ns is None
        await side.close()


async def test_the_wrong_broker_at_an_address_is_no_answer(pair: Pair) -> None:
    _, two = await pair()
    side = Side(5)
    side.connect({3: two.addresses})
    report = await side.checks.probe([Plane.RAFT])
    assert report.probes[0].error == "broker 2 answers at the address of broker 3"
    await side.close()


async def test_a_port_in_use_is_one_clear_sentence(pair: Pair) -> None:
    one, _ = await pair()
    taken = one.addresses[Plane.RAFT]
    listener = PlaneListener(
        Plane.RAFT, taken, gate=one._gate, welcome=one.identity.welcome, bytes_max=1, metrics=one.metrics
    )
    with pytest.raises(PortInUse) as raised:
        await listener.open()
    assert f"cannot listen on {taken} (" in str(raised.value)
    assert str(raised.value).endswith("free that port or choose another with --listen")


async def test_too_many_connections_are_refused(pair: Pair) -> None:
    one, _ = await pair()
    listener = one.listeners[Plane.ADMIN]
    listener.connections_max = 1
    _, first = await asyncio.open_connection(*listener.address)
    await until(lambda: listener.open_connections == 1)
    assert await raw(listener.address) == b""
    assert one.counted('broker_connections_refused_total{plane="Admin",reason="limit"}') == 1
    first.close()
    await until(lambda: listener.open_connections == 0)
