"""Random networks: messages late, lost, twice, out of order; crashes that lose unflushed writes; cuts; wiped disks.

Nothing here says what should happen, only what must never happen: `raft_cluster.RaftCluster.check` looks after every
step. The mutants at the end show that the looking is worth something.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest
from raft_cluster import MS, Node, RaftCluster, Violation

from skerry_broker.core import quorum
from skerry_broker.core.following import Following
from skerry_broker.core.messages import SaveSnapshot
from skerry_broker.core.peer_messages import AppendReply, VoteReply
from skerry_broker.core.raft_roles import RaftRoles
from skerry_broker.core.raft_state import RaftState
from skerry_broker.core.raftlog import RaftInvariantError, RaftLog
from skerry_broker.core.records import Entry
from skerry_broker.core.types import Voter

STEPS = 2500


WEIGHTS = {
    # a cluster that mostly works; one in which leaders rarely live long enough to commit; one that mostly votes
    "calm": {"flush": 25.0, "tick": 12.0, "propose": 8.0, "crash": 0.8, "restart": 2.5, "cut": 0.4, "transfer": 0.3},
    "storm": {"flush": 14.0, "tick": 14.0, "propose": 4.0, "crash": 3.0, "restart": 9.0, "cut": 1.0, "campaign": 1.0},
    "ballot": {"flush": 20.0, "tick": 7.0, "propose": 4.0, "crash": 6.0, "restart": 40.0, "cut": 0.2, "campaign": 4.0},
}
ALWAYS = {"deliver": 60.0, "drop": 3.0, "duplicate": 2.0, "compact": 1.0, "heal": 0.8, "suspect": 0.5, "wipe": 0.1}


class Chaos:
    """One random run. The seed is the whole story."""

    def __init__(self, seed: int, size: int, mood: str = "calm", formatted: bool = True) -> None:
        self.chance = random.Random(seed)
        self.cluster = RaftCluster(size, seed, formatted)
        self.done: Counter[str] = Counter()
        self.lost_writes = 0
        weights = ALWAYS | WEIGHTS[mood]
        self.names = sorted(weights)
        self.weights = [weights[name] for name in self.names]

    def run(self, steps: int) -> None:
        for _ in range(steps):
            name = self.chance.choices(self.names, self.weights)[0]
            getattr(self, name)()
            self.done[name] += 1

    @property
    def installed(self) -> int:
        return sum(isinstance(p, SaveSnapshot) and p.reset for p in self.cluster.written)

    def node(self) -> Node | None:
        alive = self.cluster.alive()
        return self.chance.choice(alive) if alive else None

    def deliver(self) -> None:
        packets = self.cluster.packets
        if packets:  # mostly in order, sometimes any
            late = self.chance.random() < 0.2
            self.cluster.deliver(packets.pop(self.chance.randrange(len(packets)) if late else 0))

    def drop(self) -> None:
        packets = self.cluster.packets
        if packets:
            packets.pop(self.chance.randrange(len(packets)))

    def duplicate(self) -> None:
        packets = self.cluster.packets
        if packets:
            packets.append(self.chance.choice(packets))

    def flush(self) -> None:
        node = self.node()
        if node is not None and node.disk.queue:
            self.cluster.flush(node, self.chance.randint(1, len(node.disk.queue)))

    def tick(self) -> None:
        node = self.node()
        if node is not None:
            self.cluster.now = max(self.cluster.now + MS, min(node.raft.next_deadline, self.cluster.now + 400 * MS))
            self.cluster.tick(node)

    def propose(self) -> None:
        leaders = [node for node in self.cluster.alive() if node.raft.is_leader]
        if leaders:  # a deposed one, too
            self.cluster.propose(self.chance.choice(leaders), str(self.done["propose"]))

    def compact(self) -> None:
        node = self.node()
        if node is not None and node.applied:
            self.cluster.compact(node)

    def crash(self) -> None:
        node = self.node()
        if node is not None:
            written = self.chance.randint(0, 3)
            self.lost_writes += max(0, len(node.disk.queue) - written)
            self.cluster.crash(node, written)

    def restart(self) -> None:
        down = [node for node in self.cluster.nodes.values() if not node.alive]
        if down:
            self.chance.choice(down).start()

    def cut(self) -> None:
        for _ in range(self.chance.randint(1, 3)):
            self.cluster.cut.add((self.chance.randint(1, 5), self.chance.randint(1, 5)))

    def heal(self) -> None:
        self.cluster.cut.clear()

    def transfer(self) -> None:
        leader = self.cluster.leader()
        if leader is not None:
            leader.raft.transfer(self.cluster.now, self.chance.randint(1, 5))
            self.cluster.absorb(leader)

    def campaign(self) -> None:
        """Skip the pre-vote: it protects liveness, safety must not need it."""
        node = self.node()
        if node is not None and node.raft.role in ("Follower", "PreCandidate"):
            node.raft.campaign(self.cluster.now, by_transfer=True)
            self.cluster.absorb(node)

    def suspect(self) -> None:
        node = self.node()
        if node is not None:
            node.raft.suspect(self.cluster.now, self.chance.randint(1, 5))
            self.cluster.absorb(node)

    def wipe(self) -> None:
        """A lost disk is a fault that Raft survives only one at a time: wait until the last one is replaced."""
        leader = self.cluster.leader()
        if leader is None or set(leader.raft.voters) != {node.me for node in self.cluster.nodes.values()}:
            return
        committed = self.cluster.committed
        if not committed or committed[-1][0] != leader.raft.last_index:
            return
        if all(node.disk.holds(*committed[-1]) for node in self.cluster.nodes.values()):
            node = self.node()
            if node is not None and node is not leader:
                self.cluster.wipe(node)
                node.start()


@pytest.mark.parametrize("mood", sorted(WEIGHTS))
@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("seed", range(8))
def test_a_random_network_breaks_no_promise_and_recovers(seed: int, size: int, mood: str) -> None:
    chaos = Chaos(seed, size, mood, formatted=seed % 4 != 0)
    chaos.run(STEPS)
    cluster = chaos.cluster
    cluster.cut.clear()
    for node in cluster.nodes.values():
        if not node.alive:
            node.start()
    cluster.advance_until(lambda: all_agree(cluster), 10_000)
    cluster.advance(2000)  # a transfer may still be under way
    term = max(node.raft.term for node in cluster.nodes.values())
    cluster.advance(3000)
    assert {node.raft.term for node in cluster.nodes.values()} == {term}, "a healthy cluster must not elect again"


def all_agree(cluster: RaftCluster) -> bool:
    leader = cluster.leader()
    if leader is None or not leader.raft.leader_ready:
        return False
    everybody = {node.me for node in cluster.nodes.values()}
    return set(leader.raft.voters) == everybody and all(
        node.raft.commit_index == leader.raft.last_index == leader.raft.commit_index for node in cluster.nodes.values()
    )


@pytest.mark.parametrize("mood", sorted(WEIGHTS))
def test_the_random_network_is_worth_something(mood: str) -> None:
    """Leaders change, entries are committed, snapshots are installed, writes are lost: on most seeds."""
    runs = [Chaos(seed, 3, mood) for seed in range(6)]
    for chaos in runs:
        chaos.run(STEPS)
    assert sum(len(chaos.cluster.leaders) for chaos in runs) >= 12
    assert sum(len(chaos.cluster.committed) for chaos in runs) >= 60
    assert sum(chaos.installed for chaos in runs) >= 1
    assert sum(chaos.lost_writes for chaos in runs) >= 20


# --- mutants: one rule broken at a time (two more are in test_raft_elections and test_raft_log) --------------------


def caught(mood: str = "storm", size: int = 3, first_seed: int = 0) -> str:
    """What the first random network says that notices the broken rule (``first_seed``: where one did; to be quick)."""
    for seed in range(first_seed, first_seed + 120):
        try:
            Chaos(seed, size, mood).run(STEPS)
        except (Violation, RaftInvariantError) as violation:
            return str(violation)
    return "nothing"


def test_half_is_not_a_majority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quorum, "majority", lambda count: max(1, count // 2))
    assert "election safety" in caught()


def test_a_vote_that_does_not_wait_for_the_disk_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RaftState, "term_is_durable", property(lambda self: True))
    assert "election safety" in caught("storm", first_seed=3)


def test_an_acknowledgement_before_the_flush_is_a_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    def reply(self: Following) -> None:
        self._state.out.send(self.leader.broker_id, AppendReply(self._state.term, True, self._matched, self._round))

    monkeypatch.setattr(Following, "_reply", reply)
    assert "have it on disk" in caught()


def test_a_leader_that_counts_itself_before_the_flush_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    append = RaftState.append

    def append_at_once(self: RaftState, entries: tuple[Entry, ...], truncate_from: int | None = None) -> bool:
        changed = append(self, entries, truncate_from)
        self.durable_index = self.log.last_index
        return changed

    monkeypatch.setattr(RaftState, "append", append_at_once)
    assert "have it on disk" in caught()


def test_a_late_flush_must_not_vouch_for_what_replaced_the_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget_nothing(self: RaftState, index: int) -> None:
        self.durable_index = min(self.durable_index, index)

    monkeypatch.setattr(RaftState, "_forget_durable", forget_nothing)
    assert "have it on disk" in caught("storm", first_seed=2)


def test_a_vote_for_a_shorter_log_loses_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RaftLog, "at_least", lambda self, index, term: True)
    assert caught() != "nothing"


def test_an_election_by_broker_id_ignores_whose_disk_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Voters are (id, directory): with ids alone a wiped broker votes in the name of what it has forgotten."""
    on_reply = RaftRoles._on_vote_reply

    def by_id(self: RaftRoles, now: int, source: Voter, message: VoteReply) -> None:
        named = [voter for voter in self._state.voters.voters if voter.broker_id == source.broker_id]
        on_reply(self, now, named[0] if named else source, message)

    monkeypatch.setattr(RaftRoles, "_on_vote_reply", by_id)
    cluster = RaftCluster(3)
    cluster.advance_until(lambda: cluster.leader() is not None and cluster.leader().raft.leader_ready, 3000)
    leader = cluster.leader()
    assert leader is not None
    first, second = [node for node in cluster.nodes.values() if node is not leader]
    cluster.isolate(second.broker_id)
    cluster.propose(leader, "x")
    cluster.advance(50)  # on the leader and on `first`
    cluster.crash(leader)
    cluster.wipe(first)
    first.start()
    cluster.cut.clear()
    with pytest.raises(Violation, match="leader completeness"):
        cluster.advance(10_000)
