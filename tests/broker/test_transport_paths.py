"""What garbage does to a connection, and what a dead path looks like."""

from __future__ import annotations

import asyncio

import pytest
from peer_sides import Pair, Side, black_hole, hello, raw, until

from skerry_broker.config import PLANES
from skerry_broker.core.peer_messages import ReplicaProgress, TimeoutNow, VoteReply
from skerry_broker.core.types import Plane, Voter
from skerry_broker.errors import PortInUse
from skerry_broker.listener import PlaneListener
from skerry_broker.wire import PREFACE, Ping, control_frame, peer_frame

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
