"""The only event loop of a node: events in, ``node.step``, effects carried out in order.

**Order.** Events are handled one at a time; one that is caused while another is being handled waits its turn. The
effects of a step are carried out, in their order, before the next event is looked at. Nothing here waits: disk effects
are queued to the storage, whose thread reports ``Flushed`` back through the loop; a ``Send`` or ``Reply`` exists only
after the write that it depends on was reported durable, so it is carried out at once.

**Time** is CLOCK_BOOTTIME: it goes on while the machine sleeps, as the clocks of the other brokers do. When a timer
runs late, because the process was stopped or starved, what lies in the sockets is read first (`LATE_NS`): a peer must
not be called silent because *we* did not listen. Leases need no such care: the core checks them inside each answer.

**Failure.** A disk error is an event, and the node decides. An exception in the node, or an effect that cannot be
carried out, is a bug: the process stops at once, without a clean mark, and says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import msgspec

from skerry_broker.clocks import Clock, SystemClock
from skerry_broker.core.api import ErrorCode, ErrorResponse
from skerry_broker.core.messages import (
    AppendLog,
    DiskEffect,
    DiskFailed,
    Effect,
    Event,
    Fact,
    Flushed,
    FormatDisk,
    LogRead,
    LogStartAdvanced,
    Reply,
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
from skerry_broker.core.peer_messages import PeerMessage
from skerry_broker.core.status import NodeStatus
from skerry_broker.core.types import Batch, TopicPartition
from skerry_broker.gateway import Gateway
from skerry_broker.metrics import Metrics
from skerry_broker.status_report import Stall
from skerry_broker.storage import StorageOffline

log = logging.getLogger("skerry_broker.runtime")

BEAT_S = 0.1
LATE_NS = 30_000_000
STALL_NS = 200_000_000
STALLS_KEPT = 64
WALL_STEP_NS = 1_000_000
FLUSH_METRIC: dict[type, str] = {SaveRaft: "broker_raft_fsync_seconds", AppendLog: "broker_disk_fsync_seconds"}


class Node(Protocol):
    """`core.node.Node`, as far as its driver knows it."""

    def step(self, now: int, event: Event) -> list[Effect]: ...

    @property
    def next_deadline(self) -> int: ...

    def status(self, now: int) -> NodeStatus: ...


class Disk(Protocol):
    """`storage.Storage`, as far as the driver knows it."""

    def perform(self, effect: DiskEffect) -> None: ...

    def read(self, read: LogRead) -> tuple[Batch, ...]: ...

    def offset_at_time(self, partition: TopicPartition, at_wall_ms: int) -> int | None: ...

    def retention(
        self, now_wall_ms: int, limits: Callable[[TopicPartition], tuple[int, int]]
    ) -> list[tuple[TopicPartition, int]]: ...


class Peers(Protocol):
    """`transport.PeerTransport`, as far as the driver knows it."""

    def send(self, destination: int, message: PeerMessage) -> None: ...

    def set_cluster_id(self, cluster_id: str) -> None: ...


class Runtime:
    """Drives one node. `attach` closes the circle, because transport and gateway deliver into it.

    ``stopped`` resolves with the StopNode, or the exception of a bug; nothing is carried out after it.
    """

    def __init__(
        self,
        node: Node,
        disk: Disk,
        metrics: Metrics,
        clock: Clock | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.node = node
        self.disk = disk
        self.metrics = metrics
        self.clock = clock or SystemClock()
        self.stalls: deque[Stall] = deque(maxlen=STALLS_KEPT)
        self._loop = loop or asyncio.get_running_loop()
        self.stopped: asyncio.Future[StopNode] = self._loop.create_future()
        self.shutdown_requested = False
        self.disk_error = ""
        self._peers: Peers | None = None
        self._gateway: Gateway | None = None
        self._beats: list[Callable[[bool], None]] = []
        self._events: deque[Event] = deque()
        self._draining = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._beat_due_ns = 0
        self._beat_timer: asyncio.TimerHandle | None = None
        self._wall_offset_ns = 0
        self._writes: deque[tuple[int, float, str]] = deque()
        """Not yet durable: (write id, when it was queued, metric), in order of write ids."""
        self._retention_every_ns = 0
        self._retention_due_ns = 0

    def attach(self, peers: Peers, gateway: Gateway, beats: list[Callable[[bool], None]]) -> None:
        """``beats`` are called every 100 ms with whether this process itself stood still."""
        self._peers = peers
        self._gateway = gateway
        self._beats = beats
        self._tell_wall_clock()  # before any event whose record might be stamped with it

    def start(self, retention_every_ms: int = 0) -> None:
        now = self.clock.boot_ns()
        self._beat_due_ns = now + int(BEAT_S * 1e9)
        self._beat_timer = self._loop.call_later(BEAT_S, self._beat)
        self._retention_every_ns = retention_every_ms * 1_000_000
        self._retention_due_ns = now + self._retention_every_ns

    # --- events

    def deliver(self, event: Event) -> None:
        """Handle an event now, or after the one that is being handled. From the loop's thread only."""
        self._events.append(event)
        if not self._draining:
            self._drain()

    def flushed(self, write_id: int) -> None:
        """The storage's callback, from its thread."""
        self._from_thread(Flushed(write_id))

    def disk_failed(self, raft: bool, reason: str) -> None:
        """The storage's callback, from its thread."""
        self.disk_error = reason
        log.error("%s failed: %s", "the metadata log's disk" if raft else "the records' disk", reason)
        self._from_thread(DiskFailed(raft, reason))

    def request_shutdown(self) -> None:
        """SIGTERM. A second one is no different: who is in a hurry has SIGKILL."""
        self.shutdown_requested = True
        self.deliver(ShutdownRequested())

    def halt(self) -> None:
        """Stop the timers; nothing is handled any more."""
        for timer in (self._timer, self._beat_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._beat_timer = None
        if not self.stopped.done():
            self.stopped.cancel()

    def _from_thread(self, event: Event) -> None:
        try:
            self._loop.call_soon_threadsafe(self.deliver, event)
        except RuntimeError:  # the loop is closed: the process is on its way out
            log.debug("too late for %s", type(event).__name__)

    def _drain(self) -> None:
        self._draining = True
        try:
            while self._events and not self.stopped.done():
                event = self._events.popleft()
                if type(event) is Flushed:
                    self._measure_writes(event.write_id)
                for effect in self.node.step(self.clock.boot_ns(), event):
                    self._carry_out(effect)
        except Exception as error:
            log.critical("the node failed; stopping without a clean mark", exc_info=error)
            if not self.stopped.done():
                self.stopped.set_exception(error)
        finally:
            self._draining = False
        if self.stopped.done():
            self._events.clear()
        else:
            self._arm()

    # --- effects

    def _carry_out(self, effect: Effect) -> None:
        assert self._peers is not None
        assert self._gateway is not None
        match effect:
            case Send():
                self._peers.send(effect.destination, effect.message)
            case Reply():
                self._gateway.reply(effect.request_id, effect.response)
            case ServeClient():
                self._serve_client(effect)
            case ServeOffsets():
                self._serve_offsets(effect)
            case ServePeer():
                self._serve_peer(effect)
            case Fact():
                self.metrics.record(effect)
            case StopNode():
                if not self.stopped.done():
                    self.stopped.set_result(effect)
            case _:
                self.disk.perform(effect)
                metric = FLUSH_METRIC.get(type(effect))
                if metric is not None:
                    self._writes.append((getattr(effect, "write_id", 0), time.monotonic(), metric))
                elif type(effect) is FormatDisk:
                    self._peers.set_cluster_id(effect.cluster_id)

    def _serve_client(self, effect: ServeClient) -> None:
        assert self._gateway is not None
        try:
            batches = self.disk.read(effect.read)
        except StorageOffline as error:
            self._gateway.reply(effect.request_id, ErrorResponse(ErrorCode.LOG_OFFLINE, str(error)))
            return
        self._gateway.reply(effect.request_id, msgspec.structs.replace(effect.response, batches=batches))

    def _serve_offsets(self, effect: ServeOffsets) -> None:
        assert self._gateway is not None
        offset = self.disk.offset_at_time(effect.partition, effect.at_wall_ms)
        if offset is not None and offset < effect.response.high_watermark:  # above it, it might be cut off again
            found = max(offset, effect.response.log_start_offset)
            self._gateway.reply(effect.request_id, msgspec.structs.replace(effect.response, offset_at_time=found))
        else:
            self._gateway.reply(effect.request_id, effect.response)

    def _serve_peer(self, effect: ServePeer) -> None:
        assert self._peers is not None
        try:
            partitions = tuple(
                part if read is None else msgspec.structs.replace(part, batches=self.disk.read(read))
                for part, read in zip(effect.message.partitions, effect.reads, strict=True)
            )
        except StorageOffline as error:
            log.warning("no answer to a fetch of broker %d: %s", effect.destination, error)
            return  # the follower asks again; DiskFailed is on its way to the node
        self._peers.send(effect.destination, msgspec.structs.replace(effect.message, partitions=partitions))

    def _measure_writes(self, write_id: int) -> None:
        """Everything up to ``write_id`` is durable now."""
        writes = self._writes
        now = time.monotonic()
        while writes and writes[0][0] <= write_id:
            _, begun, metric = writes.popleft()
            self.metrics.add(metric, value=now - begun)

    # --- timers

    def _arm(self) -> None:
        """One timer, moved only when it would come too late: deadlines mostly move away with every event."""
        deadline = self.node.next_deadline
        if self._timer is not None:
            if self._timer_ns <= deadline:
                return
            self._timer.cancel()
        delay_s = max(0, deadline - self.clock.boot_ns()) / 1e9
        self._timer_ns = deadline
        self._timer = self._loop.call_later(delay_s, self._on_timer, True)

    def _on_timer(self, may_wait: bool) -> None:
        self._timer = None
        if self.stopped.done():
            return
        now = self.clock.boot_ns()
        if may_wait and now - self._timer_ns > LATE_NS:
            self._timer = self._loop.call_later(0.001, self._on_timer, False)
            return
        if now < self.node.next_deadline:
            self._arm()
        else:
            self.deliver(Tick())

    def _beat(self) -> None:
        now = self.clock.boot_ns()
        lag_ns = max(0, now - self._beat_due_ns)
        self.metrics.add("broker_event_loop_lag_seconds", value=lag_ns / 1e9)
        if lag_ns > STALL_NS:
            self.metrics.add("broker_event_loop_stalls_total")
            self.stalls.append(Stall(now, self.clock.wall_ns(), lag_ns))
            log.warning("the event loop stood still for %d ms", lag_ns // 1_000_000)
        self._beat_due_ns = now + int(BEAT_S * 1e9)
        self._beat_timer = self._loop.call_later(BEAT_S, self._beat)
        for beat in self._beats:
            beat(lag_ns > STALL_NS)
        self._tell_wall_clock()
        if self._retention_every_ns and now >= self._retention_due_ns:
            self._retention_due_ns = now + self._retention_every_ns
            self._apply_retention()

    def _tell_wall_clock(self) -> None:
        """Metrics quote the wall clock; no rule reads it. Two clocks are compared only if no time went by between the
        readings: a process that had to wait for its turn there would date everything by that much too late."""
        before_ns = self.clock.boot_ns()
        wall_ns = self.clock.wall_ns()
        if self._wall_offset_ns and self.clock.boot_ns() - before_ns > WALL_STEP_NS:
            return  # the next beat will tell
        offset_ns = wall_ns - before_ns
        if abs(offset_ns - self._wall_offset_ns) > WALL_STEP_NS:
            self._wall_offset_ns = offset_ns
            self.deliver(WallClock(offset_ns))

    def _apply_retention(self) -> None:
        status = self.node.status(self.clock.boot_ns())
        limits = retention_limits(status)
        if not limits:
            return
        wall_ms = self.clock.wall_ns() // 1_000_000
        for partition, offset in self.disk.retention(wall_ms, lambda one: limits.get(one, (-1, -1))):
            self.deliver(LogStartAdvanced(partition, offset))


def retention_limits(status: NodeStatus) -> dict[TopicPartition, tuple[int, int]]:
    """(bytes, ms) for each partition that this broker leads and that has a limit; -1: none."""
    return {
        one.partition: (one.retention_bytes, one.retention_ms)
        for one in status.partitions
        if one.role == "Leader" and (one.retention_bytes >= 0 or one.retention_ms >= 0)
    }
