"""The judgement of a whole run: what is not shown is never a Pass."""

from __future__ import annotations

import dataclasses

import pytest
from fault_records import whole
from msgspec.structs import replace

from skerry.checker import MODELS, PROPERTIES, Model, check, verdict_of
from skerry.checker.common import recording
from skerry.checker.findings import held
from skerry.checker.guarantees import Guarantees, guarantees_of_run
from skerry.checker.property import Property
from skerry.experiment import Verdict, load_document
from skerry.history import History, encode_history, read_history
from skerry.history.records import (
    DumpedBatch,
    FaultEvent,
    FaultStep,
    Fetch,
    Footer,
    Header,
    Outcome,
    Produce,
    ReplicaDump,
)
from skerry.targets.guarantees import Guarantee
from skerry.targets.skerry.guarantees import OWES

DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: quiet}
spec:
  hypothesis: Nothing is lost.
  topic: {name: t, partitions: 1}
  faults:
  - {name: gone, wipe: {target: {ordinal: 1}}}
  - {name: torn, startAfter: 5s, disk: {target: {ordinal: 2}, tornWrite: true}}
  - {name: rot, startAfter: 9s, disk: {target: {ordinal: 2}, bitFlip: true}}
"""
GENTLE = DOCUMENT.partition("  - {name: gone")[0] + "  - {name: again, restart: {targets: [{ordinal: 1}], how: Kill}}\n"
HEADER = Header(1, "quiet", GENTLE, "sim", 7, 0, "test", 3)
AGAIN = whole("again", "restart", (1,))
VALUE = 1 << 40

GOOD = [
    HEADER,
    Produce(1, "t", 0, 0, 1, Outcome.OK, "All", VALUE, 1, base_offset=0, leader=1, leader_epoch=1, idempotent=True),
    Fetch(9, "t", 0, 5, 6, Outcome.OK, 0, 0, (VALUE,), 1, leader=1, leader_epoch=1, final=True),
    Fetch(9, "t", 0, 7, 8, Outcome.OK, 1, 1, (), 1, leader=1, leader_epoch=1, final=True),
    *AGAIN,
    *(ReplicaDump("t", 0, broker, 0, 1, 1, (DumpedBatch(0, 1, VALUE, 1, 5),)) for broker in (0, 1, 2)),
    Footer(10),
]


def test_a_run_in_which_everything_held():
    findings = check(History(GOOD))
    assert verdict_of(findings) is Verdict.PASS, [f for f in findings if f.verdict is not Verdict.PASS]
    assert [f.rule for f in findings] == [rule.name for rule in PROPERTIES]


def test_an_empty_history_proves_nothing():
    findings = check(History([]))
    assert verdict_of(findings) is Verdict.INCONCLUSIVE
    assert "EmptyHistory" in {f.reason for f in findings}
    assert not any(f.verdict is Verdict.FAIL for f in findings)


@pytest.mark.parametrize("length", range(len(GOOD)))
def test_a_history_that_was_cut_short_is_never_a_pass_and_no_false_alarm(length):
    assert verdict_of(check(History(GOOD[:length]))) is Verdict.INCONCLUSIVE


def test_a_file_that_breaks_off_is_never_a_pass():
    data = b"".join(encode_history(GOOD))
    for length in range(0, len(data) - 1, 37):
        assert verdict_of(check(read_history([data[:length]]))) is Verdict.INCONCLUSIVE


def test_a_crashed_property_is_inconclusive_and_the_others_are_judged():
    def crash(evidence, guarantees):
        yield from ()
        raise ZeroDivisionError("division by zero")

    broken = Property("lost-write", "It crashes.", crash)
    findings = check(History(GOOD), properties=[broken, *PROPERTIES[2:]])
    assert verdict_of(findings) is Verdict.INCONCLUSIVE
    assert (findings[0].rule, findings[0].reason) == ("lost-write", "CheckerCrashed")
    assert "ZeroDivisionError: division by zero" in findings[0].message
    assert len(findings) == len(PROPERTIES) - 1


def test_a_silent_property_is_inconclusive():
    silent = Property("quiet", "It says nothing.", lambda evidence, guarantees: [])
    assert check(History(GOOD), properties=[silent])[0].reason == "CheckerSilent"


def test_a_value_that_no_column_can_hold_crashes_into_inconclusive():
    wild = Produce(1, "t", 0, 0, 1, Outcome.OK, "All", 1 << 70, 1, base_offset=0, leader=1, leader_epoch=1)
    findings = check(History([HEADER, wild, Footer(1)]))
    assert verdict_of(findings) is Verdict.INCONCLUSIVE
    assert "CheckerCrashed" in {f.reason for f in findings}


def test_a_document_that_cannot_be_read_is_inconclusive():
    findings = check(History([Header(1, "x", "kind: Nothing", "sim", 7, 0, "test", 3), *GOOD[1:]]))
    assert findings[0].reason == "DocumentUnreadable"
    assert verdict_of(findings) is Verdict.INCONCLUSIVE


def test_no_finding_is_the_worst_finding():
    assert verdict_of([]) is Verdict.INCONCLUSIVE


# --- the recorder's clock ---------------------------------------------------------------------------------


def moved(record, by_ns):
    return replace(record, invoked_ns=record.invoked_ns + by_ns, completed_ns=record.completed_ns + by_ns)


def test_a_clock_that_went_back_blames_nobody():
    """Five seconds back between a leader's last answer and its successor's first: it looks as if the old one had
    answered after the new one."""
    second = 10**9
    old = Produce(
        1,
        "t",
        0,
        9 * second,
        9 * second + 1,
        Outcome.OK,
        "All",
        VALUE,
        1,
        base_offset=0,
        leader=1,
        leader_epoch=1,
        idempotent=True,
    )
    new = Produce(
        1,
        "t",
        0,
        10 * second,
        10 * second + 1,
        Outcome.OK,
        "All",
        VALUE + 1,
        1,
        base_offset=1,
        leader=2,
        leader_epoch=2,
        idempotent=True,
    )
    dumps = [
        ReplicaDump("t", 0, n, 0, 2, 2, (DumpedBatch(0, 1, VALUE, 1, 5), DumpedBatch(1, 2, VALUE + 1, 1, 5)))
        for n in (0, 1, 2)
    ]
    reads = [
        Fetch(
            9,
            "t",
            0,
            15 * second,
            15 * second + 1,
            Outcome.OK,
            0,
            0,
            (VALUE, VALUE + 1),
            2,
            leader=2,
            leader_epoch=2,
            final=True,
        ),
        Fetch(9, "t", 0, 16 * second, 16 * second + 1, Outcome.OK, 2, 2, (), 2, leader=2, leader_epoch=2, final=True),
    ]
    assert verdict_of(check(History([HEADER, *AGAIN, old, new, *reads, *dumps, Footer(20 * second)]))) is Verdict.PASS
    findings = check(History([HEADER, *AGAIN, old, moved(new, -5 * second), *reads, *dumps, Footer(20 * second)]))
    assert verdict_of(findings) is Verdict.INCONCLUSIVE
    told = {finding.rule for finding in findings if finding.reason == "ClockWentBack"}
    timed = {"stale-epoch-ack", "high-watermark-monotonic", "linearizable", "reader-monotonic", "silent-skip"}
    assert told == {"clock", *timed}
    assert "the recorder's clock went back by 4.000 s" in next(f.message for f in findings if f.rule == "clock")


def test_an_answer_before_its_question_is_an_error_of_the_recording():
    early = replace(GOOD[1], invoked_ns=3_000_000_000)
    findings = check(History([GOOD[0], early, *GOOD[2:]]))
    assert verdict_of(findings) is Verdict.INCONCLUSIVE
    assert "a write was answered 3.000 s before it was sent" in next(f.message for f in findings if f.rule == "clock")


def test_a_lost_write_is_lost_whatever_the_clock_did():
    early = replace(GOOD[1], invoked_ns=3_000_000_000, base_offset=7)
    assert verdict_of(check(History([GOOD[0], early, *GOOD[2:]]))) is Verdict.FAIL


# --- models ---------------------------------------------------------------------------------------------


class CountedWrites:
    """The evidence of a model whose clients only count."""

    def __init__(self, history):
        self.history = history
        self.acknowledged = len(history.produces)

    def doubts(self):
        return []


def test_a_model_brings_its_own_evidence_and_properties(monkeypatch):
    counted = Property("counted", "Somebody wrote.", lambda evidence, _: [held("counted", f"{evidence.acknowledged}")])
    toy = Model("toy", CountedWrites, (recording.PROPERTY, counted), {})
    monkeypatch.setitem(MODELS, "toy", toy)
    findings = check(History([replace(HEADER, model="toy"), *GOOD[1:]]))
    assert [(f.rule, f.verdict, f.message) for f in findings[1:]] == [("counted", Verdict.PASS, "1")]
    assert findings[0].rule == "recording"


def test_a_model_that_this_version_does_not_have_is_inconclusive():
    (finding,) = check(History([replace(HEADER, model="queue"), *GOOD[1:]]))
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, "UnknownModel")
    assert "`queue`" in finding.message


# --- what is owed ---------------------------------------------------------------------------------------


def test_a_table_without_a_row_for_some_request_is_none():
    """Each target's own is made when it is imported; no write of it is ever without a row."""
    rows = [row for row in OWES.rows if row.name != "acks=None"]
    with pytest.raises(ValueError, match="no row for acks=None, idempotent=True, within_budget=True"):
        dataclasses.replace(OWES, rows=tuple(rows))


@pytest.mark.parametrize(
    ("acks", "idempotent", "disks_lost", "min_isr", "guarantees"),
    [
        ("All", True, 0, 2, set(Guarantee)),
        ("All", True, 1, 2, set(Guarantee)),
        ("All", True, 2, 2, set()),
        ("All", False, 0, 2, {Guarantee.DURABLE, Guarantee.LINEARIZABLE}),
        ("All", True, 1, 1, set()),
        ("Leader", True, 0, 2, {Guarantee.ONCE}),
        ("Leader", False, 0, 2, set()),
        ("None", False, 0, 2, set()),
    ],
)
def test_what_is_owed(acks, idempotent, disks_lost, min_isr, guarantees):
    owed = Guarantees(OWES, min_isr, frozenset(range(disks_lost)))
    assert owed.row(acks, idempotent).guarantees == guarantees


def happened(fault, kind, broker):
    return FaultEvent(fault, 0, FaultStep.INJECTING, 1, 2, kind=kind, groups=((broker,),))


@pytest.mark.parametrize(
    ("flush", "events", "lost"),
    [
        ("group", [], set()),
        ("group", [happened("gone", "wipe", 1)], {1}),
        ("group", [happened("torn", "disk", 2)], set()),
        ("none", [happened("torn", "disk", 2)], {2}),
        ("group", [happened("rot", "disk", 2)], {2}),
        ("none", [happened("cut", "partition", 2), happened("dead", "kill", 1)], set()),
    ],
)
def test_which_disks_a_run_lost(flush, events, lost):
    header = Header(1, "quiet", DOCUMENT, "sim", 7, 0, "test", 3, flush=flush)
    guarantees = guarantees_of_run(History([header, *events]), load_document(DOCUMENT, source_name="quiet"))
    assert guarantees.disks_lost == lost
    assert (guarantees.copies, guarantees.replicas) == (2, 3)


UNREADABLE = replace(HEADER, document="kind: Nothing")
LOST = [*GOOD[1:2], Fetch(9, "t", 0, 7, 8, Outcome.OK, 0, 0, (), 0, leader=1, leader_epoch=1, final=True), Footer(10)]


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        (HEADER, Verdict.FAIL),
        (UNREADABLE, Verdict.FAIL),
        (replace(UNREADABLE, target="of tomorrow"), Verdict.INCONCLUSIVE),
        (replace(UNREADABLE, target="etcd"), Verdict.INCONCLUSIVE),
    ],
)
def test_a_recording_says_what_was_under_test(header, verdict):
    """The document does, and where it cannot be read, the header; of a system that is not known, nothing is owed."""
    assert verdict_of(check(History([header, *LOST]))) is verdict


def test_without_a_document_the_least_is_owed():
    guarantees = guarantees_of_run(History([HEADER, happened("torn", "disk", 2)]), None)
    assert (guarantees.disks_lost, guarantees.copies, guarantees.within_budget) == ({2}, 1, False)
