"""Members and successors: transfer, one change at a time, wiped voters, founders."""

from __future__ import annotations

import pytest
from raft_cluster import MS, RaftCluster
from raft_stories import campaign, led_cluster, sent

from skerry_broker.core.messages import SaveRaft
from skerry_broker.core.peer_messages import AppendReply, AppendRequest, Identity, JoinRequest, TimeoutNow, VoteRequest
from skerry_broker.core.records import Entry, NoOp
from skerry_broker.core.types import Voter


def test_3_10_timeout_now_of_anybody_but_the_leader_is_ignored() -> None:
    cluster, leader = led_cluster()
    follower = cluster.nodes[2]
    follower.raft.step(cluster.now, cluster.nodes[3].me, TimeoutNow(leader.raft.term))
    follower.raft.step(cluster.now, leader.me, TimeoutNow(leader.raft.term - 1))
    assert follower.raft.role == "Follower"


def test_3_10_a_successor_that_lags_is_fed_first() -> None:
    cluster, leader = led_cluster()
    cluster.isolate(2)
    for value in "abc":
        cluster.propose(leader, value)
    cluster.settle()
    cluster.cut.clear()
    assert leader.raft.transfer(cluster.now, 2)
    assert sent(cluster, TimeoutNow) == []
    took = cluster.advance_until(lambda: cluster.nodes[2].raft.leader_ready, 500)
    assert took < 150
    assert not leader.raft.transfer(cluster.now, 2)
    assert not cluster.nodes[2].raft.transfer(cluster.now, 9)


def test_4_1_no_membership_change_before_an_entry_of_the_own_term_is_committed() -> None:
    """The single-server bug of 2015 (raft-dev)."""
    cluster = RaftCluster(3)
    leader = campaign(cluster, 1)
    joining = Voter(3, "new")
    for _ in range(5):
        leader.raft.step(cluster.now, joining, JoinRequest("c"))
        leader.raft.step(cluster.now, joining, AppendReply(leader.raft.term, True, 1, 1))
        cluster.absorb(leader)
        cluster.packets.clear()
        cluster.now = leader.raft.next_deadline
        cluster.tick(leader)
    assert leader.raft.last_index == 2  # the founding entry and the no-op


def test_4_1_one_membership_change_at_a_time() -> None:
    cluster, leader = led_cluster(5)
    for broker_id in (4, 5):
        cluster.wipe(cluster.nodes[broker_id])
        cluster.nodes[broker_id].start()
    sizes = []
    for _ in range(3000):
        cluster.advance(1)
        voters = leader.raft.voters
        if not sizes or sizes[-1] != len(voters):
            sizes.append(len(voters))
        pending = [e for e in leader.raft._state.log.slice(leader.raft.commit_index + 1, 99) if "voters" in str(e)]
        assert len(pending) <= 1
    assert sizes == [5, 4, 5, 4, 5]
    assert set(leader.raft.voters) == {node.me for node in cluster.nodes.values()}


def test_a_wiped_voter_comes_back_under_constant_writes() -> None:
    """An observer one message behind has caught up (KAFKA-13959: else it never does)."""
    cluster, leader = led_cluster()
    cluster.wipe(cluster.nodes[3])
    cluster.nodes[3].start()
    for value in range(800):
        cluster.propose(leader, str(value))
        cluster.advance(1)
        if value % 100 == 0:
            cluster.compact(leader)
    assert cluster.nodes[3].me in leader.raft.voters


def test_a_successor_that_is_gone_is_refused_at_once() -> None:
    cluster, leader = led_cluster(5)
    cluster.crash(cluster.nodes[4])
    cluster.advance(1000)
    assert not leader.raft.transfer(cluster.now, 4)
    assert cluster.propose(leader, "x") is not None


def test_a_wiped_voter_cannot_make_up_a_majority_under_its_old_identity() -> None:
    cluster, leader = led_cluster()
    cluster.isolate(1)
    cluster.wipe(cluster.nodes[3])
    cluster.nodes[3].start()
    cluster.advance(10_000)
    assert not any(node.raft.is_leader for node in cluster.nodes.values())
    assert cluster.nodes[3].raft.role == "Observer"
    cluster.cut.clear()
    cluster.advance_until(lambda: cluster.nodes[3].raft.role == "Follower", 3000)
    assert cluster.nodes[3].me in leader.raft.voters or cluster.nodes[3].me in cluster.nodes[2].raft.voters


def test_an_uncommitted_voter_set_goes_with_its_entry() -> None:
    cluster, leader = led_cluster()
    cluster.wipe(cluster.nodes[3])
    cluster.nodes[3].start()
    cluster.advance_until(lambda: len(leader.raft.voters) == 2, 2000)
    cluster.packets.clear()  # nobody heard of the removal
    before = leader.raft.commit_index
    assert leader.raft.last_index == before + 1
    request = AppendRequest(9, before, 2, before, 1, (Entry(before + 1, 9, (NoOp(),)),))
    leader.raft.step(cluster.now, cluster.nodes[2].me, request)
    assert len(leader.raft.voters) == 3


def test_two_clusters_that_answer_an_empty_disk_are_not_adopted() -> None:
    cluster = RaftCluster(3, formatted=False)
    node = cluster.nodes[2]
    cluster.nodes[1].alive = False
    node.raft.step(cluster.now, cluster.nodes[3].me, Identity(None, (), None))
    node.raft._formation._answers[1] = (cluster.now, Voter(1, "a"), Identity("one", (), None))
    node.raft.step(cluster.now, cluster.nodes[3].me, Identity("two", (), None))
    cluster.absorb(node)
    assert node.disk.queue == []
    assert node.raft.role == "Unformatted"


def test_an_unformatted_replica_neither_votes_nor_takes_entries() -> None:
    cluster = RaftCluster(3, formatted=False)
    node = cluster.nodes[2]
    node.raft.step(cluster.now, Voter(1, "a"), VoteRequest(5, 9, 4, False))
    node.raft.step(cluster.now, Voter(1, "a"), AppendRequest(5, 0, 0, 0, 1, (Entry(1, 5, (NoOp(),)),)))
    cluster.absorb(node)
    assert cluster.packets == []
    assert node.disk.queue == []


@pytest.mark.parametrize("written", [0, 1, 2, 3])
def test_a_founder_that_crashes_after_any_write_founds_or_goes_on(written: int) -> None:
    cluster = RaftCluster(3, formatted=False)
    founder = cluster.nodes[1]
    while not founder.disk.queue:
        cluster.now += 10 * MS
        for node in cluster.alive():
            cluster.tick(node)
        packets, cluster.packets = cluster.packets, []
        for packet in packets:
            cluster.deliver(packet)
    assert len(founder.disk.queue) == 3
    assert not any(isinstance(p.message, Identity) and p.message.cluster_id for p in cluster.packets)
    cluster.crash(founder, written)
    founder.start()
    cluster.advance_until(lambda: founder.raft.leader_ready or cluster.nodes[2].raft.leader_ready, 5000)
    cluster.advance(1000)
    assert len({node.raft.cluster_id for node in cluster.nodes.values()}) == 1
    assert all(len(node.raft.voters) == 3 and node.raft.commit_index >= 2 for node in cluster.nodes.values())


def test_a_founder_waits_for_everybody() -> None:
    cluster = RaftCluster(3, formatted=False)
    cluster.crash(cluster.nodes[2])
    cluster.advance(10_000)
    assert {node.raft.role for node in cluster.alive()} == {"Unformatted"}


def test_a_corrupt_log_never_counts_never_votes_and_is_never_written_over() -> None:
    cluster, leader = led_cluster()
    corrupt = cluster.nodes[3]
    cluster.crash(corrupt)
    corrupt.disk.intact = False
    before = list(corrupt.disk.entries)
    corrupt.start()
    cluster.propose(leader, "x")
    cluster.advance(300)
    assert corrupt.raft.commit_index == leader.raft.commit_index == 3
    cluster.crash(corrupt)
    corrupt.start()  # it forgot everything again, and is fed again
    cluster.advance(300)
    assert corrupt.raft.commit_index == 3
    cluster.isolate(2)
    cluster.propose(leader, "y")
    cluster.advance(3000)
    assert leader.raft.commit_index == 3
    assert not any(node.raft.is_leader for node in cluster.nodes.values())
    assert corrupt.disk.entries == before
    assert not any(isinstance(effect, SaveRaft) for effect in corrupt.disk.queue)
