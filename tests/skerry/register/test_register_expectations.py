"""The expectations of the register model by histories of a few records: passed, failed, and not known.

Times are milliseconds. The fault `crash` kills member 0, which leads in term 2: it takes effect at 5,000 (its bracket
ends at 5,010) and is healed at 15,000. The workload ends at 20,000.
"""

from __future__ import annotations

import pytest
from register_kit import MS, lost_answer, put

from skerry.checker.evaluate import evaluate
from skerry.checker.models.register import MODEL
from skerry.experiment import DocumentError, load_document
from skerry.history import History
from skerry.history.records import FaultEvent, FaultStep, Footer, Header, PhaseEvent, StatusSample
from skerry.schema.verdict import Finding, Verdict

PASS, FAIL, INCONCLUSIVE = Verdict
DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: crash}
spec:
  hypothesis: It holds.
  target: etcd
  faults:
  - {name: crash, startAfter: 5s, kill: {target: {role: Leader}, how: Process, downFor: 10s}}
  expect:
  - {name: it, RULE}
"""


def crash(step: FaultStep, at: int, until: int) -> FaultEvent:
    return FaultEvent("crash", 0, step, at * MS, until * MS, kind="kill", groups=((0,),))


FAULT = [
    crash(FaultStep.EFFECTIVE, 5000, 5010),
    crash(FaultStep.VERIFIED, 5010, 5020),
    crash(FaultStep.HEALING, 15000, 15000),
    crash(FaultStep.HEALED, 15000, 15500),
]


def says(member: int, role: str, term: int, at: int) -> StatusSample:
    leader = member if role == "Leader" else -1
    return StatusSample(member, at * MS, (at + 10) * MS, True, group_role=role, term=term, controller=leader)


def silent(member: int, at: int) -> StatusSample:
    return StatusSample(member, at * MS, (at + 10) * MS, False)


BEFORE = [says(0, "Leader", 2, 4900), says(1, "Follower", 2, 4900), says(2, "Follower", 2, 4900)]
LATER = [says(1, "Leader", 3, 19000), says(2, "Follower", 3, 19000)]
PUTS = [put(n, n + 1, 100 * n, 100 * n + 50) for n in range(1, 200)]
SILENT = [each for each in PUTS if not 60 <= each.revision < 86]


def judged(rule: str, records: list[object]) -> Finding:
    header = Header(1, "crash", "", "local", 7, 0, "test", 3, model="register", target="etcd")
    history = History([header, *FAULT, *records, PhaseEvent("Draining", 20_000 * MS), Footer(21_000 * MS)])  # type: ignore[list-item]
    (finding,) = evaluate(history, load_document(DOCUMENT.replace("RULE", rule), "test"), MODEL)
    return finding


CHANGE = "leaderChange: {leader: true, within: 2s, of: crash}"
CHANGES = {
    "the whole interval is within the limit": (
        [*BEFORE, says(1, "Follower", 2, 6400), says(1, "Leader", 3, 6500), *LATER],
        (PASS, "", "1.39-1.51 s"),
    ),
    "the interval begins behind the limit": (
        [*BEFORE, says(1, "None", 2, 7400), says(1, "Leader", 3, 7500), *LATER],
        (FAIL, "TooLate", "2.39-2.51 s"),
    ),
    "the limit lies inside the interval": (
        [*BEFORE, says(1, "Follower", 2, 6400), silent(1, 6500), says(1, "Leader", 3, 7500), *LATER],
        (INCONCLUSIVE, "BracketTooWide", "1.39-2.51 s"),
    ),
    "the same member leads again": (
        [*BEFORE, says(0, "Leader", 3, 6500), says(0, "Leader", 3, 19_000)],
        (FAIL, "NoLeaderChange", "none"),
    ),
    "nobody leads": ([*BEFORE, says(1, "None", 2, 19_000)], (FAIL, "NoLeaderChange", "none")),
    "another one led before": (
        [*BEFORE, says(1, "Leader", 1, 4950), says(1, "Follower", 2, 19_000)],
        (FAIL, "NoLeaderChange", "none"),
    ),
    "nobody led before": ([says(1, "Leader", 3, 6500), *LATER], (INCONCLUSIVE, "NoEvidence", "")),
    "nobody was asked in time": ([*BEFORE], (INCONCLUSIVE, "RunEnded", "none")),
}


@pytest.mark.parametrize(("records", "expected"), CHANGES.values(), ids=CHANGES)
def test_another_leader_is_an_interval(records: list[object], expected: tuple[Verdict, str, str]) -> None:
    finding = judged(CHANGE, records)
    assert (finding.verdict, finding.reason, finding.measured) == expected


def test_the_samples_on_both_sides_are_the_witness() -> None:
    records = [*BEFORE, says(1, "Follower", 2, 6400), says(1, "Leader", 3, 6500)]
    finding = judged(CHANGE, records)
    first = 1 + len(FAULT)
    assert finding.witness == (first, 1, first + 3, first + 4)  # the old leader, the effect, without, with


GAP = "maxWriteGap: {atMost: 1s, during: crash}"
GAPS = {
    "puts go on": (PUTS, (PASS, "", "0.05 s")),
    "a put waits": ([*SILENT, put(900, 60, 6000, 8400)], (FAIL, "GapTooLong", "2.40 s")),
    "its answer never comes": ([*SILENT, lost_answer(900, 6000, 8400)], (FAIL, "GapTooLong", "2.45 s")),
    "the workload is silent by itself": (SILENT, (PASS, "", "0.05 s")),
    "nobody put anything": ([], (INCONCLUSIVE, "NotTried", "")),
}


@pytest.mark.parametrize(("records", "expected"), GAPS.values(), ids=GAPS)
def test_the_longest_time_without_a_put(records: list[object], expected: tuple[Verdict, str, str]) -> None:
    finding = judged(GAP, [*records, *LATER])
    assert (finding.verdict, finding.reason, finding.measured) == expected


@pytest.mark.parametrize(
    "rule", ["isrRecovery: {atMost: 1s, of: crash}", "failover: {partition: 0, atMost: 1s, of: crash}"]
)
def test_what_registers_do_not_have_is_refused_in_one_sentence(rule: str) -> None:
    with pytest.raises(DocumentError) as caught:
        judged(rule, [])
    (problem,) = caught.value.problems
    assert problem.sentence == (
        f"`{rule.partition(':')[0]}` has no meaning for the target `etcd`: it is about a log, and this is a register; "
        "of that can be expected `leaderChange`, `maxWriteGap`, `metric`, `promql`"
    )
