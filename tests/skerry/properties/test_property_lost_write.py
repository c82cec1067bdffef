"""`lost-write`: everything acknowledged is there, as far as it is owed."""

from __future__ import annotations

from log_histories import (
    DUMP,
    FINAL,
    TAIL,
    ack,
    assert_fails,
    assert_holds,
    assert_inconclusive,
    check,
    dump,
    read,
    tail,
    timed_out,
)

from skerry.checker.guarantees import Guarantees
from skerry.schema.verdict import Verdict
from skerry.targets.skerry.guarantees import OWES


def test_lost_write_holds_when_everything_acknowledged_is_there():
    assert_holds("lost-write", [ack(1, 0), ack(2, 1, count=2)], [1, 2, 3])


def test_lost_write_an_acknowledged_record_behind_the_end_of_the_log():
    finding = assert_fails("lost-write", "LostWrite", (1, TAIL), [ack(1, 0), ack(2, 1, 2)], [1])
    assert finding.offsets == (1,)
    assert "1 of 2 acknowledged records are gone (partition t-0, offset 1); the log ends at 1" in finding.message


def test_lost_write_another_record_in_its_place():
    finding = assert_fails("lost-write", "LostWrite", (0, FINAL), [ack(1, 0), timed_out(2)], [2])
    assert "offset 0 holds another record now" in finding.message


def test_lost_write_one_record_of_a_batch():
    assert assert_fails("lost-write", "LostWrite", (0, TAIL), [ack(1, 0, count=3)], [1, 2]).offsets == (2,)


def test_lost_write_still_on_a_disk_above_the_high_watermark():
    finding = assert_fails(
        "lost-write", "LostWrite", (1, TAIL), [ack(1, 0), ack(2, 1)], [1], [dump([(0, 1, 1), (1, 1, 2)], 2, hw=1)]
    )
    assert "still on the disk of broker 2" in finding.message


def test_lost_write_one_of_two_acknowledgements_for_an_offset():
    assert_fails("lost-write", "LostWrite", (1, FINAL), [ack(1, 0), ack(2, 0, 2)], [1])
    finding = assert_fails("lost-write", "LostWrite", (0, FINAL), [ack(1, 0), ack(2, 0, 2)], [2])
    assert "1 of 2 acknowledged records" in finding.message


def test_lost_write_an_absurd_offset_costs_no_memory():
    assert_fails("lost-write", "LostWrite", (1, TAIL), [ack(1, 0), ack(2, 10**15)], [1])


def test_lost_write_by_a_dump_alone():
    assert_holds("lost-write", [ack(1, 0)], None, [dump([(0, 1, 1)])])
    assert_fails("lost-write", "LostWrite", (1, DUMP), [ack(1, 0), ack(2, 1)], None, [dump([(0, 1, 1)])])


def test_lost_write_is_inconclusive_without_a_final_read_and_dumps():
    assert_inconclusive("lost-write", "NoFinalRead", [ack(1, 0)])


def test_lost_write_is_inconclusive_where_the_final_read_left_something_out():
    hole = read(1, [2], 90, process=9, final=True)
    end = tail(2, 95, process=9, final=True)
    assert_inconclusive("lost-write", "FinalReadIncomplete", [ack(1, 0), ack(2, 1), hole, end])


def test_lost_write_weaker_acks_are_owed_no_durability():
    assert_holds("lost-write", [ack(1, 0, acks="Leader", idempotent=False), ack(2, 0, 2, epoch=2)], [2])


def test_lost_write_is_not_owed_beyond_the_disk_budget():
    operations, lost = [ack(1, 0), ack(2, 1)], Guarantees(OWES, copies=2, disks_lost=frozenset({1, 2}))
    (finding,) = check("lost-write", operations, [1], guarantees=lost)
    assert finding.verdict is Verdict.PASS
    assert "1 record of t-0 missing" in finding.message
    assert "beyond budget" in finding.owed
    one_lost = Guarantees(OWES, copies=2, disks_lost=frozenset({1}))
    assert_fails("lost-write", "LostWrite", (1, TAIL), operations, [1], guarantees=one_lost)
