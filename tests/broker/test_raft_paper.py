"""The Raft paper and thesis, sentence by sentence, where a transcript would not say it better.

Section numbers are of the extended paper ("In Search of an Understandable Consensus Algorithm"), or of Ongaro's thesis.
"""

from __future__ import annotations

import pytest
from raft_cluster import MS, Node, RaftCluster, Violation

from skerry_broker.core import leadership
from skerry_broker.core.leadership import UNCOMMITTED_ENTRIES_MAX, Leadership
from skerry_broker.core.messages import SaveRaft
from skerry_broker.core.peer_messages import (
    AppendReply,
    AppendRequest,
    Identity,
    JoinRequest,
    PeerMessage,
    SnapshotRequest,
    TimeoutNow,
    VoteReply,
    VoteRequest,
)
from skerry_broker.core.quorum import agreed
from skerry_broker.core.raft import RaftInvariantError
from skerry_broker.core.raft_roles import TERM_STEP_MAX
from skerry_broker.core.raft_state import RaftState
from skerry_broker.core.records import Entry, NoOp, TopicDeleted
from skerry_broker.core.types import HardState, Voter


def later(cluster: RaftCluster) -> None:
    """All leases run out, without anybody noticing yet."""
    cluster.now += 2000 * MS


def campaign(cluster: RaftCluster, broker_id: int) -> Node:
    """Let one replica win an election by votes alone: what it sends as a leader stays on its way."""
    node = cluster.nodes[broker_id]
    for _ in range(20):
        if node.raft.role == "Follower":  # at first, and after it has learned of a higher term
            later(cluster)
            node.raft._ask_for_pre_votes(cluster.now)
            cluster.absorb(node)
        for other in cluster.alive():
            if other.disk.queue and not other.raft.is_leader:
                cluster.flush(other)
        votes = [p for p in cluster.packets if isinstance(p.message, (VoteRequest, VoteReply))]
        cluster.packets = [p for p in cluster.packets if p not in votes]
        for packet in votes:
            cluster.deliver(packet)
    assert node.raft.is_leader
    return node


def led_cluster(size: int = 3, leader: int = 1) -> tuple[RaftCluster, Node]:
    cluster = RaftCluster(size)
    node = campaign(cluster, leader)
    cluster.settle()
    assert node.raft.leader_ready
    return cluster, node


def sent(cluster: RaftCluster, kind: type) -> list[object]:
    return [packet.message for packet in cluster.packets if isinstance(packet.message, kind)]


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
        candidate.raft._campaign(cluster.now)
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
        write_id = self.out._effects.pop().write_id  # type: ignore[union-attr]  # save() has just put it there
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
    node.raft._ask_for_pre_votes(cluster.now)
    for peer in (2, 3):
        node.raft.step(cluster.now, cluster.nodes[peer].me, VoteReply(2, True, True))
    cluster.absorb(node)
    cluster.flush(node)
    assert node.raft.role == "Candidate"
    node.raft._ask_for_pre_votes(cluster.now)
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


# --- rounds, CheckQuorum, suspicion --------------------------------------------------------------------------


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


# --- transfer ------------------------------------------------------------------------------------------------


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


# --- members -------------------------------------------------------------------------------------------------


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
