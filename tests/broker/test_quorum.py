"""The arithmetic of majorities and the bookkeeping of the log, against dumb twins."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skerry_broker.core.membership import VoterHistory, next_voters
from skerry_broker.core.messages import RaftSnapshot
from skerry_broker.core.progress import Flow, Progress
from skerry_broker.core.quorum import agreed, lost, majority, won
from skerry_broker.core.raftlog import NO_TERM, RaftInvariantError, RaftLog
from skerry_broker.core.records import Entry, Founded, NoOp, VotersChanged
from skerry_broker.core.types import Voter

A, B, C, D, E = (Voter(number, letter) for number, letter in enumerate("abcde", 1))


# --- majorities ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("voters", "needed"), [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)])
def test_majority(voters: int, needed: int) -> None:
    assert majority(voters) == needed


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_any_two_majorities_meet_also_of_sets_that_differ_by_one(size: int) -> None:
    one = range(size)
    for other in (range(size), range(size + 1)):
        for first in itertools.combinations(one, majority(size)):
            for second in itertools.combinations(other, majority(len(other))):
                assert set(first) & set(second)


def slow_agreed(values: list[int]) -> int:
    """Try every value, highest first."""
    for candidate in sorted(values, reverse=True):
        if sum(1 for value in values if value >= candidate) * 2 > len(values):
            return candidate
    return 0


@given(st.lists(st.integers(0, 6), max_size=7))
def test_agreed_is_the_highest_value_of_a_majority(values: list[int]) -> None:
    assert agreed(values) == slow_agreed(values)


def test_agreed_exhaustively_for_three() -> None:
    for values in itertools.product(range(4), repeat=3):
        assert agreed(values) == slow_agreed(list(values))


@given(
    st.lists(st.sampled_from([A, B, C, D, E]), unique=True), st.dictionaries(st.sampled_from([A, B, C]), st.booleans())
)
def test_won_and_lost_count_votes_of_voters_only(voters: list[Voter], votes: dict[Voter, bool]) -> None:
    yes = len([voter for voter in voters if votes.get(voter) is True])
    no = len([voter for voter in voters if votes.get(voter) is False])
    assert won(voters, votes) == (yes * 2 > len(voters))
    open_votes = len(voters) - yes - no
    assert lost(voters, votes) == ((yes + open_votes) * 2 <= len(voters))
    assert not (won(voters, votes) and lost(voters, votes))


def test_a_vote_from_another_directory_does_not_count() -> None:
    assert not won((A, B, C), {A: True, Voter(2, "other"): True, Voter(3, "other"): True})


# --- the log ------------------------------------------------------------------------------------------------


def entries(terms: list[int], start: int = 1) -> tuple[Entry, ...]:
    return tuple(Entry(start + position, term, (NoOp(),)) for position, term in enumerate(terms))


def test_a_log_with_a_gap_or_terms_that_go_back_is_refused() -> None:
    with pytest.raises(RaftInvariantError, match="entry 3 of term 1 cannot follow entry 1 of term 1"):
        RaftLog(None, (*entries([1]), *entries([1], start=3)))
    with pytest.raises(RaftInvariantError, match="entry 2 of term 1 cannot follow entry 1 of term 2"):
        RaftLog(None, entries([2, 1]))


@given(
    st.lists(st.integers(1, 4), max_size=8).map(sorted),
    st.integers(0, 8),
    st.integers(0, 10),
    st.integers(0, 5),
)
def test_the_log_against_a_list(terms: list[int], compacted: int, index: int, term: int) -> None:
    compacted = min(compacted, len(terms))
    log = RaftLog(None, entries(terms))
    if compacted:
        log.compact(RaftSnapshot(compacted, terms[compacted - 1], (), b""))
    known = {0: 0} if not compacted else {}
    known |= {position: t for position, t in enumerate(terms, 1) if position >= compacted}
    assert log.term_at(index) == known.get(index, NO_TERM)
    assert (log.last_index, log.last_term) == (len(terms), terms[-1] if terms else 0)
    assert [e.term for e in log.slice(compacted + 1, 3)] == terms[compacted : compacted + 3]
    assert log.at_least(index, term) == ((term, index) >= (log.last_term, log.last_index))
    agree = [i for i, t in known.items() if i <= index and t <= term]
    hint = log.last_at_most(index, term)
    assert hint == max(agree) if agree else hint < max(compacted, 1)
    if compacted < index <= len(terms):
        log.truncate_from(index)
        assert log.last_index == index - 1
        assert log.term_at(index) == NO_TERM
    if index <= compacted:
        with pytest.raises(RaftInvariantError):
            log.truncate_from(index)


@given(
    st.lists(st.sampled_from([1, 2, 3]), max_size=6).map(sorted),
    st.lists(st.sampled_from([4, 6, 8]), max_size=6).map(sorted),
    st.lists(st.sampled_from([5, 7, 9]), max_size=6).map(sorted),
)
def test_backtracking_finds_the_last_equal_entry_in_as_many_questions_as_terms(
    common: list[int], our_tail: list[int], their_tail: list[int]
) -> None:
    """Leader and follower with a common start and tails of different leaders (one term has one leader)."""
    ours, theirs, agree = common + our_tail, common + their_tail, len(common)
    leader, follower = RaftLog(None, entries(ours)), RaftLog(None, entries(theirs))
    progress = Progress(B, leader.last_index + 1)
    questions = 0
    while follower.term_at(progress.next - 1) != leader.term_at(progress.next - 1):
        prev = progress.next - 1
        hint = follower.last_at_most(prev, leader.term_at(prev))
        progress.refused(leader.last_at_most(hint, follower.term_at(hint)))
        assert progress.next - 1 < prev
        questions += 1
    assert progress.next - 1 <= agree
    assert questions <= len(set(our_tail) | set(their_tail)) + 1


# --- progress -----------------------------------------------------------------------------------------------


def test_late_and_duplicated_replies_never_take_back_what_is_durable() -> None:
    progress = Progress(B, 11)
    assert progress.accepted(10)
    assert not progress.accepted(4)
    progress.refused(2)
    assert (progress.match, progress.next, progress.flow) == (10, 11, Flow.PROBE)


def test_only_the_snapshot_ends_the_wait_for_it() -> None:
    progress = Progress(B, 5)
    progress.needs_snapshot(20)
    progress.refused(0)
    progress.accepted(0)
    assert progress.flow is Flow.SNAPSHOT
    progress.accepted(20)
    assert (progress.flow, progress.next) == (Flow.REPLICATE, 21)


def test_what_a_corrupt_replica_holds_may_go_back() -> None:
    progress = Progress(B, 5)
    progress.accepted(9)
    progress.counts = False
    progress.refused(0)
    assert (progress.match, progress.next) == (0, 1)


# --- voters -------------------------------------------------------------------------------------------------


def test_the_voter_set_follows_the_log_forwards_and_back() -> None:
    history = VoterHistory(0, ())
    assert history.appended([Entry(1, 1, (Founded("c", (A, B, C)),))])
    assert not history.appended(entries([1], start=2))
    assert history.appended([Entry(3, 1, (VotersChanged((A, B)),))])
    assert (history.voters, history.index) == ((A, B), 3)
    assert history.at(2) == (A, B, C)
    history.truncated(3)
    assert (history.voters, history.index) == ((A, B, C), 1)
    history.appended([Entry(3, 2, (VotersChanged((A, C)),))])
    history.compacted(3)
    assert history.at(3) == (A, C)
    history.truncated(4)
    assert history.voters == (A, C)
    with pytest.raises(RaftInvariantError, match="compacted away"):
        history.at(2)


NEW_C = Voter(3, "new")


@pytest.mark.parametrize(
    ("voters", "joining", "live", "configured", "expected"),
    [
        # first the old self goes, caught up or not
        ((A, B, C), [(NEW_C, False)], {A, B, NEW_C}, (1, 2, 3), (A, B)),
        # then the new self comes, when it has caught up
        ((A, B), [(NEW_C, False)], {A, B, NEW_C}, (1, 2, 3), None),
        ((A, B), [(NEW_C, True)], {A, B, NEW_C}, (1, 2, 3), (A, B, NEW_C)),
        # not while the result would have no live majority
        ((A, B, C), [(NEW_C, True)], {A, NEW_C}, (1, 2, 3), None),
        ((A, B), [(NEW_C, True)], {A}, (1, 2, 3), None),
        # a broker that is configured as no voter is fed only; one that votes already is left alone
        ((A, B), [(NEW_C, True)], {A, B, NEW_C}, (1, 2), None),
        ((A, B, C), [(C, True)], {A, B, C}, (1, 2, 3), None),
        # the last voter of all is never removed
        ((C,), [(NEW_C, True)], {C, NEW_C}, (3,), None),
        # one that cannot be helped does not hold up the next
        ((A, B, C, D), [(NEW_C, False), (E, True)], {A, B, D, E}, (1, 2, 3, 4, 5), (A, B, D)),
        ((A, B, D), [(NEW_C, False), (E, True)], {A, B, D, E}, (1, 2, 3, 4, 5), (A, B, D, E)),
    ],
)
def test_next_voters(
    voters: tuple[Voter, ...],
    joining: list[tuple[Voter, bool]],
    live: set[Voter],
    configured: tuple[int, ...],
    expected: tuple[Voter, ...] | None,
) -> None:
    assert next_voters(voters, joining, live, configured) == expected


@given(
    st.lists(st.sampled_from([A, B, C, D]), unique=True),
    st.lists(st.tuples(st.sampled_from([NEW_C, D, E]), st.booleans()), max_size=3),
    st.sets(st.sampled_from([A, B, C, D, E, NEW_C])),
)
def test_every_step_changes_one_voter_and_leaves_a_live_majority(
    voters: list[Voter], joining: list[tuple[Voter, bool]], live: set[Voter]
) -> None:
    proposed = next_voters(tuple(voters), joining, live, (1, 2, 3, 4, 5))
    if proposed is not None:
        assert len(set(proposed) ^ set(voters)) == 1
        assert len(set(proposed) & live) >= majority(len(proposed))
        assert len({voter.broker_id for voter in proposed}) == len(proposed)
