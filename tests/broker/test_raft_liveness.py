"""What Raft must do in the end: a stable leader whenever some majority is connected (I-LIV-1, I-LIV-2).

Every way to cut the six directed links between three replicas is tried, with the leader at every place. PreVote,
CheckQuorum and the lease are each needed for some of them (Cloudflare 2020, B12; KIP-996).
"""

from __future__ import annotations

import itertools

import pytest
from raft_cluster import MS, RaftCluster

from skerry_broker.core.leadership import Leadership
from skerry_broker.core.raft_roles import RaftRoles
from skerry_broker.core.types import HardState

LINKS = [(a, b) for a in (1, 2, 3) for b in (1, 2, 3) if a != b]
PAIRS = [(1, 2), (1, 3), (2, 3)]


def connected_pairs(cut: set[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(a, b) for a, b in PAIRS if (a, b) not in cut and (b, a) not in cut]


CUTS = [
    cut
    for size in range(6)
    for cut in map(set, itertools.combinations(LINKS, size))
    if connected_pairs(cut)  # some majority can talk
]


def led_by(broker_id: int, size: int = 3) -> RaftCluster:
    cluster = RaftCluster(size)
    cluster.now = 5000 * MS
    cluster.nodes[broker_id].raft.campaign(cluster.now)
    cluster.absorb(cluster.nodes[broker_id])
    cluster.advance(300)
    assert cluster.nodes[broker_id].raft.leader_ready
    return cluster


def shown(cut: set[tuple[int, int]]) -> str:
    return " ".join(f"{a}{b}" for a, b in sorted(cut)) or "none"


@pytest.mark.parametrize("leader", [1, 2, 3])
def test_some_connected_majority_has_a_stable_leader(leader: int) -> None:
    for cut in CUTS:
        cluster = led_by(leader)
        cluster.cut = set(cut)
        cluster.advance(8000)
        now_leading = cluster.leader()
        assert now_leading is not None, shown(cut)
        before = len(cluster.committed)
        term = now_leading.raft.term
        cluster.propose(now_leading, "x")
        cluster.advance(4000)
        assert now_leading.raft.is_leader, shown(cut)
        assert now_leading.raft.term == term, shown(cut)
        assert len(cluster.committed) > before, shown(cut)
        assert term <= 4, f"{shown(cut)}: {term - 2} elections"


@pytest.mark.parametrize("leader", [1, 2, 3])
@pytest.mark.parametrize("lost", PAIRS)
def test_one_lost_link_costs_no_election(leader: int, lost: tuple[int, int]) -> None:
    cluster = led_by(leader)
    cluster.cut = {lost, lost[::-1]}
    cluster.advance(30_000)
    assert {node.raft.term for node in cluster.nodes.values()} == {2}
    assert cluster.nodes[leader].raft.is_leader


def test_an_isolated_replica_comes_back_without_an_election() -> None:
    for size, isolated in ((3, 1), (5, 1), (5, 2)):
        cluster = led_by(1, size)
        cluster.isolate(*range(size - isolated + 1, size + 1))
        cluster.advance(20_000)
        cluster.propose(cluster.nodes[1], "x")
        cluster.advance(100)
        cluster.cut.clear()
        cluster.advance(200)
        assert {node.raft.term for node in cluster.nodes.values()} == {2}
        assert {node.raft.commit_index for node in cluster.nodes.values()} == {3}


@pytest.mark.parametrize("period_ms", [200, 450, 700, 1500, 3000])
def test_a_flapping_link_does_not_grow_the_term_for_ever(period_ms: int) -> None:
    cluster = led_by(1)
    for _ in range(20):
        cluster.isolate(3)
        cluster.advance(period_ms)
        cluster.cut.clear()
        cluster.advance(period_ms)
    assert cluster.nodes[1].raft.is_leader
    assert cluster.nodes[1].raft.term == 2


def test_elections_after_a_crash_meet_the_timeouts() -> None:
    """Without suspicion: at most one election timeout and a few milliseconds, unless the vote splits."""
    times = []
    for seed in range(60):
        cluster = RaftCluster(3, seed)
        cluster.advance_until(lambda cluster=cluster: (leader := cluster.leader()) and leader.raft.leader_ready, 5000)
        cluster.advance(500)
        old = cluster.leader()
        assert old is not None
        cluster.crash(old)
        times.append(
            cluster.advance_until(
                lambda cluster=cluster: (leader := cluster.leader()) and leader.raft.leader_ready, 5000
            )
        )
    times.sort()
    assert times[30] < 900
    assert times[-1] < 2100


def test_elections_after_a_refused_connection_are_much_faster() -> None:
    times = []
    for seed in range(60):
        cluster = RaftCluster(3, seed)
        cluster.advance_until(lambda cluster=cluster: (leader := cluster.leader()) and leader.raft.leader_ready, 5000)
        cluster.advance(500)
        old = cluster.leader()
        assert old is not None
        cluster.crash(old)
        for node in cluster.alive():
            node.raft.suspect(cluster.now, old.broker_id)
        times.append(
            cluster.advance_until(
                lambda cluster=cluster: (leader := cluster.leader()) and leader.raft.leader_ready, 5000
            )
        )
    times.sort()
    assert times[30] < 350
    assert times[-1] < 1500


def test_everybody_killed_at_once_comes_back_with_the_same_log() -> None:
    cluster = led_by(2)
    for index in range(20):
        cluster.propose(cluster.nodes[2], str(index))
    cluster.advance(100)
    committed = list(cluster.committed)
    for node in cluster.nodes.values():
        cluster.crash(node)
    for node in cluster.nodes.values():
        node.start()
    cluster.advance(3000)
    assert all(node.applied[: len(committed)] == committed for node in cluster.nodes.values())
    assert len(committed) == 22


def follower_of_a_higher_term() -> None:
    """3 was part of an election that failed: the others do not know its term, and their leader must learn it."""
    cluster = led_by(1)
    node = cluster.nodes[3]
    cluster.crash(node)
    node.disk.hard_state = HardState(9, None)
    node.start()
    cluster.advance(5000)
    leader = cluster.leader()
    assert leader is not None
    assert [n.raft.term for n in cluster.nodes.values()] == [leader.raft.term] * 3
    assert [n.raft.commit_index for n in cluster.nodes.values()] == [leader.raft.last_index] * 3


def test_a_follower_of_a_higher_term_is_not_stuck() -> None:
    follower_of_a_higher_term()


# --- mutants: each of the rules is needed -----------------------------------------------------------------------


def test_without_the_lease_one_lost_link_deposes_a_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RaftRoles, "_in_lease", lambda self, now: False)
    with pytest.raises(AssertionError):
        test_one_lost_link_costs_no_election(1, (1, 2))


def test_without_the_pre_vote_an_isolated_replica_comes_back_with_an_election(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RaftRoles, "ask_for_pre_votes", lambda self, now: self.campaign(now))
    with pytest.raises(AssertionError):
        test_an_isolated_replica_comes_back_without_an_election()


def test_without_check_quorum_a_leader_that_nobody_answers_leads_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def tick(self: Leadership, now: int) -> bool:
        self._sent.clear()
        if now >= self.heartbeat_at:
            self._broadcast_round(now)
        return True

    monkeypatch.setattr(Leadership, "tick", tick)
    with pytest.raises(AssertionError, match="12 31"):
        test_some_connected_majority_has_a_stable_leader(1)


def test_without_an_answer_to_stale_leaders_a_higher_term_is_a_dead_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RaftRoles, "_refuse_stale_leader", lambda *_: None)
    with pytest.raises(AssertionError):
        follower_of_a_higher_term()
