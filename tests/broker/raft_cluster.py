"""Raft replicas on simulated disks and a simulated network, with the safety properties checked after every step.

Nothing happens by itself: the caller delivers messages, flushes disks and advances the clock. A crash loses what was
not flushed. The invariants are those of the Raft paper (figure 3) and of ``RaftEventSimulationTest`` in Kafka.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from skerry_broker.core.messages import Fact, FormatDisk, RaftSnapshot, Recovered, SaveRaft, SaveSnapshot, Send
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.peer_messages import PeerMessage
from skerry_broker.core.raft import Raft
from skerry_broker.core.records import Entry, Founded, TopicDeleted
from skerry_broker.core.types import HardState, NodeConfig, Timing, Voter

MS = 1_000_000


class Violation(AssertionError):
    """A safety property does not hold."""


@dataclass
class Disk:
    """What survives a crash, and the writes that would not."""

    directory_id: str
    cluster_id: str | None = None
    hard_state: HardState = field(default_factory=HardState)
    snapshot: RaftSnapshot | None = None
    entries: list[Entry] = field(default_factory=list)
    intact: bool = True
    queue: list[SaveRaft | SaveSnapshot | FormatDisk] = field(default_factory=list)

    def write_next(self) -> int:
        effect = self.queue.pop(0)
        if isinstance(effect, FormatDisk):
            self.cluster_id = effect.cluster_id
        elif isinstance(effect, SaveSnapshot):
            self.snapshot = RaftSnapshot(effect.last_index, effect.last_term, effect.voters, effect.image)
            self.entries = [] if effect.reset else [e for e in self.entries if e.index > effect.last_index]
        else:
            if effect.truncate_from is not None:
                self.entries = [e for e in self.entries if e.index < effect.truncate_from]
            self.entries.extend(effect.entries)
            if effect.hard_state is not None:
                if effect.hard_state.term < self.hard_state.term:
                    raise Violation(f"the term on disk goes back from {self.hard_state.term}")
                self.hard_state = effect.hard_state
        return effect.write_id

    def holds(self, index: int, term: int) -> bool:
        if self.snapshot is not None and index <= self.snapshot.last_index:
            return True
        return any(entry.index == index and entry.term == term for entry in self.entries)

    def recovered(self) -> Recovered:
        return Recovered(
            directory_id=self.directory_id,
            incarnation="",
            cluster_id=self.cluster_id,
            hard_state=self.hard_state,
            snapshot=self.snapshot,
            entries=tuple(self.entries),
            raft_intact=self.intact,
        )


@dataclass
class Packet:
    sender: int
    source: Voter
    destination: int
    message: PeerMessage

    def __str__(self) -> str:
        return f"{self.sender}->{self.destination} {self.message}"


class Node:
    def __init__(self, cluster: RaftCluster, broker_id: int, disk: Disk) -> None:
        self.cluster = cluster
        self.broker_id = broker_id
        self.disk = disk
        self.alive = False
        self.raft: Raft
        self.out: Outbox
        self.applied: list[tuple[int, int]] = []
        self.seen = (0, 0)

    @property
    def me(self) -> Voter:
        return Voter(self.broker_id, self.disk.directory_id)

    def start(self) -> None:
        config = NodeConfig(self.broker_id, tuple(self.cluster.nodes), timing=self.cluster.timing)
        self.out = Outbox()
        self.alive = True
        self.seen = (0, 0)
        self.disk.queue.clear()
        self.applied = []
        self.raft = self.cluster.make(config, self.disk.recovered(), self.cluster.rng, self.out, self.cluster.now)
        self.cluster.absorb(self)


class RaftCluster:
    """``now`` is one clock for all. ``packets`` are on their way, oldest first; a cut link loses what is sent."""

    def __init__(
        self,
        size: int,
        seed: int = 0,
        formatted: bool = True,
        make: Callable[..., Raft] = Raft,
        timing: Timing | None = None,
    ) -> None:
        self.rng = random.Random(seed)
        self.make = make
        self.timing = timing or Timing()
        self.now = 0
        self.packets: list[Packet] = []
        self.cut: set[tuple[int, int]] = set()
        self.leaders: dict[int, Voter] = {}
        self.entries: dict[tuple[int, int], Entry] = {}
        self.committed: list[tuple[int, int]] = []
        self.committed_in: list[int] = []
        """The term of the leader that committed each of them."""
        self.facts: list[Fact] = []
        self.written: list[SaveRaft | SaveSnapshot | FormatDisk] = []
        self.nodes: dict[int, Node] = {}
        self.lost_disks: dict[Voter, Disk] = {}
        self._directories = 0
        for broker_id in range(1, size + 1):
            self.nodes[broker_id] = Node(self, broker_id, self.new_disk())
        if formatted:
            voters = tuple(node.me for node in self.nodes.values())
            for node in self.nodes.values():
                node.disk.cluster_id = "c"
                node.disk.hard_state = HardState(1, None)
                node.disk.entries = [Entry(1, 1, (Founded("c", voters),))]
        for node in self.nodes.values():
            node.start()

    def new_disk(self) -> Disk:
        self._directories += 1
        return Disk(chr(ord("a") + self._directories - 1) if self._directories <= 26 else f"d{self._directories}")

    # --- what can happen --------------------------------------------------------------------------------

    def alive(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.alive]

    def leader(self) -> Node | None:
        """The leader of the highest term."""
        leaders = [node for node in self.alive() if node.raft.is_leader]
        return max(leaders, key=lambda node: node.raft.term, default=None)

    def deliver(self, packet: Packet) -> None:
        node = self.nodes[packet.destination]
        if node.alive:
            node.raft.step(self.now, packet.source, packet.message)
            self.absorb(node)

    def flush(self, node: Node, writes: int | None = None) -> None:
        """The first ``writes`` waiting writes become durable, and the replica is told."""
        count = len(node.disk.queue) if writes is None else writes
        write_id = 0
        for _ in range(count):
            write_id = node.disk.write_next()
        if write_id:
            node.raft.flushed(self.now, write_id)
            self.absorb(node)

    def tick(self, node: Node) -> None:
        if node.alive and node.raft.next_deadline <= self.now:
            node.raft.tick(self.now)
            self.absorb(node)

    def crash(self, node: Node, written: int = 0) -> None:
        """A crash: of the unreported writes, the first ``written`` reached the disk all the same."""
        for _ in range(min(written, len(node.disk.queue))):
            node.disk.write_next()
        node.disk.queue.clear()
        node.alive = False

    def wipe(self, node: Node) -> None:
        """A crash and a new, empty disk: another replica under the same broker id."""
        self.crash(node)
        self.lost_disks[node.me] = node.disk
        node.disk = self.new_disk()

    def isolate(self, *broker_ids: int) -> None:
        for a in self.nodes:
            for b in self.nodes:
                if (a in broker_ids) != (b in broker_ids):
                    self.cut.add((a, b))

    def absorb(self, node: Node) -> None:
        for effect in node.out.take():
            if isinstance(effect, Send):
                if (node.broker_id, effect.destination) not in self.cut:
                    self.packets.append(Packet(node.broker_id, node.me, effect.destination, effect.message))
            elif isinstance(effect, Fact):
                self.facts.append(effect)
            else:
                assert isinstance(effect, (SaveRaft, SaveSnapshot, FormatDisk))
                if node.disk.queue and node.disk.queue[-1].write_id >= effect.write_id:
                    raise Violation("disk effects must come in the order of their write ids")
                node.disk.queue.append(effect)
                self.written.append(effect)
        installed = node.raft.take_installed_snapshot()
        if installed is not None:
            node.applied = msgspec.json.decode(installed.image, type=list[tuple[int, int]])
        for entry in node.raft.take_committed():
            if entry.index != len(node.applied) + 1:
                raise Violation(f"{node.me} applied entry {entry.index} after {len(node.applied)}")
            node.applied.append((entry.index, entry.term))
        self.check(node)

    def compact(self, node: Node) -> None:
        node.raft.compact(self.now, len(node.applied), msgspec.json.encode(node.applied))
        self.absorb(node)

    def propose(self, node: Node, value: str) -> int | None:
        index = node.raft.propose(self.now, (TopicDeleted(value, ""),))
        self.absorb(node)
        return index

    # --- what must hold ---------------------------------------------------------------------------------

    def check(self, node: Node) -> None:
        raft = node.raft
        seen = (raft.term, raft.commit_index)
        if seen[0] < node.seen[0] or seen[1] < node.seen[1]:
            raise Violation(f"{node.me} went back from (term, commit) {node.seen} to {seen}")
        node.seen = seen
        if raft.is_leader:
            other = self.leaders.setdefault(raft.term, node.me)
            if other != node.me:
                raise Violation(f"election safety: {other} and {node.me} lead term {raft.term}")
        self._check_log_matching(node)
        self._check_commit(node)

    def _check_log_matching(self, node: Node) -> None:
        if node.raft.cluster_id is None:
            return  # an interrupted founding that nobody has heard of may be repeated
        log = node.raft._state.log
        for entry in log.slice(log.snapshot_index + 1, 10_000):
            known = self.entries.setdefault((entry.index, entry.term), entry)
            if known is not entry and known != entry:
                raise Violation(f"log matching: {node.me} has {entry}, another has {known}")

    def _check_commit(self, node: Node) -> None:
        applied = node.applied
        common = min(len(applied), len(self.committed))
        if applied[:common] != self.committed[:common]:
            raise Violation(f"state machine safety: {node.me} applied {applied}, committed is {self.committed}")
        log = node.raft._state.log
        raft_term = node.raft.term
        if len(applied) > len(self.committed):
            index, term = applied[-1]
            holders = [voter for voter in node.raft.voters if self._disk_of(voter).holds(index, term)]
            if len(holders) * 2 <= len(node.raft.voters):
                raise Violation(f"{node.me} committed {index}, but only {holders} have it on disk")
            self.committed_in += [raft_term] * (len(applied) - len(self.committed))
            self.committed = list(applied)
        if node.raft.is_leader and not node.raft.leader_ready:
            for (index, term), committed_in in zip(self.committed, self.committed_in, strict=True):
                if committed_in < raft_term and index >= log.snapshot_index and log.term_at(index) != term:
                    raise Violation(f"leader completeness: {node.me} leads without the committed entry {index}/{term}")

    def _disk_of(self, voter: Voter) -> Disk:
        """A lost disk counts as what it held: it was acknowledged, and its old self will never vote again."""
        return self.lost_disks.get(voter) or self.nodes[voter.broker_id].disk

    # --- time with a well-behaved network ---------------------------------------------------------------

    def settle(self) -> None:
        """Deliver and flush everything until nothing moves; no time passes."""
        for _ in range(10_000):
            busy = False
            for node in self.alive():
                if node.disk.queue:
                    self.flush(node)
                    busy = True
            packets, self.packets = self.packets, []
            for packet in packets:
                self.deliver(packet)
                busy = True
            if not busy:
                return
        raise Violation("the cluster chatters for ever without time passing")

    def advance(self, ms: float, each: Callable[[], None] = lambda: None) -> None:
        """Let time pass: disks flush at once, every message takes a millisecond. ``each``: after whatever happened."""
        end = self.now + int(ms * MS)
        while self.now < end:
            deadlines = [node.raft.next_deadline for node in self.alive()]
            quiet = min([end, *deadlines])
            self.now = min(end, self.now + MS) if self.packets else max(quiet, self.now + MS // 10)
            packets, self.packets = self.packets, []
            for packet in packets:
                self.deliver(packet)
            for node in self.alive():
                self.tick(node)
                if node.disk.queue:
                    self.flush(node)
            each()

    def advance_until(self, condition: Callable[[], bool], limit_ms: int) -> int:
        """Milliseconds until ``condition``; an AssertionError after ``limit_ms``."""
        start = self.now
        while not condition():
            assert self.now - start < limit_ms * MS, f"not within {limit_ms} ms"
            self.advance(1)
        return (self.now - start) // MS
