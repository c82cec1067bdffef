"""Every property of the register model: a history that it holds of, those that it must fail, and their witness.

A run is header, the operations, and the footer; a witness is named by position in the operations.
"""

from __future__ import annotations

import pytest
from register_kit import get, lost_answer, put, refused, v

from skerry.checker.guarantees import Guarantees
from skerry.checker.models.register import PROPERTIES
from skerry.checker.models.register.evidence import Evidence
from skerry.checker.property import run_property
from skerry.history import History
from skerry.history.records import Footer, Header, Outcome, Produce, RegisterOperation
from skerry.schema.verdict import Finding, Verdict
from skerry.targets.etcd.guarantees import OWES
from skerry.targets.guarantees import GuaranteeTable, Row

BY_NAME = {rule.name: rule for rule in PROPERTIES}
HEADER = Header(1, "x", "", "local", 7, 0, "test", 3, model="register", target="etcd")


def judged(rule: str, operations: list[RegisterOperation], owes: GuaranteeTable = OWES) -> list[Finding]:
    history = History([HEADER, *operations, Footer(10**9)])
    return run_property(BY_NAME[rule], Evidence(history), Guarantees(owes))


HEALTHY = [
    get(0, 0, 0, 1),
    put(1, 2, 2, 3),
    get(1, 2, 4, 5, version=1),
    put(9, 3, 4, 6, "other"),
    put(2, 4, 7, 8),
    refused(3, 9, 9),
    lost_answer(4, 10, 20),
    get(4, 5, 12, 13, version=3),
    lost_answer(5, 14, 30),
    get(4, 5, 40, 41, version=3, final=True),
    get(9, 3, 40, 41, "other", store=5, version=1, final=True),
]

BROKEN = {
    "the final read finds an older put": (
        "lost-put",
        [put(1, 2, 0, 1), put(2, 3, 2, 3), get(1, 2, 9, 10, final=True)],
        "LostPut",
        (1, 2),
    ),
    "the final read finds no key": ("lost-put", [put(1, 2, 0, 1), get(0, 0, 9, 10, final=True)], "LostPut", (0, 1)),
    "a lost put is covered up by a later one": (
        "put-count",
        [put(1, 2, 0, 1), put(2, 4, 2, 3), get(2, 4, 9, 10, version=1)],
        "MissingPut",
        (1, 2),
    ),
    "a lost put behind one whose answer was lost": (
        "put-count",
        [
            lost_answer(1, 0, 1),
            put(2, 3, 2, 3),
            get(2, 3, 4, 5, version=2),
            put(3, 4, 6, 7),
            put(4, 5, 8, 9),
            get(4, 5, 10, 11, version=3),
        ],
        "MissingPut",
        (2, 4, 5),
    ),
    "a put is applied twice": ("put-count", [put(1, 2, 0, 1), get(1, 2, 9, 10, version=2)], "ExtraPut", (0, 1)),
    "a failed put is counted": (
        "put-count",
        [put(1, 3, 0, 1), refused(2, 2, 3), get(1, 3, 9, 10, version=2)],
        "ExtraPut",
        (0, 2),
    ),
    "an unknown put is counted before it was sent": (
        "put-count",
        [put(1, 2, 0, 1), get(1, 2, 4, 5, version=2), lost_answer(2, 6, 9)],
        "ExtraPut",
        (0, 1),
    ),
    "a value out of nowhere": ("unwritten-value", [put(1, 2, 0, 1), get(7, 3, 2, 3)], "UnwrittenValue", (1,)),
    "another key's value": ("unwritten-value", [put(1, 2, 0, 1, "other"), get(1, 2, 2, 3)], "UnwrittenValue", (0, 1)),
    "a failed put shows": ("failed-put", [refused(1, 0, 1), get(1, 2, 2, 3)], "FailedPutSeen", (0, 1)),
    "two values at one revision": ("revision-conflict", [put(1, 2, 0, 1), put(2, 2, 0, 1)], "TwoValues", (0, 1)),
    "members disagree on a revision": (
        "revision-conflict",
        [put(1, 5, 0, 1), get(1, 4, 2, 3, member=2)],
        "TwoRevisions",
        (1, 0),
    ),
    "one revision for two keys": ("revision-conflict", [put(1, 2, 0, 1), put(2, 2, 0, 1, "l")], "TwoKeys", (0, 1)),
    "an answer older than it says": (
        "revision-conflict",
        [put(1, 2, 0, 1), put(2, 3, 2, 9), get(1, 2, 3, 4, store=3)],
        "OwnRevision",
        (1, 2),
    ),
    "a get above its own store": ("revision-conflict", [get(1, 4, 3, 4, store=3)], "OwnRevision", (0,)),
    "a stale read": ("linearizable", [put(1, 2, 0, 1), put(2, 3, 2, 3), get(1, 2, 4, 5)], "StaleRead", (2, 1)),
    "puts against their order": ("linearizable", [put(1, 3, 0, 1), put(2, 2, 2, 3)], "OrderViolation", (1, 0)),
    "the store goes back between two keys": (
        "revision-back",
        [put(1, 3, 0, 1), get(9, 2, 2, 3, "other", store=2)],
        "RevisionBack",
        (0, 1),
    ),
    "a put at a revision that was answered before": (
        "revision-back",
        [get(0, 0, 0, 1, store=3), put(1, 3, 2, 3)],
        "RevisionBack",
        (0, 1),
    ),
}

UNDECIDED = {
    "no final read": ("lost-put", [put(1, 2, 0, 1)], "NoFinalRead"),
    "an acknowledgement without a revision": ("recording", [put(1, -1, 0, 1)], "NoRevision"),
    "a value that was put twice": ("recording", [put(1, 2, 0, 1), put(1, 3, 2, 3)], "WriteRecordedTwice"),
    "a value that was put twice convicts nobody": (
        "linearizable",
        [put(1, 2, 0, 1), put(2, 3, 2, 3), put(1, 4, 4, 5), get(1, 4, 6, 7)],
        "ContentConflict",
    ),
    "no order among contradictions": ("linearizable", [put(1, 2, 0, 1), put(2, 2, 0, 1)], "ContentConflict"),
    "nothing was acknowledged": ("availability", [lost_answer(1, 0, 1)], "NothingAcknowledged"),
    "a run that wrote nothing": ("recording", [get(0, 0, 0, 1, final=True)], "NothingAcknowledged"),
    "a recording without its final read": ("recording", [put(1, 2, 0, 1)], "NoFinalRead"),
}


@pytest.mark.parametrize("rule", BY_NAME)
def test_it_holds_of_a_healthy_run(rule: str) -> None:
    (finding,) = judged(rule, HEALTHY)
    assert (finding.verdict, finding.reason) == (Verdict.PASS, "")


@pytest.mark.parametrize(("rule", "operations", "reason", "witness"), BROKEN.values(), ids=BROKEN)
def test_it_is_found(rule: str, operations: list[RegisterOperation], reason: str, witness: tuple[int, ...]) -> None:
    found = [finding for finding in judged(rule, operations) if finding.reason == reason]
    assert [finding.verdict for finding in found] == [Verdict.FAIL]
    assert found[0].witness == tuple(1 + position for position in witness)


NOT_OWED = {"lost-put", "put-count", "linearizable", "revision-back"}
CACHE = GuaranteeTable((Row("a hint", frozenset()),), copies=lambda spec: 1, replicas=lambda spec: 1)


@pytest.mark.parametrize(("rule", "operations", "reason", "witness"), BROKEN.values(), ids=BROKEN)
def test_what_is_not_owed_is_told_and_fails_nothing(
    rule: str, operations: list[RegisterOperation], reason: str, witness: tuple[int, ...]
) -> None:
    """A system may promise nothing at all; that it makes nothing up is owed by every one."""
    (finding,) = judged(rule, operations, CACHE)
    assert finding.verdict is (Verdict.PASS if rule in NOT_OWED else Verdict.FAIL)
    assert finding.owed == "a hint"
    assert ("; not owed: " in finding.message) == (rule in NOT_OWED)


def test_where_too_many_disks_were_lost_a_conflict_of_revisions_convicts_nobody() -> None:
    history = History([HEADER, *BROKEN["two values at one revision"][1], Footer(10**9)])
    (finding,) = run_property(
        BY_NAME["revision-conflict"], Evidence(history), Guarantees(OWES, copies=2, disks_lost=frozenset({0, 1}))
    )
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, "DisksLost")


@pytest.mark.parametrize(("rule", "operations", "reason"), UNDECIDED.values(), ids=UNDECIDED)
def test_it_cannot_be_told(rule: str, operations: list[RegisterOperation], reason: str) -> None:
    findings = judged(rule, operations)
    assert reason in [finding.reason for finding in findings]
    assert Verdict.PASS not in [finding.verdict for finding in findings]


def test_a_value_that_was_put_twice_is_no_conflict() -> None:
    (finding,) = judged("revision-conflict", [put(1, 2, 0, 1), put(1, 3, 2, 3)])
    assert finding.verdict is Verdict.PASS


def test_a_put_that_is_answered_while_the_final_read_is_under_way_is_not_lost() -> None:
    (finding,) = judged("lost-put", [put(1, 2, 0, 1), put(2, 3, 8, 12), get(1, 2, 9, 10, final=True)])
    assert finding.verdict is Verdict.PASS


def test_a_finding_names_both_operations_in_words() -> None:
    (finding,) = judged("linearizable", BROKEN["a stale read"][1])
    assert finding.message == (
        "key k: the get that saw revision 2 comes first by revision, but began 1.000 ms after the put of record 2 of "
        "process 1 at revision 3 had been answered"
    )


def test_availability_tells_the_longest_gap() -> None:
    (finding,) = judged("availability", [put(1, 2, 0, 1), put(2, 3, 900, 901), put(3, 4, 1000, 1001)])
    assert "longest time without an acknowledged put 900 ms (from 0.00 s)" in finding.message


def test_values_are_told_by_process() -> None:
    (finding,) = judged("unwritten-value", BROKEN["a value out of nowhere"][1])
    assert finding.message == "key k: a get at revision 3 returned record 7 of process 1; nobody put it"
    assert v(7) >> 40 == 1


def test_a_put_that_was_answered_after_the_final_read_had_begun_was_not_looked_for() -> None:
    early = [put(1, 2, 0, 1), get(1, 2, 2, 3, final=True), put(2, 3, 4, 5)]
    (finding,) = judged("accounting", early)
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, "FinalReadIncomplete")
    assert "1 acknowledged put could not be looked for" in finding.message


def test_what_clients_of_another_model_did_is_judged_by_nobody() -> None:
    produce = Produce(7, "t", 0, 0, 1, Outcome.OK, "All", 1, 1, base_offset=0)
    history = History([HEADER, put(1, 2, 0, 1), get(1, 2, 2, 3, final=True), produce, Footer(10**9)])
    (finding,) = run_property(BY_NAME["recording"], Evidence(history), Guarantees(OWES))
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, "MixedModels")
