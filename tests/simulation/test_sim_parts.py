"""Scheduler, streams, clock, network and trace, one behaviour each."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from skerry.worlds.sim.clock import NodeClock
from skerry.worlds.sim.network import CutMode, LinkFaults, Network
from skerry.worlds.sim.scheduler import NS_PER_MS, Scheduler
from skerry.worlds.sim.streams import Streams
from skerry.worlds.sim.trace import Trace
from skerry_broker.core.messages import Flushed
from skerry_broker.core.types import Plane


class TestScheduler:
    def test_runs_in_order_of_time_then_of_posting(self) -> None:
        scheduler, ran = Scheduler(), []
        for name, at in (("b", 5), ("c", 5), ("a", 1), ("d", 9)):
            scheduler.post(at, ran.append, name)
        assert scheduler.run(5)
        assert (ran, scheduler.now_ns) == (["a", "b", "c"], 5)
        assert scheduler.run(20)
        assert (ran[-1], scheduler.now_ns, scheduler.events) == ("d", 20, 4)

    def test_what_is_posted_for_the_past_runs_now(self) -> None:
        scheduler, at = Scheduler(), []
        scheduler.post(7, lambda _: scheduler.post(3, lambda _: at.append(scheduler.now_ns)))
        scheduler.run(10)
        assert at == [7]

    def test_stops_when_asked_or_out_of_events(self) -> None:
        scheduler, ran = Scheduler(), []
        for at in (1, 2, 3):
            scheduler.post(at, ran.append, at)
        assert not scheduler.run(10, events_max=1)
        assert (ran, scheduler.now_ns) == ([1], 1)
        scheduler.post(2, lambda _: scheduler.stop())
        assert not scheduler.run(10)
        assert ran == [1, 2]
        assert scheduler.run(10)
        assert ran == [1, 2, 3]


class TestStreams:
    def test_a_draw_in_one_stream_moves_no_other(self) -> None:
        one, two = Streams(3), Streams(3)
        one.stream("disk", 1).random()
        assert one.stream("net", 0, 1).random() == two.stream("net", 0, 1).random()
        assert Streams(4).stream("net", 0, 1).random() != Streams(3).stream("net", 0, 1).random()

    def test_the_same_name_is_the_same_stream(self) -> None:
        streams = Streams(1)
        assert streams.stream("a", 1) is streams.stream("a", 1)
        assert streams.stream("a", 1) is not streams.stream("a", 2)


class TestNodeClock:
    @pytest.mark.parametrize("drift_ppm", [0, 1, -1, 500, -20_000, 20_000])
    def test_true_is_the_first_moment_that_shows_a_local_time(self, drift_ppm: int) -> None:
        clock = NodeClock(offset_ns=777, drift_ppm=drift_ppm)
        for local_ns in (777, 778, 1_000_000, 123_456_789_123):
            true_ns = clock.true(local_ns)
            assert clock.local(true_ns) >= local_ns
            assert true_ns == 0 or clock.local(true_ns - 1) < local_ns

    def test_a_change_of_rate_bends_the_clock_and_does_not_break_it(self) -> None:
        clock = NodeClock(drift_ppm=20_000)
        before = clock.local(1_000_000)
        clock.set_drift(1_000_000, -20_000)
        assert clock.local(1_000_000) == before == 1_020_000
        assert clock.local(2_000_000) == 1_020_000 + 980_000

    def test_only_the_wall_clock_jumps(self) -> None:
        clock = NodeClock(offset_ns=5, wall_offset_ns=1000)
        local = clock.local(100)
        clock.jump_wall(-300)
        assert (clock.wall(100), clock.local(100)) == (800, local)
        assert clock.wall_minus_monotonic(100) == 800 - local


class Wire:
    """Two places on a network; ``arrived`` holds (time, source, payload)."""

    def __init__(self) -> None:
        self.scheduler = Scheduler()
        self.network = Network(self.scheduler, Streams(1))
        self.arrived: list[tuple[int, int, object]] = []
        self.network.attach(1, self.receive)
        self.network.attach(0, lambda source, payload: None)

    def receive(self, source: int, payload: object) -> None:
        self.arrived.append((self.scheduler.now_ns, source, payload))

    def send(self, *payloads: object, plane: Plane = Plane.RAFT) -> list[bool]:
        return [self.network.send(0, 1, plane, payload) for payload in payloads]

    def payloads(self) -> list[object]:
        self.scheduler.run(self.scheduler.now_ns + 10_000 * NS_PER_MS)
        return [payload for _, _, payload in self.arrived]


class TestNetwork:
    def test_a_connection_is_in_order(self) -> None:
        wire = Wire()
        wire.send(*range(200))
        assert wire.payloads() == list(range(200))

    def test_clients_use_several_connections(self) -> None:
        wire = Wire()
        wire.send(*range(200), plane=Plane.CLIENT)
        payloads = wire.payloads()
        assert sorted(payloads, key=str) == sorted(range(200), key=str)
        assert payloads != list(range(200))

    def test_a_cut_loses_one_direction_on_one_plane(self) -> None:
        wire = Wire()
        wire.network.cut(0, 1, Plane.RAFT, "f")
        assert wire.send("lost") == [True]
        wire.send("other plane", plane=Plane.REPLICATION)
        assert wire.payloads() == ["other plane"]
        assert wire.network.reachable(1, 0, Plane.RAFT)
        wire.network.heal("f")
        wire.send("back")
        assert wire.payloads()[-1] == "back"

    def test_what_is_under_way_when_the_cut_comes_is_lost_too(self) -> None:
        wire = Wire()
        wire.send("under way")
        wire.network.cut(0, 1, Plane.RAFT, "f")
        assert wire.payloads() == []

    def test_a_holding_cut_delivers_at_the_heal_in_order(self) -> None:
        wire = Wire()
        wire.network.cut(0, 1, Plane.RAFT, "f", CutMode.HOLD)
        wire.send("a", "b")
        assert wire.payloads() == []
        wire.network.heal("f")
        wire.send("c")
        assert wire.payloads() == ["a", "b", "c"]

    def test_a_rejecting_cut_tells_the_sender(self) -> None:
        wire = Wire()
        wire.network.cut(0, 1, Plane.RAFT, "f", CutMode.REJECT)
        assert wire.send("x") == [False]

    def test_a_cut_of_new_connections_leaves_the_old_one_until_it_breaks(self) -> None:
        wire = Wire()
        wire.network.cut(0, 1, Plane.RAFT, "f", CutMode.NEW_ONLY)
        wire.send("established")
        assert wire.payloads() == ["established"]
        wire.network.reset(0, 1, Plane.RAFT)
        wire.send("needs a new one")
        assert wire.payloads() == ["established"]

    def test_a_rejecting_cut_of_new_connections_tells_the_sender_of_a_new_one_only(self) -> None:
        wire = Wire()
        wire.network.cut(0, 1, Plane.RAFT, "f", CutMode.NEW_REJECT)
        assert wire.send("established") == [True]
        assert wire.payloads() == ["established"]
        assert wire.network.send(0, 1, Plane.RAFT, "opens one", new=True) is False
        wire.network.reset(0, 1, Plane.RAFT)
        assert wire.send("needs a new one") == [False]
        assert wire.payloads() == ["established"]

    def test_two_faults_on_one_link_end_one_by_one(self) -> None:
        wire = Wire()
        wire.network.cut(0, 1, Plane.RAFT, "f")
        wire.network.cut(0, 1, Plane.RAFT, "g", CutMode.HOLD)
        wire.network.heal("f")
        assert not wire.network.reachable(0, 1, Plane.RAFT)
        wire.network.heal("g")
        assert wire.network.reachable(0, 1, Plane.RAFT)

    def test_nobody_there_refuses_unless_the_whole_machine_is_gone(self) -> None:
        wire = Wire()
        wire.send("to the old process")
        wire.network.detach(1)
        assert wire.send("x") == [False]
        wire.network.detach(1, silent=True)
        assert wire.send("x") == [True]
        wire.network.attach(1, wire.receive)
        wire.send("to the new process")
        assert wire.payloads() == ["to the new process"]

    @pytest.mark.parametrize(
        ("faults", "holds"),
        [
            (LinkFaults(loss=1.0), lambda got: got == []),
            (LinkFaults(duplicate=1.0), lambda got: sorted(got) == sorted([*range(50), *range(50)])),
            (LinkFaults(reorder=0.5), lambda got: sorted(got) == list(range(50)) != got),
            (LinkFaults(retransmit=0.1), lambda got: got == list(range(50))),
            (LinkFaults(latency_ns=50 * NS_PER_MS, jitter_ns=20 * NS_PER_MS), lambda got: got == list(range(50))),
        ],
    )
    def test_faults_of_a_link(self, faults: LinkFaults, holds) -> None:  # type: ignore[no-untyped-def]  # a lambda
        wire = Wire()
        wire.network.slow(0, 1, Plane.RAFT, "f", faults)
        wire.send(*range(50))
        assert holds(wire.payloads())

    def test_a_rate_paces(self) -> None:
        wire = Wire()
        wire.network.slow(0, 1, Plane.RAFT, "f", LinkFaults(rate_kbps=256))  # 256 bytes: 8 ms each
        wire.send(*range(10))
        wire.payloads()
        assert 80 * NS_PER_MS <= wire.arrived[-1][0] <= 82 * NS_PER_MS

    def test_latency_adds_up(self) -> None:
        wire = Wire()
        wire.network.slow(0, 1, Plane.RAFT, "f", LinkFaults(latency_ns=10 * NS_PER_MS))
        wire.network.slow(0, 1, Plane.RAFT, "g", LinkFaults(latency_ns=20 * NS_PER_MS))
        wire.send("x")
        wire.payloads()
        assert 30 * NS_PER_MS <= wire.arrived[0][0] < 31 * NS_PER_MS


class TestTrace:
    def test_equal_events_give_equal_digests_and_others_do_not(self) -> None:
        def digest(*events: tuple[int, int, object]) -> str:
            trace = Trace()
            for event in events:
                trace.record(*event)
            return trace.digest()

        assert digest((1, 0, Flushed(1))) == digest((1, 0, Flushed(1)))
        assert digest((1, 0, Flushed(1))) != digest((1, 0, Flushed(2)))
        assert digest((1, 0, Flushed(1))) != digest((1, 1, Flushed(1)))
        assert digest((1, 0, Flushed(1)), (2, 0, Flushed(2))) != digest((2, 0, Flushed(2)), (1, 0, Flushed(1)))

    @pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 255, 256, 257, 1000])
    def test_hashes_many_together_as_it_would_each_alone(self, count: int) -> None:
        trace, alone = Trace(), hashlib.blake2b(digest_size=16)
        for number in range(count):
            trace.record(number, -1, Flushed(number))
            alone.update(msgspec.msgpack.encode((number, -1, Flushed(number))))
        assert trace.digest() == alone.hexdigest()

    def test_remembers_the_last_events(self) -> None:
        trace = Trace(keep=2)
        for number in range(5):
            trace.record(number, number - 1, Flushed(number))
        assert [line.split()[-1] for line in trace.last_lines()] == ["Flushed(write_id=3)", "Flushed(write_id=4)"]
