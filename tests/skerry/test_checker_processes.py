"""Who died, and why: the system's own failure, somebody else's deed, a fault of this run."""

from __future__ import annotations

import pytest

from skerry.checker.common.processes import PROPERTY
from skerry.checker.guarantees import Guarantees
from skerry.checker.models.log.evidence import Evidence
from skerry.checker.property import run_property
from skerry.history import History
from skerry.history.records import FaultEvent, FaultStep, Footer, Header, ProcessExit, StatusSample
from skerry.schema.verdict import Verdict
from skerry.targets.skerry.guarantees import OWES

HEADER = Header(1, "hand-written", "", "local", 7, 0, "test", 3)
S = 1_000_000_000


def answer(at, incarnation="a", broker=1, reachable=True):
    return StatusSample(broker, at * S, at * S + 1, reachable, incarnation=incarnation if reachable else "")


def fault(kind, step, at, victims=(1,)):
    return FaultEvent("it", 0, step, at * S, at * S + 1, kind=kind, groups=(victims,))


def judged(*records):
    return run_property(PROPERTY, Evidence(History([HEADER, *records, Footer(99 * S)])), Guarantees(OWES))


def test_all_of_them_ran():
    (finding,) = judged(answer(1), answer(2), answer(3))
    assert (finding.verdict, finding.message) == (Verdict.PASS, "1 process, none ended but by a fault")


@pytest.mark.parametrize(
    ("code", "verdict", "words"),
    [
        (1, Verdict.FAIL, "ended by itself (exit code 1)"),
        (-6, Verdict.FAIL, "crashed (SIGABRT)"),
        (-11, Verdict.FAIL, "crashed (SIGSEGV)"),
        (-9, Verdict.INCONCLUSIVE, "was ended by somebody else (SIGKILL)"),
        (-15, Verdict.INCONCLUSIVE, "was ended by somebody else (SIGTERM)"),
        (0, Verdict.INCONCLUSIVE, "was asked by somebody to stop"),
    ],
)
def test_how_a_process_ended_says_who_is_to_blame(code, verdict, words):
    dead = ProcessExit(1, 5 * S, code, "Traceback\n  AssertionError: end_offset went back\n")
    (finding,) = judged(answer(1), dead, answer(6, reachable=False))
    assert finding.verdict is verdict
    assert finding.reason == ("BrokerCrashed" if verdict is Verdict.FAIL else "BrokerExited")
    assert f"broker 1 {words}" in finding.message
    assert "AssertionError: end_offset went back" in finding.message
    assert finding.witness == (2,)


def test_what_a_kubelet_says_of_the_end_is_told():
    (finding,) = judged(answer(1), ProcessExit(1, 5 * S, -9, "", "OOMKilled"), answer(6, reachable=False))
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, "BrokerExited")
    assert "broker 1 was ended by somebody else (SIGKILL, OOMKilled) at 5.00 s" in finding.message


def test_an_end_that_is_told_late_explains_the_restart_before_it():
    """The planted bug: a kubelet tells 2 s later how a container ended, and its restart was a second finding."""
    (finding,) = judged(answer(1), answer(4, "b"), ProcessExit(1, 6 * S, 1, "boom"))
    assert (finding.verdict, finding.reason) == (Verdict.FAIL, "BrokerCrashed")


def test_a_process_that_never_answered_has_not_come_up_which_the_run_tells():
    (finding,) = judged(ProcessExit(1, 5 * S, 1, "address in use"), answer(6, broker=2))
    assert finding.verdict is Verdict.PASS


def test_a_broker_that_others_restarted_is_noticed_by_its_incarnation():
    (finding,) = judged(answer(1), answer(5, reachable=False), answer(7, "b"))
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, "BrokerExited")
    assert "broker 1 was restarted between 1.00 s and 7.00 s" in finding.message


@pytest.mark.parametrize(
    ("kind", "victims", "verdict"),
    [
        ("kill", (1,), Verdict.PASS),
        ("restart", (0, 1, 2), Verdict.PASS),
        ("wipe", (1,), Verdict.PASS),
        ("kill", (2,), Verdict.INCONCLUSIVE),
        ("pause", (1,), Verdict.INCONCLUSIVE),
        ("partition", (1,), Verdict.INCONCLUSIVE),
    ],
)
def test_a_fault_that_ends_processes_explains_its_victims_restart(kind, victims, verdict):
    steps = [fault(kind, FaultStep.INJECTING, 3, victims), fault(kind, FaultStep.HEALED, 8, victims)]
    (finding,) = judged(answer(1), steps[0], answer(7, "b"), steps[1])
    assert finding.verdict is verdict


def test_a_fault_explains_no_restart_at_another_time():
    over = [fault("kill", FaultStep.INJECTING, 3), fault("kill", FaultStep.HEALED, 8)]
    (finding,) = judged(answer(1), *over, answer(9, "b"), answer(20, "b"), answer(21, "c"))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "between 20.00 s and 21.00 s" in finding.message
