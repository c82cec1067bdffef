"""A fault that did not bite is part of no Pass, whether an expectation asks for it or not."""

from __future__ import annotations

import pytest

from skerry.checker.common.faults import PROPERTY
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.property import run_property
from skerry.history import History
from skerry.history.records import FaultEvent, FaultStep, FindingSeen, Footer, Header, PhaseEvent
from skerry.schema.verdict import Finding, FindingKind, Verdict
from skerry.targets.skerry.guarantees import OWES

HEADER = Header(1, "hand-written", "", "local", 7, 0, "test", 3)
S = 1_000_000_000
TIMES = {"resolved": 2, "injecting": 3, "effective": 4, "verified": 5, "unverified": 5, "lost": 6}
TIMES |= {"healing": 7, "healed": 8}


def steps(text):
    """``effective@4``: at another second than usual."""
    for word in text.split():
        step, _, at = word.partition("@")
        second = int(at or TIMES[step])
        yield FaultEvent("cut", 0, FaultStep(step), second * S, second * S + 1, kind="partition", groups=((0,), (1,)))


def judged(*records):
    (finding,) = run_property(PROPERTY, Evidence(History([HEADER, *records, Footer(99 * S)])), Guarantees(OWES))
    return finding


@pytest.mark.parametrize(
    "recorded",
    [
        "",
        "resolved injecting effective verified healing healed",
        "resolved injecting effective verified healing healed healed@9",
        "resolved injecting effective healing verified@9 healed",  # who was back at once is proven by its return
    ],
)
def test_what_was_measured_to_its_end(recorded):
    assert judged(*steps(recorded)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("recorded", "reason", "words"),
    [
        ("resolved injecting effective unverified healing healed", "NotVerified", "was not verified"),
        ("resolved injecting effective verified unverified healing healed", "NotVerified", "was not verified"),
        ("resolved injecting effective healing healed", "NotVerified", "was not verified"),
        ("resolved injecting", "NotVerified", "was not verified"),
        ("effective", "NotVerified", "was not verified"),
        ("resolved injecting effective verified lost healing healed", "FaultLost", "ended by itself at 6.00 s"),
        ("resolved injecting effective lost@4 verified healing healed", "FaultLost", "ended by itself at 4.00 s"),
        ("resolved injecting effective verified healing", "NotHealed", "was never seen to be healed"),
        ("injecting effective@9 verified@9 healing healed", "FaultContradicts", "healing at 7.00 s, and as effective"),
        ("injecting effective verified@1 healing healed", "FaultContradicts", "verified at 1.00 s"),
        ("injecting effective verified healing@9 healed", "FaultContradicts", "healed at 8.00 s, and as healing only"),
    ],
)
def test_what_was_not_or_cannot_have_been(recorded, reason, words):
    finding = judged(*steps(recorded))
    assert (finding.verdict, finding.reason, finding.fault) == (Verdict.INCONCLUSIVE, reason, "cut")
    assert words in finding.message


def test_a_bracket_that_ends_before_it_begins():
    finding = judged(*steps("injecting verified healing healed"), FaultEvent("cut", 0, FaultStep.EFFECTIVE, 4 * S, S))
    assert finding.reason == "FaultContradicts"
    assert "effective from 4.00 s to 1.00 s" in finding.message


def test_what_the_run_said_itself_is_not_said_again():
    said = Finding(FindingKind.RUN, "verified", Verdict.INCONCLUSIVE, "no", reason="NotVerified", fault="cut")
    unverified = tuple(steps("resolved injecting effective unverified healing healed"))
    assert judged(*unverified, FindingSeen(5 * S, said)).verdict is Verdict.PASS
    other = Finding(FindingKind.RUN, "verified", Verdict.INCONCLUSIVE, "no", reason="NotVerified", fault="another")
    assert judged(*unverified, FindingSeen(5 * S, other)).verdict is Verdict.INCONCLUSIVE


def test_nobody_drains_a_workload_while_a_fault_lasts():
    recorded = tuple(steps("injecting effective verified healing healed"))
    assert judged(*recorded, PhaseEvent("Draining", 9 * S)).verdict is Verdict.PASS
    finding = judged(*recorded, PhaseEvent("Draining", 6 * S))
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, "FaultContradicts")
    assert "healed at 8.00 s, when the workload had been drained since 6.00 s" in finding.message
