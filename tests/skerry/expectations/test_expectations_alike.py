"""What all expectations have in common: what says nothing, and what convicts nobody."""

from __future__ import annotations

import dataclasses

import pytest
from expectation_kit import (
    AROUND,
    BEFORE,
    CHANGE,
    CHANGED,
    END,
    FAIL,
    GAP,
    INCONCLUSIVE,
    LATE,
    MS,
    PASS,
    SMALLER,
    WALL,
    WHOLE,
    assert_judged,
    document,
    election,
    happening,
    judge,
    leader2,
    outage,
    status,
    step,
    writes,
)
from msgspec.structs import replace

from skerry.checker.evaluate import evaluate
from skerry.checker.models.log import MODEL
from skerry.expectations.registry import EXPECTATIONS
from skerry.experiment import Finding, FindingKind
from skerry.history import History
from skerry.history.records import FaultStep, FindingSeen, Header, ProcessExit, Stall


def wide(by, start=5000, end=15_000):
    """A fault of which nobody knows better than to ``by`` ms when it took effect."""
    return [
        replace(event, after_ns=event.before_ns + by * MS) if event.step is FaultStep.EFFECTIVE else event
        for event in happening(start, end)
    ]


def test_every_expectation_of_the_vocabulary_has_a_judge():
    assert list(MODEL.expectations) == list(EXPECTATIONS)


def test_a_fault_that_never_happened_says_nothing():
    assert_judged(INCONCLUSIVE, CHANGE, CHANGED, "never injected", reason="NotInjected", faults=[])


@pytest.mark.parametrize(
    ("dropped", "added", "reason"),
    [
        (FaultStep.VERIFIED, None, "NotVerified"),
        (FaultStep.EFFECTIVE, None, "NotVerified"),
        (None, FaultStep.UNVERIFIED, "NotVerified"),
        (None, FaultStep.LOST, "FaultLost"),
    ],
)
def test_a_fault_that_was_not_verified_says_nothing(dropped, added, reason):
    faults = [event for event in happening() if event.step is not dropped]
    faults += [step(added, 5400)] if added else []
    assert_judged(INCONCLUSIVE, CHANGE, CHANGED, reason=reason, faults=faults)


def test_an_expectation_that_names_no_fault_rests_on_all_of_them():
    faults = [event for event in happening() if event.step is not FaultStep.VERIFIED]
    assert_judged(INCONCLUSIVE, "maxWriteGap: {atMost: 1s}", [], reason="NotVerified", faults=faults)


def test_a_crashed_judge_is_inconclusive():
    def crash(body, run):
        raise KeyError("leader")

    header = Header(1, "isolation", "", "sim", 7, WALL, "test", 3)
    history = History([header, *happening(), *END])
    (finding,) = evaluate(history, document(CHANGE), dataclasses.replace(MODEL, expectations={"leaderChange": crash}))
    assert (finding.verdict, finding.reason) == (INCONCLUSIVE, "CheckerCrashed")
    (finding,) = evaluate(history, document(CHANGE), dataclasses.replace(MODEL, expectations={}))
    assert (finding.verdict, finding.reason) == (INCONCLUSIVE, "NotEvaluated")


@pytest.mark.parametrize(
    ("stall", "verdict"),
    [
        (Stall(-1, 6000 * MS, 6300 * MS), INCONCLUSIVE),
        (Stall(-1, 6000 * MS, 6150 * MS), FAIL),  # too short
        (Stall(-1, 1000 * MS, 1300 * MS), FAIL),  # before the window
        (Stall(2, 6000 * MS, 6300 * MS), FAIL),  # the fault names this broker
        (Stall(7, 6000 * MS, 6300 * MS), INCONCLUSIVE),
        (Stall(-2, 6000 * MS, 6300 * MS), FAIL),  # the proxies are not what is judged
    ],
)
def test_a_stall_voids_an_upper_bound_that_failed(stall, verdict):
    finding = judge(CHANGE, [*LATE, stall])
    assert finding.verdict is verdict, finding
    assert (finding.reason == "Stalled") == (verdict is INCONCLUSIVE)


def test_a_stall_voids_no_upper_bound_that_held():
    assert judge(CHANGE, [*CHANGED, Stall(-1, 6000 * MS, 6300 * MS)]).verdict is PASS


def test_limits_are_scaled_by_the_timing_preset():
    assert judge(CHANGE, LATE).verdict is FAIL
    assert_judged(PASS, CHANGE, LATE, "9.00 s", timing="Relaxed")


@pytest.mark.parametrize(
    ("bracket_ms", "elected", "verdict"),
    [
        (300, 8001, FAIL),  # a tenth of the limit: judged by the early edge
        (2000, 8000, PASS),  # in time from every moment of the bracket
        (2000, 9000, INCONCLUSIVE),  # 2 to 4 s: nobody knows
        (2000, 10_001, FAIL),  # late from every moment of it
    ],
)
def test_a_wide_bracket_decides_nothing_by_itself(bracket_ms, elected, verdict):
    records = [*BEFORE, election(2, 2, elected), status(1, 10_200, leader=2, epoch=2)]
    finding = judge(CHANGE, records, wide(bracket_ms))
    assert (finding.verdict, finding.reason == "BracketTooWide") == (verdict, verdict is INCONCLUSIVE), finding


@pytest.mark.parametrize(
    ("bracket_ms", "ends", "verdict"),
    [
        (150, 7100, FAIL),  # from the early edge on: 2.1 s of at most 2
        (1700, 6900, PASS),
        (1700, 7400, INCONCLUSIVE),  # of the gap from 5.0 to 7.4 s only 0.7 s lie behind the late edge
        (1700, 9000, FAIL),
    ],
)
def test_a_gap_counts_from_the_early_edge_of_the_bracket(bracket_ms, ends, verdict):
    """A window that began at the late edge, behind the gap, said 0.2 s beside a client that had waited a second."""
    records = [*writes(1000, 5000), *outage(4992, ends), *writes(ends, 24_000)]
    assert judge(GAP, records, wide(bracket_ms)).verdict is verdict


def test_epochs_in_the_bracket_count_against_the_system():
    none = "epochsGrowAtMost: {by: 0, during: cut}"
    assert_judged(FAIL, none, CHANGED, reason="TooManyElections", faults=wide(500))
    assert_judged(INCONCLUSIVE, none, CHANGED, reason="BracketTooWide", faults=wide(2000))


def test_what_was_settled_before_a_fault_was_lost_stands():
    lost = [event for event in happening() if event.step is not FaultStep.HEALING]
    lost.insert(3, step(FaultStep.LOST, 9000))
    assert_judged(PASS, CHANGE, CHANGED, faults=lost)  # settled at 6.5 s
    assert_judged(INCONCLUSIVE, GAP, AROUND, "ended by itself at 9.00 s", reason="FaultLost", faults=lost)
    slow = [*writes(1000, 5000), *outage(4992, 8000), *writes(8000, 24_000)]
    assert_judged(FAIL, GAP, slow, reason="GapTooLong", faults=lost)  # over before it was lost
    whole = [leader2(15_500, (1, 2)), leader2(17_000, (0, 1, 2))]
    assert_judged(INCONCLUSIVE, WHOLE, whole, reason="FaultLost", faults=lost)


LOST_CARRIER = Finding(FindingKind.RUN, "run", INCONCLUSIVE, "the proxy is gone", reason="InjectorLost")
KILLED = Finding(FindingKind.RUN, "run", INCONCLUSIVE, "broker 1 is gone", reason="BrokerExited")


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([], FAIL),
        ([FindingSeen(18_900 * MS, LOST_CARRIER)], INCONCLUSIVE),
        ([FindingSeen(19_300 * MS, LOST_CARRIER)], FAIL),  # it was 19.01 s that it had time until
        ([FindingSeen(18_900 * MS, replace(LOST_CARRIER, reason="NotHealed"))], FAIL),
        ([FindingSeen(18_900 * MS, KILLED)], INCONCLUSIVE),
        ([FindingSeen(18_900 * MS, KILLED), ProcessExit(1, 18_900 * MS, -9, "")], INCONCLUSIVE),
        ([FindingSeen(18_900 * MS, KILLED), ProcessExit(1, 18_900 * MS, 1, "AssertionError")], FAIL),
    ],
)
def test_what_others_did_convicts_nobody(found, verdict):
    """A proxy that died took the brokers' links with it, and an ISR that shrank by that counted as a flap."""
    flap = [leader2(15_500, (0, 1, 2)), leader2(18_950, (1, 2))]
    finding = judge(WHOLE, [*flap, *found])
    assert (finding.verdict, finding.reason == "IsrFlapped") == (verdict, verdict is FAIL), finding


def test_what_held_before_others_came_stands():
    back = [leader2(15_500, (1, 2)), leader2(17_000, (0, 1, 2))]
    assert judge(WHOLE, [*back, FindingSeen(18_000 * MS, LOST_CARRIER)]).verdict is PASS


def test_a_limit_that_was_still_open_when_the_run_ended_has_not_failed():
    smaller = [leader2(7000, (0, 1, 2)), leader2(8000, (0, 1, 2))]
    assert_judged(INCONCLUSIVE, SMALLER, smaller, "the run was over at", reason="RunEnded")
    assert_judged(FAIL, SMALLER, [*smaller, leader2(9100, (0, 1, 2))], reason="WrongIsr")
