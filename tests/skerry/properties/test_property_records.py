"""What stands in the log: changed records, offsets, duplicates, phantoms, the order of producers."""

from __future__ import annotations

from log_histories import (
    DUMP,
    FINAL,
    HEADER,
    ack,
    assert_fails,
    assert_holds,
    check,
    dump,
    judge,
    read,
    refused,
    timed_out,
)

from skerry.history import History
from skerry.schema.verdict import Verdict


def test_changed_record_two_readers_two_records():
    assert_holds("changed-record", [ack(1, 0), read(0, [1], 10), read(0, [1], 20, process=7)], [1])
    operations = [timed_out(1), timed_out(2), read(0, [1], 10), read(0, [2], 20, process=7)]
    assert_fails("changed-record", "ChangedRecord", (2, 3), operations, [1])


def test_changed_record_the_final_read_has_another():
    assert_fails("changed-record", "ChangedRecord", (2, FINAL), [timed_out(1), timed_out(2), read(0, [1], 10)], [2])


def test_changed_record_a_disk_has_another_than_the_final_read():
    operations = [timed_out(1), timed_out(2)]
    assert_fails("changed-record", "ChangedRecord", (FINAL, DUMP), operations, [1], [dump([(0, 1, 2)])])


def test_inconsistent_offset_two_acknowledgements():
    assert_holds("inconsistent-offset", [ack(1, 0), ack(2, 1)], [1, 2])
    finding = assert_fails("inconsistent-offset", "TwoRecordsAtOneOffset", (0, 1), [ack(1, 0), ack(2, 0, 2)], [1])
    assert "record 1 of process 1 and record 2 of process 1" in finding.message


def test_inconsistent_offset_an_acknowledgement_and_a_reader():
    operations = [ack(1, 0), timed_out(2), read(0, [2])]
    assert_fails("inconsistent-offset", "TwoRecordsAtOneOffset", (0, 2), operations)


def test_inconsistent_offset_weak_acks_may_be_dropped_by_a_later_leader():
    weak = {"acks": "Leader", "idempotent": False}
    assert_holds("inconsistent-offset", [ack(1, 0, **weak), ack(2, 0, 2, epoch=2)], [2])
    assert_holds("inconsistent-offset", [ack(1, 0, **weak), ack(2, 0, 2, epoch=2, **weak)], [2])


def test_inconsistent_offset_weak_acks_of_one_epoch():
    weak = {"acks": "Leader", "idempotent": False}
    operations = [ack(1, 0, **weak), ack(2, 0, 2, **weak)]
    assert_fails("inconsistent-offset", "TwoRecordsAtOneOffset", (0, 1), operations, [2])


def test_inconsistent_offset_a_weak_ack_over_a_committed_record():
    operations = [ack(1, 0, epoch=1), ack(2, 0, 2, epoch=2, acks="Leader", idempotent=False)]
    assert_fails("inconsistent-offset", "TwoRecordsAtOneOffset", (0, 1), operations, [1])


def test_duplicate():
    assert_holds("duplicate", [ack(1, 0), ack(2, 1)], [1, 2])
    finding = assert_fails("duplicate", "Duplicate", (0, FINAL), [ack(1, 0), ack(2, 1)], [1, 2, 1])
    assert finding.offsets == (0, 2)


def test_duplicate_of_an_unknown_write_counts_too():
    assert_fails("duplicate", "Duplicate", (0, FINAL), [timed_out(1)], [1, 1])


def test_duplicate_is_allowed_without_idempotence():
    (finding,) = check("duplicate", [ack(1, 1, idempotent=False, attempts=2)], [1, 1])
    assert finding.verdict is Verdict.PASS
    assert "1 copy where none was excluded" in finding.message


def test_phantom():
    assert_holds("phantom", [ack(1, 0), timed_out(2)], [1, 2])
    assert_fails("phantom", "Phantom", (1,), [ack(1, 0), read(1, [77])])
    assert_fails("phantom", "Phantom", (DUMP,), [ack(1, 0)], None, [dump([(0, 1, 1), (1, 1, 77)])])


def test_phantom_in_a_history_that_was_cut_off_may_have_a_sender():
    history = History([HEADER, ack(1, 0), read(1, [2])])
    (finding,) = judge("phantom", history)
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, "HistoryCutOff")


def test_aborted_read():
    assert_holds("aborted-read", [ack(1, 0), refused(2), timed_out(3)], [1, 3])
    finding = assert_fails("aborted-read", "AbortedRead", (1, FINAL), [ack(1, 0), refused(2)], [1, 2])
    assert "NotEnoughReplicas" in finding.message


def test_producer_order():
    assert_holds("producer-order", [ack(1, 0), ack(1, 1, process=2), ack(2, 2)])
    assert_fails("producer-order", "OutOfOrder", (1, 0), [ack(1, 1), ack(2, 0)], [2, 1])


def test_producer_order_is_owed_to_idempotent_producers_only():
    assert_holds("producer-order", [ack(1, 1, idempotent=False), ack(2, 0, idempotent=False)])


def test_producer_gap_a_batch_is_whole_or_absent():
    assert_holds("producer-gap", [ack(1, 0), timed_out(2, count=2), timed_out(4, count=2)], [1, 2, 3])
    assert_fails("producer-gap", "TornBatch", (1, FINAL), [ack(1, 0), timed_out(2, count=2)], [1, 2])
    assert_fails("producer-gap", "TornBatch", (0, FINAL), [timed_out(2, count=2), ack(1, 1)], [2, 1, 3])
