"""The Raft paper on the log, sentence by sentence: what is committed, and what a follower accepts."""

from __future__ import annotations

import pytest
from raft_cluster import RaftCluster, Violation
from raft_stories import campaign, led_cluster

from skerry_broker.core import leadership
from skerry_broker.core.leadership import UNCOMMITTED_ENTRIES_MAX, Leadership
from skerry_broker.core.peer_messages import AppendReply, AppendRequest
from skerry_broker.core.quorum import agreed
from skerry_broker.core.raft import RaftInvariantError
from skerry_broker.core.records import Entry, NoOp, TopicDeleted


def figure_8(cluster: RaftCluster) -> None:
    """Figure 8, with our no-ops: in the end 5 leads with another entry 3 than 1, 2 and 3 once held."""
    s1, s2, s3, _, s5 = cluster.nodes.values()
    campaign(cluster, 1)
    cluster.settle()
    # (a) 1 leads term 2, and entry 3/2 reaches 2 alone
    cluster.isolate(1, 2)
    cluster.propose(s1, "x")
    cluster.flush(s1)
    cluster.deliver(cluster.packets.pop())
    cluster.flush(s2)
    cluster.packets.clear()
    cluster.crash(s1)
    # (b) 5 is elected by 3 and 4, and crashes with a no-op that only it has
    campaign(cluster, 5)
    cluster.flush(s5)
    cluster.packets.clear()
    cluster.crash(s5)
    # (c) 1 is back, elected by 2 and 3, and brings 3/2 to a majority, but not yet its own no-op
    cluster.cut.clear()
    cluster.isolate(1, 2, 3)
    s1.start()
    campaign(cluster, 1)
    cluster.flush(s1)
    to_2 = [p for p in cluster.packets if p.destination == 2]
    to_3 = [p for p in cluster.packets if p.destination == 3]
    assert len(to_2) == len(to_3) == 1
    cluster.packets.clear()
    cluster.deliver(to_3[0])  # 3 lacks entry 3
    cluster.flush(s3)
    cluster.deliver(cluster.packets.pop())
    cluster.deliver(cluster.packets.pop())
    cluster.flush(s3)
    cluster.deliver(cluster.packets.pop())
    cluster.packets.clear()
    s1.raft.step(cluster.now, s2.me, AppendReply(s1.raft.term, True, 3, 1))
    cluster.absorb(s1)
    assert all(node.disk.holds(3, 2) for node in (s1, s2, s3))
    cluster.packets.clear()
    # (d) 1 crashes; 5 has the higher last term
    cluster.crash(s1)
    cluster.cut.clear()
    s5.start()
    campaign(cluster, 5)
    cluster.settle()
    assert all(node.raft._state.log.term_at(3) == s5.raft._state.log.term_at(3) != 2 for node in cluster.alive())


def test_5_4_2_an_entry_of_an_older_term_is_not_committed_by_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadership, "MESSAGE_ENTRIES", 1)
    cluster = RaftCluster(5)
    figure_8(cluster)
    assert (3, 2) not in cluster.committed


def test_5_4_2_a_leader_that_counts_entries_of_older_terms_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def advance_commit(self: Leadership, now: int) -> None:
        state = self._state
        durable = [state.durable_index if v == state.me else self._surety(v) for v in state.voters.voters]
        if state.commit_to(max(state.commit_index, agreed(durable))):
            self.ready = state.commit_index >= self._noop_index

    monkeypatch.setattr(leadership, "MESSAGE_ENTRIES", 1)
    monkeypatch.setattr(Leadership, "_advance_commit", advance_commit)
    with pytest.raises(Violation, match="leader completeness"):
        figure_8(RaftCluster(5))


def test_a_committed_entry_is_never_truncated() -> None:
    """KAFKA-12460: the node stops instead."""
    cluster, leader = led_cluster()
    follower = cluster.nodes[2]
    other = Entry(2, 3, (NoOp(),))
    with pytest.raises(RaftInvariantError, match="entries up to 2 are committed"):
        follower.raft.step(cluster.now, cluster.nodes[3].me, AppendRequest(3, 1, 1, 1, 1, (other,)))
    with pytest.raises(RaftInvariantError, match="committed entry 2"):
        cluster.nodes[1].raft.step(cluster.now, cluster.nodes[3].me, AppendRequest(3, 2, 3, 1, 1))
    assert leader.disk.holds(2, 2)


def test_5_3_a_heartbeat_that_overtakes_entries_loses_nothing() -> None:
    cluster, leader = led_cluster()
    for value in "abc":
        cluster.propose(leader, value)
    cluster.now = leader.raft.next_deadline
    cluster.tick(leader)
    cluster.packets.reverse()
    cluster.settle()
    assert [node.raft.commit_index for node in cluster.nodes.values()] == [5, 5, 5]


def test_5_3_lost_entries_are_found_by_the_next_heartbeat() -> None:
    cluster, leader = led_cluster()
    cluster.propose(leader, "lost on the way")
    cluster.packets.clear()
    cluster.advance(150)
    assert [node.raft.commit_index for node in cluster.nodes.values()] == [3, 3, 3]


def test_a_follower_far_behind_is_fed_in_bounded_messages_and_a_bounded_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leadership, "WINDOW_ENTRIES", 10)
    monkeypatch.setattr(leadership, "MESSAGE_ENTRIES", 4)
    cluster, leader = led_cluster()
    for index in range(40):
        cluster.propose(leader, str(index))
    requests = [packet.message for packet in cluster.packets if packet.destination == 2]
    assert all(isinstance(request, AppendRequest) and len(request.entries) <= 4 for request in requests)
    assert sum(len(request.entries) for request in requests if isinstance(request, AppendRequest)) == 10
    cluster.settle()
    assert cluster.nodes[2].raft.last_index == 42


def test_a_leader_without_a_quorum_does_not_grow_its_log_without_end() -> None:
    cluster, leader = led_cluster()
    cluster.isolate(1)
    accepted = [leader.raft.propose(cluster.now, (TopicDeleted("x", ""),)) for _ in range(UNCOMMITTED_ENTRIES_MAX + 5)]
    assert accepted[UNCOMMITTED_ENTRIES_MAX - 1] is not None
    assert accepted[UNCOMMITTED_ENTRIES_MAX:] == [None] * 5


def test_a_deposed_leader_and_a_follower_take_no_proposals() -> None:
    cluster, leader = led_cluster()
    assert cluster.nodes[2].raft.propose(cluster.now, (NoOp(),)) is None
    leader.raft.step(cluster.now, cluster.nodes[2].me, AppendReply(9, False, 0, 0))
    assert leader.raft.propose(cluster.now, (NoOp(),)) is None


def test_a_single_voter_leads_at_once_and_commits_after_its_own_flush() -> None:
    cluster = RaftCluster(1)
    node = cluster.nodes[1]
    cluster.tick(node)
    assert node.raft.role == "Candidate"
    cluster.flush(node)
    assert (node.raft.role, node.raft.leader_ready) == ("Leader", False)
    cluster.flush(node)
    assert node.raft.leader_ready
    assert cluster.propose(node, "x") == 3
    assert node.raft.commit_index == 2
    cluster.flush(node)
    assert node.raft.commit_index == 3
    cluster.advance(3000)
    assert node.raft.is_leader
