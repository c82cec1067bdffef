"""Peer connections on real loopback sockets: who is heard, who is refused."""

from __future__ import annotations

import asyncio

from peer_sides import Pair, Side, hello, raw, until

from skerry_broker.config import PLANES, Address
from skerry_broker.core.peer_messages import AppendRequest, Identify, ReplicaProgress, TimeoutNow
from skerry_broker.core.types import Plane, Voter
from skerry_broker.transport import WAITING_MAX
from skerry_broker.wire import Ping, Purpose, control_frame

NOBODY = Address("127.0.0.1", 1)


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
