"""Pings on kept and on new connections, on real loopback sockets."""

from __future__ import annotations

from peer_sides import Pair, Side, black_hole, until

from skerry_broker.config import PLANES
from skerry_broker.core.types import Plane


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
