"""Rounds of heartbeats: what they confirm, CheckQuorum, suspicion."""

from __future__ import annotations

import pytest
from raft_cluster import MS
from raft_stories import campaign, led_cluster

from skerry_broker.core.peer_messages import AppendReply
from skerry_broker.core.raft import RaftInvariantError
from skerry_broker.core.types import Voter


def test_6_4_a_round_is_confirmed_only_by_replies_to_messages_sent_after_it_was_begun() -> None:
    cluster, leader = led_cluster()
    cluster.now = leader.raft.next_deadline
    cluster.tick(leader)
    round_ = leader.raft.begin_round(cluster.now)
    cluster.settle()  # the heartbeat that was under way is answered by all
    assert leader.raft.confirmed_round == round_ - 1
    cluster.now = leader.raft.next_deadline
    cluster.tick(leader)
    cluster.settle()
    assert leader.raft.confirmed_round == round_


def test_rounds_asked_for_within_half_a_heartbeat_share_one() -> None:
    cluster, leader = led_cluster()
    rounds = {leader.raft.begin_round(cluster.now + step * MS) for step in range(0, 50, 10)}
    assert len(rounds) == 1
    assert leader.raft.next_deadline <= cluster.now + 50 * MS
    with pytest.raises(RaftInvariantError, match="only a leader"):
        cluster.nodes[2].raft.begin_round(cluster.now)


def test_a_refusal_confirms_a_round_too_but_another_directory_does_not() -> None:
    cluster, leader = led_cluster()
    confirmed = leader.raft.confirmed_round
    cluster.now = leader.raft.next_deadline
    cluster.tick(leader)
    term = leader.raft.term
    for stranger in (Voter(2, "other"), Voter(3, "other"), Voter(4, "d")):
        leader.raft.step(cluster.now, stranger, AppendReply(term, True, 2, confirmed + 1))
    assert leader.raft.confirmed_round == confirmed
    leader.raft.step(cluster.now, cluster.nodes[2].me, AppendReply(term, False, 1, confirmed + 1, 1))
    assert leader.raft.confirmed_round == confirmed + 1


def test_confirmed_rounds_start_again_with_every_term() -> None:
    cluster, leader = led_cluster()
    cluster.advance(1000)
    assert leader.raft.confirmed_round > 5
    second = campaign(cluster, 2)
    assert second.raft.confirmed_round == 0
    cluster.settle()
    assert second.raft.confirmed_round == 1
    assert (leader.raft.role, leader.raft.confirmed_round) == ("Follower", 0)


@pytest.mark.parametrize("reachable", [0, 1])
def test_6_2_a_leader_steps_down_when_a_round_stays_unanswered_for_check_quorum(reachable: int) -> None:
    cluster, leader = led_cluster(5)
    cluster.isolate(*range(1, 2 + reachable))
    waited = cluster.advance_until(lambda: not leader.raft.is_leader, 1000)
    assert 400 <= waited <= 605


def test_a_leader_with_exactly_a_majority_stays() -> None:
    cluster, leader = led_cluster(5)
    cluster.isolate(1, 2, 3)
    cluster.advance(5000)
    assert leader.raft.is_leader
    assert leader.raft.term == 2


def test_a_paused_leader_steps_down_at_its_first_tick_after_the_pause() -> None:
    cluster, leader = led_cluster()
    cluster.now += 30_000 * MS
    cluster.tick(leader)
    cluster.now = leader.raft.next_deadline
    cluster.tick(leader)
    cluster.now += 500 * MS
    cluster.tick(leader)
    assert not leader.raft.is_leader


def test_suspicion_of_somebody_else_or_by_the_leader_changes_nothing() -> None:
    cluster, leader = led_cluster()
    follower = cluster.nodes[2]
    before = (follower.raft.next_deadline, leader.raft.next_deadline)
    follower.raft.suspect(cluster.now, 3)
    leader.raft.suspect(cluster.now, 2)
    assert (follower.raft.next_deadline, leader.raft.next_deadline) == before


def test_a_false_suspicion_is_forgotten_with_the_next_heartbeat() -> None:
    cluster, _ = led_cluster()
    follower = cluster.nodes[2]
    for _ in range(50):
        follower.raft.suspect(cluster.now, 1)
        cluster.advance(100)
    assert [node.raft.term for node in cluster.nodes.values()] == [2, 2, 2]
