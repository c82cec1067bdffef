"""Every property by histories of a few operations: one that it holds of, those that it must fail, and their witness.

Values are ``v(n)`` of process 1 unless a process is named; times are milliseconds. A run is header, the operations, the
final read of the log that the case names, its dumps, and the footer; a witness is named by position in the operations
(``FINAL``, ``TAIL`` and ``DUMP`` are the final read, its last fetch, and the first dump).
"""

from __future__ import annotations

import pytest

from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log import PROPERTIES
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.property import run_property
from skerry.history import History
from skerry.history.records import (
    BrokerSample,
    DumpedBatch,
    ElectionSeen,
    FaultEvent,
    FaultStep,
    Fetch,
    Footer,
    Header,
    Outcome,
    Produce,
    ReplicaDump,
    Stall,
    StatusSample,
)
from skerry.schema.verdict import Verdict
from skerry.targets.skerry.guarantees import OWES

MS = 1_000_000
FINAL, TAIL, DUMP = "final", "tail", "dump"
TWO_IN_SYNC = Guarantees(OWES, copies=2)
BY_NAME = {rule.name: rule for rule in PROPERTIES}


def v(n, process=1):
    return process << 40 | n


def ack(n, offset, start=0, end=None, *, process=1, epoch=1, leader=1, acks="All", count=1, **more):
    end = start + 1 if end is None else end
    more = {"idempotent": True, "outcome": Outcome.OK} | more
    return Produce(
        process=process,
        topic="t",
        partition=0,
        invoked_ns=start * MS,
        completed_ns=end * MS,
        acks=acks,
        first_value=v(n, process),
        count=count,
        base_offset=offset,
        leader=leader,
        leader_epoch=epoch,
        **more,
    )


def timed_out(n, start=0, **more):
    return ack(n, -1, start, outcome=Outcome.UNKNOWN, leader=-1, epoch=-1, error="TimedOut", **more)


def refused(n, start=0, **more):
    return ack(n, -1, start, outcome=Outcome.FAILED, leader=-1, epoch=-1, error="NotEnoughReplicas", **more)


def read(offset, numbers, start=50, *, hw=None, asked=None, process=8, epoch=1, leader=1, **more):
    values = tuple(v(n) if isinstance(n, int) else v(*n) for n in numbers)
    return Fetch(
        process=process,
        topic="t",
        partition=0,
        invoked_ns=start * MS,
        completed_ns=(start + 1) * MS,
        outcome=Outcome.OK,
        offset=offset if asked is None else asked,
        base_offset=offset,
        values=values,
        high_watermark=offset + len(values) if hw is None else hw,
        leader=leader,
        leader_epoch=epoch,
        **more,
    )


def tail(length, start, **more):
    return read(length, [], start, **more)


def dump(batches, broker=1, hw=None, end=None, error=""):
    """``batches``: (offset, epoch, n) or (offset, epoch, n, count)."""
    full = tuple(DumpedBatch(o, e, v(n), (c or [1])[0], checksum=1000 * e + n + o) for o, e, n, *c in batches)
    log_end = max((b.base_offset + b.count for b in full), default=0) if end is None else end
    return ReplicaDump("t", 0, broker, 0, log_end, log_end if hw is None else hw, full, error=error)


def status(broker, at=60, *, leader=1, epoch=1, isr=(1, 2, 3), hw=0, role=None, **more):
    role = ("Leader" if leader == broker else "Follower") if role is None else role
    sample = BrokerSample("t", 0, leader, epoch, isr, (), hw, hw, role)
    return StatusSample(broker, at * MS, (at + 1) * MS, True, partitions=(sample,), **more)


HEADER = Header(1, "hand-written", "", "sim", 7, 0, "test", 3)


def run(operations, final=None, dumps=()):
    closing = []
    if final is not None:
        closing += [read(0, final, 90, process=9, final=True)] if final else []
        closing += [tail(len(final), 95, process=9, final=True)]
    return History([HEADER, *operations, *closing, *dumps, Footer(100 * MS)])


def judge(name, history, guarantees=TWO_IN_SYNC):
    return run_property(BY_NAME[name], Evidence(history), guarantees)


def check(name, operations, final=None, dumps=(), guarantees=TWO_IN_SYNC):
    return judge(name, run(operations, final, dumps), guarantees)


def assert_holds(name, *case, **more):
    (finding,) = check(name, *case, **more)
    assert finding.verdict is Verdict.PASS, finding
    assert any(c.isdigit() for c in finding.message)  # a Pass says over how much


def assert_fails(name, reason, witness, operations, final=None, dumps=(), **more):
    findings = [f for f in check(name, operations, final, dumps, **more) if f.verdict is Verdict.FAIL]
    assert [f.reason for f in findings] == [reason], findings
    after = 1 + len(operations)
    dumps_at = after if final is None else after + 1 + bool(final)
    places = {FINAL: after, TAIL: dumps_at - 1, DUMP: dumps_at}
    assert findings[0].witness == tuple(places.get(w) or 1 + w for w in witness), findings
    assert findings[0].owed
    return findings[0]


def assert_inconclusive(name, reason, *case, **more):
    findings = check(name, *case, **more)
    assert {f.verdict for f in findings} == {Verdict.INCONCLUSIVE}, findings
    assert reason in {f.reason for f in findings}, findings


# --- lost-write -----------------------------------------------------------------------------------------


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


# --- changed-record, inconsistent-offset ----------------------------------------------------------------


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


# --- duplicate, phantom, aborted-read -------------------------------------------------------------------


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


# --- producers ------------------------------------------------------------------------------------------


def test_producer_order():
    assert_holds("producer-order", [ack(1, 0), ack(1, 1, process=2), ack(2, 2)])
    assert_fails("producer-order", "OutOfOrder", (1, 0), [ack(1, 1), ack(2, 0)], [2, 1])


def test_producer_order_is_owed_to_idempotent_producers_only():
    assert_holds("producer-order", [ack(1, 1, idempotent=False), ack(2, 0, idempotent=False)])


def test_producer_gap_a_batch_is_whole_or_absent():
    assert_holds("producer-gap", [ack(1, 0), timed_out(2, count=2), timed_out(4, count=2)], [1, 2, 3])
    assert_fails("producer-gap", "TornBatch", (1, FINAL), [ack(1, 0), timed_out(2, count=2)], [1, 2])
    assert_fails("producer-gap", "TornBatch", (0, FINAL), [timed_out(2, count=2), ack(1, 1)], [2, 1, 3])


# --- leaders and epochs ---------------------------------------------------------------------------------


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
    first, second = (status(b, raft_role="Leader", term=4) for b in (1, 2))
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


# --- readers --------------------------------------------------------------------------------------------


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


# --- replicas -------------------------------------------------------------------------------------------

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


# --- linearizable (the rest is in test_linear) ----------------------------------------------------------


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


# --- availability, recording ----------------------------------------------------------------------------


def test_availability_is_measured():
    (finding,) = check("availability", [ack(1, 0, 0), ack(2, 1, 1, 41), ack(3, 2, 99), timed_out(4), refused(5)])
    assert finding.verdict is Verdict.PASS
    assert "3 writes acknowledged, 1 failed, 1 unknown" in finding.message
    assert "40 ms (t-0, from 0.00 s)" in finding.message


def test_latency_counts_from_when_a_write_was_due():
    (finding,) = check("availability", [ack(1, 0, 10, 12), ack(2, 1, 20, 22, intended_ns=5 * MS)])
    assert "latency p50 17.0 ms, p99 17.0 ms, max 17.0 ms" in finding.message


def test_where_the_time_of_a_failover_went():
    effect = FaultEvent("cut", 0, FaultStep.EFFECTIVE, 10 * MS, 11 * MS, wall_ns=5000 * MS)
    elected = ElectionSeen("t", 0, 2, 2, wall_ns=5900 * MS, seen_ns=920 * MS)
    retried = ack(2, 1, 9, 960, epoch=2, leader=2, attempts=3)
    operations = [ack(1, 0), effect, timed_out(7, 5, end=510), elected, retried]
    (finding,) = check("failover-time", operations)
    assert finding.message == (
        "cut#0: first trouble after 0.50 s, election after 0.90 s, first acknowledgement in epoch 2 after 0.95 s (t-0)"
    )
    assert_holds("failover-time", [ack(1, 0), effect, ack(2, 1, 20)])


def test_stalls_are_told():
    assert_holds("stalls", [])
    (finding,) = check("stalls", [Stall(-1, 0, 300 * MS), Stall(2, 0, 450 * MS)])
    assert finding.message == "2 stalls, the longest 450 ms (broker 2, at 0.00 s)"


def test_nothing_acknowledged_is_inconclusive():
    assert_inconclusive("availability", "NothingAcknowledged", [timed_out(1)])
    assert_inconclusive("recording", "NothingAcknowledged", [timed_out(1)], [])


def test_a_whole_recording():
    assert_holds("recording", [ack(1, 0)], [1])
    assert_inconclusive("recording", "NoFinalRead", [ack(1, 0)])


@pytest.mark.parametrize(
    ("reason", "records"),
    [
        ("EmptyHistory", []),
        ("NoHeader", [ack(1, 0), Footer(1)]),
        ("HistoryCutOff", [HEADER, ack(1, 0)]),
        ("Aborted", [HEADER, ack(1, 0), Footer(1, aborted=True, reason="Ctrl-C")]),
    ],
)
def test_a_recording_that_proves_nothing(reason, records):
    findings = judge("recording", History(records))
    assert {f.verdict for f in findings} == {Verdict.INCONCLUSIVE}
    assert reason in {f.reason for f in findings}
