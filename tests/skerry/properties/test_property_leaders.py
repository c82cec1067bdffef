"""Leaders and epochs: who answered in which, and who led."""

from __future__ import annotations

from log_histories import DUMP, MS, ack, assert_fails, assert_holds, dump, judge, status, tail

from skerry.history import History
from skerry.history.records import ElectionSeen, Footer, Header
from skerry.schema.verdict import Verdict


def test_stale_epoch_ack():
    in_time = ack(2, 1, 5, 9, epoch=1)  # invoked before the new leader had answered
    assert_holds("stale-epoch-ack", [ack(1, 0), ack(3, 2, 6, 7, epoch=2, leader=2), in_time])
    late = ack(2, 1, 8, 9, epoch=1, acks="None", idempotent=False, directed_to=1)
    operations = [ack(1, 0), ack(3, 1, 6, 7, epoch=2, leader=2), late]
    finding = assert_fails("stale-epoch-ack", "StaleEpochAck", (1, 2), operations)
    assert "1.0 ms after broker 2 had answered in epoch 2" in finding.message


def test_stale_epoch_ack_a_read_is_an_answer_too():
    operations = [ack(3, 1, 6, 7, epoch=2, leader=2), tail(0, 8, epoch=1)]
    assert_fails("stale-epoch-ack", "StaleEpochAck", (0, 1), operations)


def test_stale_epoch_ack_finds_the_epoch_between():
    operations = [ack(1, 0, 6, 7, epoch=2), ack(2, 1, 1, 2, epoch=3), ack(3, 2, 3, 4, epoch=1)]
    finding = assert_fails("stale-epoch-ack", "StaleEpochAck", (1, 2), operations)
    assert "2 such answers" in finding.message


def test_stale_epoch_ack_is_widened_by_the_clock_error():
    header = Header(1, "x", "", "sim", 7, 0, "test", 3, clock_error_ns=2 * MS)
    late = [ack(3, 1, 6, 7, epoch=2, leader=2), ack(2, 0, 8, 9, epoch=1)]
    (finding,) = judge("stale-epoch-ack", History([header, *late, Footer(1)]))
    assert finding.verdict is Verdict.PASS


def test_two_leaders_by_their_answers():
    assert_holds("two-leaders-in-one-epoch", [ack(1, 0), ack(2, 1, epoch=2, leader=2)])
    operations = [ack(1, 0, leader=1), ack(2, 1, leader=2)]
    assert_fails("two-leaders-in-one-epoch", "TwoLeaders", (0, 1), operations)


def test_two_leaders_by_an_election_and_a_status():
    elected = ElectionSeen("t", 0, 2, 1, wall_ns=1, seen_ns=1)
    assert_fails("two-leaders-in-one-epoch", "TwoLeaders", (0, 1), [ack(1, 0), elected])
    assert_fails("two-leaders-in-one-epoch", "TwoLeaders", (0, 1), [ack(1, 0), status(3, leader=2)])
    assert_holds("two-leaders-in-one-epoch", [ack(1, 0), status(3, leader=-1)])


def test_two_controllers_in_one_term():
    first, second = (status(b, group_role="Leader", term=4) for b in (1, 2))
    assert_fails("two-leaders-in-one-epoch", "TwoControllers", (0, 1), [first, second])


def test_epochs_never_go_down_along_the_log():
    assert_holds(
        "epochs-non-decreasing", [ack(1, 0, epoch=1), ack(2, 1, epoch=2)], None, [dump([(0, 1, 1), (1, 2, 2)])]
    )
    operations = [ack(1, 0, epoch=2), ack(2, 1, epoch=1)]
    assert_fails("epochs-non-decreasing", "EpochWentDown", (0, 1), operations)
    assert_fails("epochs-non-decreasing", "EpochWentDown", (DUMP,), [ack(1, 0)], None, [dump([(0, 2, 1), (1, 1, 2)])])


def test_epochs_of_duplicates_and_weak_acks_prove_nothing():
    assert_holds("epochs-non-decreasing", [ack(1, 0, epoch=2, duplicate=True), ack(2, 1, epoch=1)])
    assert_holds("epochs-non-decreasing", [ack(1, 5, epoch=1), ack(2, 3, epoch=2, acks="Leader", idempotent=False)])
