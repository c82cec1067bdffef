"""What readers and replicas show: high watermarks, sessions, disks, and the order of it all."""

from __future__ import annotations

from log_histories import (
    ack,
    assert_fails,
    assert_holds,
    assert_inconclusive,
    check,
    dump,
    judge,
    read,
    run,
    status,
    tail,
    timed_out,
    v,
)

from skerry.checker.guarantees import Guarantees
from skerry.history.records import DumpedBatch, ReplicaDump
from skerry.schema.verdict import Verdict
from skerry.targets.skerry.guarantees import OWES


def test_beyond_high_watermark():
    assert_holds("beyond-high-watermark", [read(0, [1, 2], hw=2)])
    finding = assert_fails("beyond-high-watermark", "BeyondHighWatermark", (0,), [read(0, [1, 2], hw=1)])
    assert finding.offsets == (1,)


def test_reader_never_goes_back_within_a_session():
    assert_holds("reader-monotonic", [read(0, [1, 2]), read(2, [3])])
    assert_holds("reader-monotonic", [read(0, [1, 2]), read(0, [1], session=1), read(0, [1], process=7)])
    assert_fails("reader-monotonic", "ReaderWentBack", (0, 1), [read(0, [1, 2]), read(1, [2])])


def test_silent_skip():
    assert_holds("silent-skip", [read(0, [1]), tail(1, 55), read(1, [2]), read(9, [3], session=1)])
    assert assert_fails("silent-skip", "SilentSkip", (0, 1), [read(0, [1]), read(3, [4])]).offsets == (1, 2)
    assert_fails("silent-skip", "SilentSkip", (0,), [read(3, [4], asked=1)])


def test_high_watermark_within_an_epoch():
    assert_holds("high-watermark-monotonic", [tail(1, 10), tail(2, 20), tail(1, 30, epoch=2)])
    assert_holds("high-watermark-monotonic", [tail(2, 10), tail(1, 10, process=7)])  # concurrent
    assert_holds("high-watermark-monotonic", [tail(1, 10), tail(1, 10, process=7)])
    assert_fails("high-watermark-monotonic", "HighWatermarkWentDown", (0, 1), [tail(2, 10), tail(1, 20)])


def test_high_watermark_of_the_leaders_status():
    assert_fails("high-watermark-monotonic", "HighWatermarkWentDown", (0, 1), [tail(2, 10), status(1, 20, hw=1)])
    assert_holds("high-watermark-monotonic", [tail(2, 10), status(2, 20, hw=1)])  # a follower may lag


THREE = [(0, 1, 1), (1, 1, 2), (2, 2, 3)]


def test_replicas_are_identical_below_the_high_watermark():
    longer = [*THREE, (3, 2, 9)]
    assert_holds("replica-divergence", [ack(1, 0)], None, [dump(THREE, 1), dump(THREE, 2), dump(longer, 3, hw=3)])


def test_replica_divergence():
    dumps = [dump(THREE, 1), dump([(0, 1, 1), (1, 1, 7), (2, 2, 3)], 2)]
    finding = assert_fails("replica-divergence", "ReplicaDivergence", (0, 1), [], None, dumps)
    assert finding.offsets == (1,)


def test_replica_divergence_by_checksum_alone():
    same, rotten = dump([(0, 1, 1)], 1), ReplicaDump("t", 0, 2, 0, 1, 1, (DumpedBatch(0, 1, v(1), 1, 5),))
    assert_fails("replica-divergence", "ReplicaDivergence", (0, 1), [], None, [same, rotten])


def test_a_leader_that_crashed_and_stayed_away_may_hold_what_was_never_committed():
    committed, tail = [(0, 1, 1), (1, 2, 2)], [(0, 1, 1), (1, 1, 9), (2, 1, 8)]  # (offset, epoch, value)
    dumps = [dump(committed, 1), dump(committed, 2), dump(tail, 3, hw=2)]
    assert_holds("replica-divergence", [status(1, isr=(1, 2))], None, dumps)
    in_the_isr = check("replica-divergence", [status(1, isr=(1, 2, 3))], None, dumps)
    assert {finding.reason for finding in in_the_isr} == {"ReplicaDivergence"}
    same_epoch = [(0, 1, 1), (1, 1, 2)]
    dumps = [dump(same_epoch, 1), dump(same_epoch, 2), dump(tail, 3, hw=2)]
    of_one_epoch = check("replica-divergence", [status(1, isr=(1, 2))], None, dumps)
    assert {finding.reason for finding in of_one_epoch} == {"ReplicaDivergence"}


def test_a_short_replica_is_missing_something_only_in_the_isr():
    dumps = [dump(THREE, 1), dump(THREE[:2], 2, hw=3)]
    assert_fails("replica-divergence", "ReplicaTooShort", (2, 0), [status(1, isr=(1, 2))], None, dumps)
    assert_holds("replica-divergence", [status(1, isr=(1,))], None, dumps)


def test_replicas_that_nobody_read_are_inconclusive():
    assert_inconclusive("replica-divergence", "NoDumps", [ack(1, 0)], [1])
    assert_inconclusive("replica-divergence", "DumpFailed", [ack(1, 0)], [1], [dump([], error="no such file")])
    assert_inconclusive("replica-divergence", "NoHighWatermark", [ack(1, 0)], None, [dump(THREE, hw=-1)])
    three = Guarantees(OWES, copies=2, replicas=3)
    assert_inconclusive("replica-divergence", "MissingDump", [ack(1, 0)], None, [dump(THREE)], guarantees=three)
    assert_inconclusive("replica-divergence", "MissingDump", [status(1, isr=(1, 2))], None, [dump(THREE, 1)])


def test_linearizable():
    assert_holds("linearizable", [ack(1, 0, 0), tail(1, 5), ack(2, 1, 10)], [1, 2])
    finding = assert_fails("linearizable", "StaleRead", (1, 0), [ack(1, 0, 0), tail(0, 5)], [1])
    assert "the tail read that saw 0 records comes first in the log, but began 4.000 ms after" in finding.message
    assert_fails("linearizable", "OrderViolation", (1, 0), [ack(1, 1, 0), ack(2, 0, 5)], [2, 1])


def test_linearizable_has_no_order_where_offsets_conflict():
    assert_inconclusive("linearizable", "ContentConflict", [ack(1, 0), ack(2, 0, 5)], [1])


def test_the_disk_of_a_broker_outside_of_the_isr_convicts_nobody():
    """The ex-leader was killed in the middle: it holds, at offset 1 of epoch 1, what nobody else ever had."""
    committed = [ack(1, 0), ack(2, 1, 50, epoch=2, leader=2), read(0, [1, 2], 60, epoch=2, leader=2)]
    dumps = [dump([(0, 1, 1), (1, 2, 2)], 2), dump([(0, 1, 1), (1, 2, 2)], 3), dump([(0, 1, 1), (1, 1, 9)], 1, hw=2)]
    seen = [status(1, 5, leader=1, epoch=1, isr=(1, 2, 3)), status(2, 70, leader=2, epoch=2, isr=(2, 3))]
    stale = [status(1, 80, leader=1, epoch=1, isr=(1, 2, 3))]  # it believed so to its end
    history = run([*committed, timed_out(9), *seen, *stale], [1, 2], dumps)
    for name in (
        "changed-record",
        "lost-write",
        "inconsistent-offset",
        "phantom",
        "replica-divergence",
        "linearizable",
    ):
        findings = [f for f in judge(name, history) if f.verdict is Verdict.FAIL]
        assert findings == [], name
    without_status = run([*committed, timed_out(9)], [1, 2], dumps)
    (finding,) = judge("changed-record", without_status)
    assert finding.verdict is Verdict.FAIL  # for all that anybody knows it is a member


def test_a_broker_outside_of_the_isr_must_agree_within_an_epoch():
    dumps = [dump([(0, 1, 1), (1, 1, 2)], 2), dump([(0, 1, 1), (1, 1, 9)], 1, hw=2)]
    operations = [ack(1, 0), ack(2, 1), timed_out(9), status(2, 70, leader=2, epoch=2, isr=(2,))]
    (finding,) = [f for f in check("replica-divergence", operations, [1, 2], dumps) if f.verdict is Verdict.FAIL]
    assert finding.reason == "ReplicaDivergence"
