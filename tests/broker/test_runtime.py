"""The driver's contract, with a scripted node, a disk that only takes notes, and a loop whose time is set by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from skerry_broker.batch import check_batch
from skerry_broker.core.api import (
    ErrorCode,
    ErrorResponse,
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
)
from skerry_broker.core.intake import Intake, IntakeLimits
from skerry_broker.core.messages import (
    AppendLog,
    DiskFailed,
    Effect,
    Event,
    Fact,
    Flushed,
    FormatDisk,
    LogRead,
    PeerRefused,
    SaveRaft,
    Send,
    ServeClient,
    ServeOffsets,
    ServePeer,
    ShutdownRequested,
    StopNode,
    Tick,
    WallClock,
)
from skerry_broker.core.peer_messages import FetchedPartition, ReplicaFetched, TimeoutNow
from skerry_broker.core.types import Batch, Plane, TopicPartition
from skerry_broker.gateway import Gateway
from skerry_broker.metrics import Metrics
from skerry_broker.runtime import Runtime
from skerry_broker.storage import StorageOffline

MS = 1_000_000
T0 = TopicPartition("orders", 0)
BATCH = Batch(0, 0, 1, b"bytes")


class HandLoop:
    """An event loop's timers, run by hand."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.timers: list[HandTimer] = []

    def create_future(self) -> asyncio.Future[Any]:
        return self.loop.create_future()

    def call_later(self, delay_s: float, callback: Callable[..., None], *arguments: object) -> HandTimer:
        timer = HandTimer(delay_s, callback, arguments)
        self.timers.append(timer)
        return timer

    def call_soon_threadsafe(self, callback: Callable[..., None], *arguments: object) -> None:
        callback(*arguments)

    def pending(self, name: str) -> list[HandTimer]:
        return [one for one in self.timers if not one.done and one.callback.__name__ == name]

    def fire(self, name: str) -> None:
        (timer,) = self.pending(name)
        timer.done = True
        timer.callback(*timer.arguments)


class HandTimer:
    def __init__(self, delay_s: float, callback: Callable[..., None], arguments: tuple[object, ...]) -> None:
        self.delay_s = delay_s
        self.callback = callback
        self.arguments = arguments
        self.done = False

    def cancel(self) -> None:
        self.done = True


class HandClock:
    def __init__(self) -> None:
        self.now = 1_000 * MS
        self.offset = 5_000 * MS
        self.waits_ns = 0
        """How long the process waits for its turn before it reads the wall clock."""

    def boot_ns(self) -> int:
        return self.now

    def wall_ns(self) -> int:
        self.now += self.waits_ns
        return self.now + self.offset


class ScriptedNode:
    """Answers each event with what the script says for its type; a function is called with the runtime."""

    def __init__(self) -> None:
        self.script: dict[type, list[Effect] | Exception] = {}
        self.seen: list[tuple[int, Event]] = []
        self.next_deadline = 10**18
        self.during: Callable[[Event], None] | None = None

    def step(self, now: int, event: Event) -> list[Effect]:
        self.seen.append((now, event))
        if self.during is not None:
            self.during(event)
        answer = self.script.get(type(event), [])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def status(self, now: int) -> Any:
        raise AssertionError("nobody asks here")

    @property
    def events(self) -> list[Event]:
        return [event for _, event in self.seen if not isinstance(event, WallClock)]


class World:
    """Everything around the runtime; ``log`` is what was carried out, in order."""

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []
        self.offline = False
        self.loop = HandLoop()
        self.clock = HandClock()
        self.node = ScriptedNode()
        self.metrics = Metrics()
        self.runtime = Runtime(self.node, self, self.metrics, self.clock, self.loop)  # type: ignore[arg-type]  # a hand loop
        intake = Intake(IntakeLimits(10, 1 << 20), check_batch)
        self.gateway = Gateway(self.runtime.deliver, self.metrics, intake)
        self.beats: list[bool] = []
        self.runtime.attach(self, self.gateway, [self.beats.append])

    # the disk

    def perform(self, effect: object) -> None:
        self.log.append(("disk", effect))

    def read(self, read: LogRead) -> tuple[Batch, ...]:
        if self.offline:
            raise StorageOffline("the log of orders-0 is offline")
        self.log.append(("read", read))
        return (BATCH,)

    def offset_at_time(self, partition: TopicPartition, at_wall_ms: int) -> int | None:
        return at_wall_ms // 10

    def retention(self, now_wall_ms: int, limits: object) -> list[tuple[TopicPartition, int]]:
        return []

    # the peers

    def send(self, destination: int, message: object) -> None:
        self.log.append(("send", destination, message))

    def set_cluster_id(self, cluster_id: str) -> None:
        self.log.append(("cluster", cluster_id))


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.runtime.halt()
    world.loop.loop.close()


def test_effects_are_carried_out_in_order(world: World) -> None:
    save, append = SaveRaft(1), AppendLog(2, T0, (BATCH,))
    world.node.script[Tick] = [save, Send(2, TimeoutNow(1)), FormatDisk(3, "c"), append]
    world.runtime.deliver(Tick())
    assert world.log == [
        ("disk", save), ("send", 2, TimeoutNow(1)), ("disk", FormatDisk(3, "c")), ("cluster", "c"), ("disk", append),
    ]  # fmt: skip


def test_an_event_caused_by_an_effect_waits_for_the_rest_of_the_effects(world: World) -> None:
    world.node.script[Tick] = [Send(2, TimeoutNow(1)), Send(3, TimeoutNow(1))]
    world.node.script[PeerRefused] = [Send(4, TimeoutNow(1))]

    def refuse_at_once(event: Event) -> None:
        if isinstance(event, Tick):
            world.runtime.deliver(PeerRefused(2, Plane.RAFT))

    world.node.during = refuse_at_once
    world.runtime.deliver(Tick())
    assert [entry[1] for entry in world.log] == [2, 3, 4]


def test_a_late_timer_lets_the_sockets_be_read_first(world: World) -> None:
    world.node.next_deadline = world.clock.now + 50 * MS
    world.runtime.deliver(Flushed(1))
    world.clock.now += 5_000 * MS  # the process stood still; a heartbeat lies in the socket
    world.loop.fire("_on_timer")
    assert world.node.events == [Flushed(1)]
    world.runtime.deliver(PeerRefused(2, Plane.RAFT))
    world.loop.fire("_on_timer")
    assert world.node.events == [Flushed(1), PeerRefused(2, Plane.RAFT), Tick()]


def test_a_timer_in_time_ticks_at_once_and_never_early(world: World) -> None:
    world.node.next_deadline = world.clock.now + 50 * MS
    world.runtime.deliver(Flushed(1))
    assert world.loop.pending("_on_timer")[0].delay_s == pytest.approx(0.05)
    world.node.next_deadline += 100 * MS  # heard something: the deadline moves away, the timer stays
    world.runtime.deliver(Flushed(2))
    world.clock.now += 50 * MS
    world.loop.fire("_on_timer")
    assert world.node.events == [Flushed(1), Flushed(2)]
    assert world.loop.pending("_on_timer")[0].delay_s == pytest.approx(0.1)
    world.clock.now += 100 * MS
    world.loop.fire("_on_timer")
    assert world.node.events[-1] == Tick()


def test_an_earlier_deadline_moves_the_timer(world: World) -> None:
    world.node.next_deadline = world.clock.now + 500 * MS
    world.runtime.deliver(Flushed(1))
    world.node.next_deadline = world.clock.now + 20 * MS
    world.runtime.deliver(Flushed(2))
    assert [one.delay_s for one in world.loop.pending("_on_timer")] == [pytest.approx(0.02)]


def test_the_disk_thread_reports_through_the_loop(world: World) -> None:
    world.runtime.flushed(7)
    world.runtime.disk_failed(True, "no space")
    assert world.node.events == [Flushed(7), DiskFailed(True, "no space")]


def test_a_fetch_is_answered_with_what_the_disk_holds(world: World) -> None:
    read = LogRead(T0, 0, 5, 100)
    answers: list[object] = []
    request_id = world.gateway.submit(FetchRequest("orders", 0, 0), answers.append)
    world.node.script[Tick] = [ServeClient(request_id, FetchResponse(5, 0, 1, 1), read)]
    world.runtime.deliver(Tick())
    assert answers == [FetchResponse(5, 0, 1, 1, (BATCH,))]


def test_a_fetch_from_a_log_that_is_offline_is_refused(world: World) -> None:
    world.offline = True
    answers: list[object] = []
    request_id = world.gateway.submit(FetchRequest("orders", 0, 0), answers.append)
    part = FetchedPartition(T0, 1, ErrorCode.NONE, 5, 0, 5)
    read = LogRead(T0, 0, 5, 100)
    world.node.script[Tick] = [
        ServeClient(request_id, FetchResponse(5, 0, 1, 1), read),
        ServePeer(2, ReplicaFetched(1, (part,)), (read,)),
    ]
    world.runtime.deliver(Tick())
    assert answers == [ErrorResponse(ErrorCode.LOG_OFFLINE, "the log of orders-0 is offline")]
    assert world.log == []


def test_a_peer_gets_the_batches_of_its_partitions(world: World) -> None:
    part = FetchedPartition(T0, 1, ErrorCode.NONE, 5, 0, 5)
    world.node.script[Tick] = [ServePeer(2, ReplicaFetched(1, (part, part)), (LogRead(T0, 0, 5, 100), None))]
    world.runtime.deliver(Tick())
    _, destination, message = world.log[-1]
    assert destination == 2
    assert isinstance(message, ReplicaFetched)
    assert [one.batches for one in message.partitions] == [(BATCH,), ()]


@pytest.mark.parametrize(("at_wall_ms", "offset"), [(30, 3), (70, None), (0, 2)])  # committed: 2 to 4
def test_the_offset_of_a_time_is_a_committed_one(world: World, at_wall_ms: int, offset: int | None) -> None:
    answers: list[object] = []
    request_id = world.gateway.submit(ListOffsetsRequest("orders", 0, at_wall_ms), answers.append)
    world.node.script[Tick] = [ServeOffsets(request_id, ListOffsetsResponse(2, 5, 1, 1), T0, at_wall_ms)]
    world.runtime.deliver(Tick())
    assert answers == [ListOffsetsResponse(2, 5, 1, 1, offset)]


def test_nothing_is_carried_out_after_the_node_stopped(world: World) -> None:
    world.node.script[ShutdownRequested] = [Send(2, TimeoutNow(1)), StopNode("shut down", 5)]
    world.node.script[Tick] = [Send(3, TimeoutNow(1))]
    world.runtime.request_shutdown()
    world.runtime.deliver(Tick())
    assert world.runtime.stopped.result() == StopNode("shut down", 5)
    assert [entry[1] for entry in world.log] == [2]


def test_a_bug_in_the_node_stops_the_process(world: World) -> None:
    world.node.script[Tick] = RuntimeError("invariant 3 does not hold")
    world.runtime.deliver(Tick())
    world.runtime.deliver(Flushed(1))
    assert isinstance(world.runtime.stopped.exception(), RuntimeError)
    assert world.node.events == [Tick()]


def test_facts_become_metrics_and_wrong_ones_do_no_harm(world: World) -> None:
    world.node.script[Tick] = [Fact("broker_isr_expands_total"), Fact("broker_typo_total")]
    world.runtime.deliver(Tick())
    assert b"broker_isr_expands_total 1.0" in world.metrics.render()
    assert world.metrics.unknown_facts == {"broker_typo_total()"}


def test_a_stall_is_listed_counted_and_told_to_the_beats(world: World) -> None:
    world.runtime.start()
    world.clock.now += 100 * MS
    world.loop.fire("_beat")
    assert (world.beats, list(world.runtime.stalls)) == ([False], [])
    world.clock.now += 1_100 * MS
    world.loop.fire("_beat")
    assert world.beats == [False, True]
    (stall,) = world.runtime.stalls
    assert stall.duration_ns == 1_000 * MS
    assert stall.ended_boot_ns == world.clock.now
    assert stall.ended_wall_ns == world.clock.wall_ns()
    text = world.metrics.render()
    assert b"broker_event_loop_stalls_total 1.0" in text
    assert b'broker_event_loop_lag_seconds_bucket{le="0.5"} 1.0' in text
    assert b"broker_event_loop_lag_seconds_count 2.0" in text


def test_the_wall_clock_is_told_at_the_start_and_when_it_jumps(world: World) -> None:
    world.runtime.start()
    world.loop.fire("_beat")
    world.clock.offset -= 3_600_000 * MS  # an hour back
    world.loop.fire("_beat")
    told = [event.offset_ns for _, event in world.node.seen if isinstance(event, WallClock)]
    assert told == [5_000 * MS, 5_000 * MS - 3_600_000 * MS]


def test_a_process_that_waited_for_its_turn_does_not_date_everything_too_late(world: World) -> None:
    """Found as a rare Inconclusive: an ISR was stamped whole 30 ms after it had been seen whole."""
    world.runtime.start()
    world.clock.waits_ns = 30 * MS
    world.loop.fire("_beat")
    assert [event.offset_ns for _, event in world.node.seen if isinstance(event, WallClock)] == [world.clock.offset]


def test_writes_are_measured_from_queue_to_durable(world: World) -> None:
    world.node.script[Tick] = [SaveRaft(1), AppendLog(2, T0, (BATCH,))]
    world.runtime.deliver(Tick())
    world.runtime.flushed(1)
    assert b"broker_raft_fsync_seconds_count 1.0" in world.metrics.render()
    assert b"broker_disk_fsync_seconds_count 0.0" in world.metrics.render()
    world.runtime.flushed(2)
    assert b"broker_disk_fsync_seconds_count 1.0" in world.metrics.render()
