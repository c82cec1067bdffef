"""A whole simulated cluster, and the faults as verbs. No rule of the protocol is here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import permutations

import msgspec

from skerry.worlds.sim.client_requests import opaque_batch
from skerry.worlds.sim.clock import NodeClock
from skerry.worlds.sim.disk import Disk
from skerry.worlds.sim.network import CutMode, LinkFaults, Network
from skerry.worlds.sim.node_host import NodeHost
from skerry.worlds.sim.ports import NodeFactory, Watcher
from skerry.worlds.sim.scheduler import NS_PER_MS, NS_PER_S, Scheduler
from skerry.worlds.sim.streams import Streams
from skerry.worlds.sim.trace import Trace
from skerry_broker.core.intake import CheckBatch
from skerry_broker.core.messages import FromPeer
from skerry_broker.core.peer_messages import PeerMessage
from skerry_broker.core.types import FlushMode, NodeConfig, Plane, Timing

PEER_PLANES = (Plane.RAFT, Plane.REPLICATION)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PeerMessage).decode


class CodecBroken(AssertionError):
    """A message changed on its way through the wire codec."""


def through_the_wire(message: PeerMessage) -> PeerMessage:
    """Encode and decode as the transport does. Raises `CodecBroken` when something else comes out."""
    decoded: PeerMessage = _decode(_encode(message))
    if decoded != message:
        raise CodecBroken(f"{message!r:.300} became {decoded!r:.300}")
    return decoded


def payload_bytes(payload: object) -> int:
    """The size on the wire, roughly; asked only on links with a rate."""
    body = payload.message if isinstance(payload, FromPeer) else payload
    return 60 + len(_encode(body))


class Cluster:
    """Brokers 0 .. n-1 on one scheduler and one network."""

    def __init__(
        self,
        streams: Streams,
        factory: NodeFactory,
        watcher: Watcher,
        *,
        brokers: int = 3,
        timing: Timing = Timing(),  # noqa: B008 (frozen)
        flush: FlushMode = FlushMode.GROUP,
        codec: bool = False,
        keep_events: int = 0,
        max_drift_ppm: int = 0,
        raft_entries_max_before_snapshot: int = 1000,
        started_wall_ns: int = 0,
        check_batch: CheckBatch = opaque_batch,
    ) -> None:
        self.streams = streams
        self.scheduler = Scheduler()
        self.trace = Trace(keep_events)
        self.network = Network(self.scheduler, streams, size=payload_bytes)
        self.broker_ids = tuple(range(brokers))
        self.on_broker_died: Callable[[int], None] | None = None
        """Told the broker whose process has just ended, when its kernel is there to reset its connections."""
        self._disks_made = 0
        self.hosts: list[NodeHost] = []
        clocks = streams.stream("clocks")
        for broker_id in self.broker_ids:
            drift_ppm = clocks.randrange(-max_drift_ppm, max_drift_ppm + 1) if max_drift_ppm else 0
            clock = NodeClock(
                clocks.randrange(1, 1000 * NS_PER_S),
                started_wall_ns + clocks.randrange(-5 * NS_PER_MS, 5 * NS_PER_MS),
                drift_ppm,
            )
            config = NodeConfig(
                broker_id,
                self.broker_ids,
                timing,
                flush,
                raft_entries_max_before_snapshot=raft_entries_max_before_snapshot,
            )
            host = NodeHost(
                config,
                factory,
                scheduler=self.scheduler,
                network=self.network,
                trace=self.trace,
                clock=clock,
                disk=Disk(self._new_directory_id(), streams.stream("disk", broker_id)),
                rng=streams.stream("host", broker_id),
                node_rng=streams.stream("node", broker_id),
                watcher=watcher,
                codec=through_the_wire if codec else None,
                check_batch=check_batch,
            )
            host.on_halt = self._ended
            self.hosts.append(host)

    def _new_directory_id(self) -> str:
        self._disks_made += 1
        return f"disk-{self._disks_made:04d}"

    @property
    def now_ns(self) -> int:
        return self.scheduler.now_ns

    @property
    def undisturbed(self) -> bool:
        """Every broker runs, and no fault is on any link."""
        return self.network.whole and all(host.running and not host.paused for host in self.hosts)

    def run_for(self, duration_ns: int) -> bool:
        """False when the run was stopped before its time."""
        return self.scheduler.run(self.scheduler.now_ns + duration_ns)

    def note(self, *what: object) -> None:
        """Put an action of the world into the trace."""
        self.trace.record(self.scheduler.now_ns, -1, what)

    # --- processes ------------------------------------------------------------------------------------------

    def start(self, broker_id: int) -> None:
        if not self.hosts[broker_id].running:
            self.hosts[broker_id].start()

    def start_all(self) -> None:
        for broker_id in self.broker_ids:
            self.start(broker_id)

    def kill(self, broker_id: int, *, keep_all: bool = True) -> None:
        """SIGKILL. ``keep_all`` False: writes still queued in the process are lost, from some point on."""
        host = self.hosts[broker_id]
        if host.running:
            host.halt()
            host.disk.crash(keep_all=keep_all)

    def power_cut(self, broker_id: int, *, lose_all: bool = False) -> None:
        """The machine is gone: unsynced writes are lost per file, and nobody is told."""
        host = self.hosts[broker_id]
        if host.running:
            # Clients learn nothing either: their calls end by their own timeouts.
            host.halt(power=True)
        host.disk.power_cut(lose_all=lose_all)

    def wipe(self, broker_id: int) -> None:
        """SIGKILL, then an empty data directory."""
        self.kill(broker_id)
        self.hosts[broker_id].disk.wipe(self._new_directory_id())

    def terminate(self, broker_id: int) -> None:
        """Ask the process to stop, as SIGTERM does."""
        self.note("terminate", broker_id)
        self.hosts[broker_id].request_shutdown()

    def pause(self, broker_id: int) -> None:
        self.note("pause", broker_id)
        self.hosts[broker_id].pause()

    def resume(self, broker_id: int) -> None:
        self.note("resume", broker_id)
        self.hosts[broker_id].resume()

    def _ended(self, broker_id: int, power: bool) -> None:
        if not power:
            self._refuse_everyone(broker_id)
            if self.on_broker_died is not None:
                self.on_broker_died(broker_id)

    def _refuse_everyone(self, broker_id: int) -> None:
        """The kernel resets the connections of a dead process; every peer that can be reached learns it."""
        for peer in self.hosts:
            if peer.broker_id == broker_id or not peer.running:
                continue
            for plane in PEER_PLANES:
                if self.network.reachable(broker_id, peer.broker_id, plane):
                    peer.was_refused(broker_id, plane)

    # --- the network ----------------------------------------------------------------------------------------

    def cut(
        self,
        fault: str,
        links: Iterable[tuple[int, int]],
        planes: Iterable[Plane] = PEER_PLANES,
        mode: CutMode = CutMode.DROP,
    ) -> None:
        """No packet passes on these ordered pairs until ``heal(fault)``."""
        planes = tuple(planes)
        for source, destination in links:
            self.note("cut", fault, source, destination, [plane.value for plane in planes], int(mode))
            for plane in planes:
                self.network.cut(source, destination, plane, fault, mode)

    def slow(
        self, fault: str, links: Iterable[tuple[int, int]], faults: LinkFaults, planes: Iterable[Plane] = PEER_PLANES
    ) -> None:
        planes = tuple(planes)
        for source, destination in links:
            self.note("slow", fault, source, destination, faults)
            for plane in planes:
                self.network.slow(source, destination, plane, fault, faults)

    def heal(self, fault: str | None = None) -> None:
        self.note("heal", fault)
        self.network.heal(fault)

    # --- clocks and disks -----------------------------------------------------------------------------------

    def jump_wall(self, broker_id: int, by_ns: int) -> None:
        self.note("jump", broker_id, by_ns)
        host = self.hosts[broker_id]
        host.clock.jump_wall(by_ns)
        host.wall_clock_changed()

    def shift_wall(self, broker_id: int, name: str, by_ns: int) -> None:
        """From now on the wall clock is off by ``by_ns`` under this name, and no longer by what it was; 0 ends it."""
        host = self.hosts[broker_id]
        if host.clock.shift_wall(name, by_ns):
            self.note("shift", broker_id, name, by_ns)
            host.wall_clock_changed()

    def set_drift(self, broker_id: int, drift_ppm: int) -> None:
        self.note("drift", broker_id, drift_ppm)
        host = self.hosts[broker_id]
        host.clock.set_drift(self.now_ns, drift_ppm)
        host.rearm()


def between(groups: Iterable[Iterable[int]]) -> list[tuple[int, int]]:
    """All ordered pairs of brokers of different groups, sorted."""
    sides = [tuple(group) for group in groups]
    return sorted((a, b) for one, other in permutations(sides, 2) for a in one for b in other)
