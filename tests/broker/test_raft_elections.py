"""The Raft paper on elections, sentence by sentence: terms, votes, who may win."""

from __future__ import annotations

import pytest
from raft_cluster import RaftCluster, Violation
from raft_stories import later, led_cluster, sent

from skerry_broker.core.messages import SaveRaft
from skerry_broker.core.peer_messages import (
    AppendReply,
    AppendRequest,
    PeerMessage,
    SnapshotRequest,
    VoteReply,
    VoteRequest,
)
from skerry_broker.core.raft import RaftInvariantError
from skerry_broker.core.raft_roles import TERM_STEP_MAX
from skerry_broker.core.raft_state import RaftState
from skerry_broker.core.types import HardState, Voter


def test_5_1_a_leader_that_learns_of_a_higher_term_becomes_a_follower() -> None:
    cluster, leader = led_cluster()
    term = leader.raft.term
    leader.raft.step(cluster.now, cluster.nodes[2].me, AppendReply(term + 3, False, 0, 0))
    assert (leader.raft.role, leader.raft.term, leader.raft.leader) == ("Follower", term + 3, None)


def test_5_1_a_request_with_a_stale_term_is_answered_so_that_the_sender_learns_the_term() -> None:
    cluster, leader = led_cluster()
    follower = cluster.nodes[2]
    follower.raft.step(cluster.now, Voter(3, "c"), AppendRequest(1, 0, 0, 0, 7))
    cluster.absorb(follower)
    assert sent(cluster, AppendReply) == [AppendReply(leader.raft.term, False, 0, 7)]


def test_5_2_two_leaders_in_one_term_stop_the_node_that_sees_it() -> None:
    cluster, leader = led_cluster()
    with pytest.raises(RaftInvariantError, match="two leaders in term 2"):
        cluster.nodes[2].raft.step(cluster.now, Voter(3, "c"), AppendRequest(leader.raft.term, 0, 0, 0, 1))


def test_5_2_a_voter_votes_once_per_term_also_after_a_restart() -> None:
    cluster = RaftCluster(3)
    voter = cluster.nodes[3]
    later(cluster)
    for candidate, restart in ((1, False), (2, True)):
        if restart:
            cluster.crash(voter)
            voter.start()
        voter.raft.step(cluster.now, cluster.nodes[candidate].me, VoteRequest(2, 1, 1, False))
        cluster.absorb(voter)
        cluster.flush(voter)
    assert sent(cluster, VoteReply) == [VoteReply(2, True, False), VoteReply(2, False, False)]


def two_candidates_and_a_crash(cluster: RaftCluster) -> None:
    """1 and 2 stand in term 2. 3 votes for 1, loses its power, and is asked by 2."""
    s1, s2, s3 = cluster.nodes.values()
    cluster.cut |= {(1, 2), (2, 1)}
    for candidate in (s1, s2):
        candidate.raft.campaign(cluster.now)
        cluster.absorb(candidate)
    cluster.flush(s1)
    cluster.deliver(cluster.packets.pop())
    if s3.disk.queue:
        cluster.flush(s3)
    cluster.deliver(cluster.packets.pop())
    cluster.packets.clear()
    cluster.crash(s3)
    s3.start()
    cluster.flush(s2)
    cluster.settle()
    assert s1.raft.is_leader


def test_5_2_a_crash_between_two_requests_makes_no_second_leader() -> None:
    cluster = RaftCluster(3)
    two_candidates_and_a_crash(cluster)
    assert cluster.leaders == {2: cluster.nodes[1].me}


def test_5_2_a_vote_that_is_not_on_disk_is_given_twice_and_that_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    save = RaftState.save_hard_state

    def forget_the_vote(self: RaftState, term: int, voted_for: Voter | None) -> None:
        save(self, term, voted_for)
        write_id = self.out.effects.pop().write_id  # type: ignore[union-attr]  # save() has just put it there
        self.out.put(SaveRaft(write_id, HardState(term, None)))

    monkeypatch.setattr(RaftState, "save_hard_state", forget_the_vote)
    with pytest.raises(Violation, match="election safety"):
        two_candidates_and_a_crash(RaftCluster(3))


def test_5_2_no_vote_leaves_before_it_is_durable() -> None:
    cluster = RaftCluster(3)
    voter = cluster.nodes[3]
    later(cluster)
    voter.raft.step(cluster.now, cluster.nodes[1].me, VoteRequest(2, 1, 1, False))
    cluster.absorb(voter)
    assert sent(cluster, VoteReply) == []
    cluster.flush(voter)
    assert sent(cluster, VoteReply) == [VoteReply(2, True, False)]


def test_5_2_votes_of_an_abandoned_candidacy_do_not_count_for_the_next_question() -> None:
    """Found by the random network (seed 5, five replicas): a late vote made up a majority with new pre-votes."""
    cluster = RaftCluster(5)
    node = cluster.nodes[1]
    later(cluster)
    node.raft.ask_for_pre_votes(cluster.now)
    for peer in (2, 3):
        node.raft.step(cluster.now, cluster.nodes[peer].me, VoteReply(2, True, True))
    cluster.absorb(node)
    cluster.flush(node)
    assert node.raft.role == "Candidate"
    node.raft.ask_for_pre_votes(cluster.now)
    node.raft.step(cluster.now, cluster.nodes[2].me, VoteReply(3, True, True))
    node.raft.step(cluster.now, cluster.nodes[3].me, VoteReply(2, True, False))
    assert node.raft.role == "PreCandidate"


@pytest.mark.parametrize(
    ("last_index", "last_term", "granted"),
    [(3, 2, True), (4, 2, True), (2, 2, False), (9, 1, False), (1, 3, True)],
)
def test_5_4_1_a_vote_needs_a_log_that_is_at_least_as_up_to_date(
    last_index: int, last_term: int, granted: bool
) -> None:
    cluster, leader = led_cluster()
    cluster.propose(leader, "x")
    cluster.settle()  # every log ends 3/2
    later(cluster)
    voter = cluster.nodes[3]
    voter.raft.step(cluster.now, cluster.nodes[2].me, VoteRequest(4, last_index, last_term, False))
    cluster.absorb(voter)
    cluster.flush(voter)
    assert sent(cluster, VoteReply) == [VoteReply(4, granted, False)]


FAR = (1 << 64) - 1
"""The last term that the wire can carry: nobody could ever be elected in the next."""


@pytest.mark.parametrize(
    "message",
    [
        AppendRequest(FAR, 0, 0, 0, 1),
        AppendReply(FAR, False, 0, 1),
        VoteRequest(FAR, 99, FAR - 1, False),
        VoteRequest(FAR, 99, FAR - 1, False, True),
        VoteReply(FAR, False, False),
        SnapshotRequest(FAR, 5, FAR - 1, (), b"", 1),
        AppendRequest(TERM_STEP_MAX + 3, 0, 0, 0, 1),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_term_that_no_election_can_have_reached_is_ignored(message: PeerMessage) -> None:
    """Entered, it would be on disk, and the cluster could never elect anybody again."""
    cluster, leader = led_cluster()
    term = leader.raft.term
    assert term == 2
    for node in cluster.nodes.values():
        node.raft.step(cluster.now, Voter(9, "somebody"), message)
    cluster.advance(2000)
    assert {node.raft.term for node in cluster.nodes.values()} == {term}
    cluster.propose(leader, "x")
    cluster.advance(300)
    assert all(node.raft.commit_index == leader.raft.last_index for node in cluster.nodes.values())


def test_a_replica_that_was_away_for_many_elections_is_heard() -> None:
    cluster, leader = led_cluster()
    leader.raft.step(cluster.now, cluster.nodes[2].me, AppendReply(TERM_STEP_MAX + 2, False, 0, 1))
    assert leader.raft.term == TERM_STEP_MAX + 2
