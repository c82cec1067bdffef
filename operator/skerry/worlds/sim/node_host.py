"""One simulated broker process and the machine under it: the driver of one core `Node`.

It follows the contract in `skerry_broker.core`: one event at a time, effects in order, ``Flushed`` after a sync, `Tick`
when the deadline has passed. Where the contract leaves freedom, the seed decides: how long a sync takes, what comes
first after a pause, what a crash leaves of the writes in flight.
"""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple, get_args

from skerry.worlds.sim.client_requests import ClientRequests, opaque_batch
from skerry.worlds.sim.clock import NodeClock
from skerry.worlds.sim.disk import Disk
from skerry.worlds.sim.disk_files import ContractBroken
from skerry.worlds.sim.network import CLIENTS, Network
from skerry.worlds.sim.ports import ClientAnswer, ClientCall, ClientCancel, Machine, NodeFactory, Watcher
from skerry.worlds.sim.scheduler import NS_PER_MS, Scheduler
from skerry.worlds.sim.serving import client_fetch, client_offsets, peer_fetch
from skerry.worlds.sim.trace import Trace
from skerry_broker.core.intake import CheckBatch
from skerry_broker.core.messages import (
    DiskEffect,
    DiskFailed,
    Event,
    Fact,
    Flushed,
    FromPeer,
    PeerRefused,
    Reply,
    Send,
    ServeClient,
    ServeOffsets,
    ServePeer,
    ShutdownRequested,
    StopNode,
    Tick,
    WallClock,
)
from skerry_broker.core.peer_messages import REPLICATION_MESSAGES, PeerMessage
from skerry_broker.core.types import NodeConfig, Plane, Voter

DISK_EFFECTS = get_args(DiskEffect)
_CLIENT, _RAFT = Plane.CLIENT, Plane.RAFT
"""Looking a member up in its enumeration is a call; this is done for every message."""
_PLANES = dict.fromkeys(REPLICATION_MESSAGES, Plane.REPLICATION)
"""All other messages travel on the raft plane."""
NEVER_NS = 1 << 63
TICKS_WITHOUT_TIME_MAX = 1000
"""More ticks than this without a step of time is a machine that never sleeps."""


class DiskSpeed(NamedTuple):
    """A sync takes ``sync_ns`` plus up to ``jitter_ns``."""

    sync_ns: int = 200_000
    jitter_ns: int = 800_000


class NodeHost:
    def __init__(
        self,
        config: NodeConfig,
        factory: NodeFactory,
        *,
        scheduler: Scheduler,
        network: Network,
        trace: Trace,
        clock: NodeClock,
        disk: Disk,
        rng: random.Random,
        node_rng: random.Random,
        watcher: Watcher,
        codec: Callable[[PeerMessage], PeerMessage] | None = None,
        check_batch: CheckBatch = opaque_batch,
    ) -> None:
        self.broker_id = config.broker_id
        self.voter = Voter(config.broker_id, disk.directory_id)
        """The voter as of the last start; the disk may have been replaced since."""
        self.config = config
        self.clock = clock
        self.disk = disk
        self.node: Machine | None = None
        self.starts = 0
        self.paused = False
        self.stop_reason: str | None = None
        """Why the last process ended by itself."""
        self.disk_speed = DiskSpeed()
        self.fail_next_sync: str | None = None
        """``raft`` or ``logs``: what the next sync damages."""
        self.facts: dict[tuple[str, tuple[str, ...]], float] = {}
        """By metric and label values, since the first start."""
        self.last_sync_ns = -1
        """How long the last sync took; -1 before the first. Of the one under way: `fsync_under_way_ns`."""
        self.on_other: Callable[[int, int, object], None] | None = None
        """Takes (this broker, source, payload) for payloads that are the runtime's business and not the node's."""
        self.on_halt: Callable[[int, bool], None] | None = None
        """Called with (broker id, power cut) after the process ended, for whatever reason."""
        self._clients = ClientRequests(self.step, self._send_answer, check_batch)
        self.requests = self._clients.open
        """The unanswered ones, by request id."""
        self._factory = factory
        self._scheduler = scheduler
        self._network = network
        self._record = trace.record
        self._rng = rng
        self._node_rng = node_rng
        self._watcher = watcher
        self._codec = codec
        self._inbox: list[Event | ClientCall | ClientCancel] = []
        """What has arrived while the process was paused."""
        self._wake_ns: int | None = None
        self._wake_local_ns = NEVER_NS
        """The deadline, on the node's clock, that ``_wake_ns`` was posted for."""
        self._decided_index = -1
        """The commit index after the last step."""
        self._idle_ticks = 0
        self._last_tick_ns = -1
        self._sync_began_ns: int | None = None
        """When the sync that is under way began; None while there is none."""
        self._refusing: set[tuple[int, Plane]] = set()
        self._handlers = self._effect_handlers()

    def _effect_handlers(self) -> dict[type[Any], Callable[[Any], None]]:
        return {
            Send: self._send,
            Reply: lambda effect: self._clients.answer(effect.request_id, effect.response),
            ServeClient: self._serve_client,
            ServePeer: self._serve_peer,
            ServeOffsets: self._serve_offsets,
            Fact: self._fact,
            StopNode: self._stop_node,
            **dict.fromkeys(DISK_EFFECTS, self.disk.carry_out),
        }

    # --- life -----------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self.node is not None

    @property
    def fsync_under_way_ns(self) -> int:
        """How long the present sync has been under way; 0 while there is none."""
        return 0 if self._sync_began_ns is None else self._scheduler.now_ns - self._sync_began_ns

    def start(self) -> None:
        """Start the process: recover the disk, build the node, feed it the wall clock."""
        assert self.node is None, f"broker {self.broker_id} runs already"
        self.starts += 1
        self.voter = Voter(self.broker_id, self.disk.directory_id)
        self.paused = False
        self.stop_reason = None
        incarnation = f"b{self.broker_id}.{self.starts}"
        recovered = self.disk.recover(incarnation)
        self._record(self._scheduler.now_ns, self.broker_id, ("start", incarnation))
        now = self.clock.local(self._scheduler.now_ns)
        self.node = self._factory(self.config, recovered, self._node_rng, now)
        self._decided_index = -1
        self._watcher.started(self)
        self._network.attach(self.broker_id, self.receive)
        self.step(WallClock(self.clock.wall_minus_monotonic(self._scheduler.now_ns)))

    def halt(self, *, power: bool = False) -> None:
        """The process is gone: nothing of it remains but the disk. Losing writes is the caller's decision."""
        if self.node is None:
            return
        self._record(self._scheduler.now_ns, self.broker_id, ("halt", power))
        self._watcher.stopped(self)
        self.node = None
        self.paused = False
        self._inbox.clear()
        self._clients.reset()
        self._wake_ns = None
        self._wake_local_ns = NEVER_NS
        self._sync_began_ns = None
        self.fail_next_sync = None
        self._network.detach(self.broker_id, silent=power)
        if self.on_halt is not None:
            self.on_halt(self.broker_id, power)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        """Go on; whether the due timer or the waiting messages come first is not for the process to choose."""
        if not self.paused:
            return
        self.paused = False
        if self._rng.random() < 0.5:
            self._tick_if_due()
        inbox, self._inbox = self._inbox, []
        for one in inbox:
            self._take(one)
        self._arm()

    def request_shutdown(self) -> None:
        self.feed(ShutdownRequested())

    def wall_clock_changed(self) -> None:
        self.feed(WallClock(self.clock.wall_minus_monotonic(self._scheduler.now_ns)))

    # --- stepping -------------------------------------------------------------------------------------------

    def feed(self, one: Event | ClientCall | ClientCancel) -> None:
        """Take it now, or when the pause is over."""
        if self.node is None:
            return
        if self.paused:
            self._inbox.append(one)
        else:
            self._take(one)

    def _take(self, one: Event | ClientCall | ClientCancel) -> None:
        if self.node is None:
            return
        if isinstance(one, ClientCall):
            self._clients.call(one)
        elif isinstance(one, ClientCancel):
            self._clients.cancel(one)
        else:
            self.disk.failure_told |= type(one) is DiskFailed
            self.step(one)

    def step(self, event: Event) -> None:
        node = self.node
        if node is None:
            return
        now_ns = self._scheduler.now_ns
        self._record(now_ns, self.broker_id, event)
        watcher = self._watcher
        more = False
        try:
            effects = node.step(self.clock.local(now_ns), event)
            if node.commit_index != self._decided_index:
                more = node.commit_index > self._decided_index and watcher.decided(self)
                self._decided_index = node.commit_index
            if effects:
                look, handlers = watcher.effect, self._handlers
                for effect in effects:
                    look(self, event, effect)
                    handlers[type(effect)](effect)
                    if self.node is None:
                        return
        except ContractBroken as error:
            watcher.broken(self, "disk-contract", str(error))
            self.halt()
            return
        except Exception as error:
            # What the runtime does, too: a node that raised is a process that ended. It is always a bug.
            where = traceback.format_exc(limit=-6)
            watcher.broken(self, "raised", f"{type(error).__name__}: {error}\n{where}")
            self.halt()
            return
        if self._sync_began_ns is None and self.disk.written_id > self.disk.durable_id:
            self._begin_sync()
        deadline = node.next_deadline
        if deadline is not None and deadline < self._wake_local_ns:
            self._arm()
        if more:
            watcher.stepped(self)

    def rearm(self) -> None:
        """The clock changed its rate: the deadline comes at another true time."""
        self._wake_ns = None
        self._wake_local_ns = NEVER_NS
        self._arm()

    def _arm(self) -> None:
        if self.node is None or self.paused:
            return
        deadline = self.node.next_deadline
        if deadline is None or deadline >= self._wake_local_ns:
            return
        wake_ns = max(self.clock.true(deadline), self._scheduler.now_ns)
        if self._wake_ns is None or wake_ns < self._wake_ns:
            self._wake_local_ns = deadline
            self._wake_ns = wake_ns
            self._scheduler.post(wake_ns, self._wake, (self.starts, wake_ns))

    def _wake(self, token: tuple[int, int]) -> None:
        starts, wake_ns = token
        if starts != self.starts or wake_ns != self._wake_ns or self.node is None:
            return
        self._wake_ns = None
        self._wake_local_ns = NEVER_NS
        if not self.paused and not self._tick_if_due():
            self._arm()

    def _tick_if_due(self) -> bool:
        """True when it was: the step has armed the next deadline."""
        node = self.node
        deadline = node.next_deadline if node is not None else None
        now_ns = self._scheduler.now_ns
        if deadline is None or deadline > self.clock.local(now_ns):
            return False
        self._idle_ticks = self._idle_ticks + 1 if now_ns == self._last_tick_ns else 0
        self._last_tick_ns = now_ns
        if self._idle_ticks > TICKS_WITHOUT_TIME_MAX:
            self._watcher.broken(self, "never-sleeps", f"{TICKS_WITHOUT_TIME_MAX} ticks at one instant")
            self.halt()
            return True
        self.step(Tick())
        return True

    # --- what arrives ---------------------------------------------------------------------------------------

    def receive(self, source: int, payload: object) -> None:
        if type(payload) is FromPeer:
            if self.paused:
                self._inbox.append(payload)
            else:
                self.step(payload)
        elif type(payload) is ClientCall or type(payload) is ClientCancel:
            self.feed(payload)
        elif self.on_other is not None:
            self.on_other(self.broker_id, source, payload)
        else:
            raise TypeError(f"broker {self.broker_id} received {payload!r:.200} from {source}")

    # --- effects --------------------------------------------------------------------------------------------

    def _send(self, effect: Send) -> None:
        message = effect.message if self._codec is None else self._codec(effect.message)
        plane = _PLANES.get(type(message), _RAFT)
        if not self._network.send(self.broker_id, effect.destination, plane, FromPeer(self.voter, message)):
            self.was_refused(effect.destination, plane)

    def was_refused(self, destination: int, plane: Plane) -> None:
        """A connection was reset or refused: the process learns it in a moment, once."""
        if (destination, plane) not in self._refusing:
            self._refusing.add((destination, plane))
            self._scheduler.post(
                self._scheduler.now_ns + NS_PER_MS // 2, self._tell_refused, (self.starts, destination, plane)
            )

    def _tell_refused(self, token: tuple[int, int, Plane]) -> None:
        starts, destination, plane = token
        self._refusing.discard((destination, plane))
        if starts == self.starts:
            self.feed(PeerRefused(destination, plane))

    def _serve_client(self, effect: ServeClient) -> None:
        self._clients.answer(effect.request_id, client_fetch(self.disk, effect))

    def _serve_offsets(self, effect: ServeOffsets) -> None:
        self._clients.answer(effect.request_id, client_offsets(self.disk, effect))

    def _send_answer(self, answer: ClientAnswer) -> None:
        self._network.send(self.broker_id, CLIENTS, _CLIENT, answer)

    def _serve_peer(self, effect: ServePeer) -> None:
        self._send(Send(effect.destination, peer_fetch(self.disk, effect)))

    def _fact(self, effect: Fact) -> None:
        key = (effect.name, effect.labels)
        self.facts[key] = self.facts.get(key, 0.0) + effect.value

    def _stop_node(self, effect: StopNode) -> None:
        self.stop_reason = effect.reason
        if effect.clean_broker_epoch is not None:
            self.disk.sync_all()
            self.disk.clean_shutdown_epoch = effect.clean_broker_epoch
        else:
            self.disk.crash(keep_all=True)
        self.halt()

    # --- the disk -------------------------------------------------------------------------------------------

    def _begin_sync(self) -> None:
        speed = self.disk_speed
        now_ns = self._sync_began_ns = self._scheduler.now_ns
        done_ns = now_ns + speed.sync_ns + int(self._rng.random() * speed.jitter_ns)
        self._scheduler.post(done_ns, self._synced, (self.starts, self.disk.written_id, now_ns))

    def _synced(self, token: tuple[int, int, int]) -> None:
        starts, write_id, began_ns = token
        if starts != self.starts or self.node is None:
            return
        self.last_sync_ns = self._scheduler.now_ns - began_ns
        failing, self.fail_next_sync = self.fail_next_sync, None
        if failing is not None:
            raft = failing == "raft"
            self.disk.sync_failed(write_id, raft=raft)
            self.feed(DiskFailed(raft, "fsync: Input/output error"))
            if raft or self.node is None:
                # A node without its metadata log stops; nothing more of it is durable.
                return
        self.disk.synced(write_id)
        if self.disk.written_id > self.disk.durable_id:
            self._begin_sync()
        else:
            self._sync_began_ns = None
        self.feed(Flushed(write_id))
