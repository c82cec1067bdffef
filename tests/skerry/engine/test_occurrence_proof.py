"""One occurrence beside others: what is said of it when they begin, and when they end."""

from __future__ import annotations

from itertools import permutations

import pytest
from toy_world import MS, S

from skerry.engine.observation import Observation
from skerry.engine.occurrence_proof import OccurrenceProof
from skerry.engine.world import ActionReport, BrokerView, LinkKind, LinkView, ProcessState, ReportState
from skerry.experiment import Verdict
from skerry.faults.clock import ClockShift
from skerry.faults.disk import Disk
from skerry.faults.kill import Kill, KillHow
from skerry.faults.network_partition import Connections, Cut, CutAction
from skerry.faults.pause import Pause
from skerry.faults.proof import before
from skerry.faults.restart import Restart, RestartHow
from skerry.targets.skerry.planes import Plane

CUT = Cut(((0, 1), (1, 0)), tuple(Plane), Connections.NEW, CutAction.DROP)
GONE = Kill((2,), KillHow.PROCESS, 0)
LATER = ClockShift((2,), jump_ns=S)
RUNNING = ProcessState.RUNNING
STRAY = "the new connection 1 -> 2 on Client fails, although nobody cut it"


def at(ns: int, tried_ns: int, failing: set[tuple[int, int]] = frozenset()) -> Observation:  # type: ignore[assignment]
    """Three brokers that answer; new connections were tried at ``tried_ns``, and these pairs failed, both ways."""
    new = tuple(
        LinkView(a, b, plane, LinkKind.NEW, tried_ns, not {(a, b), (b, a)} & failing)
        for a, b in permutations(range(3), 2)
        for plane in Plane
    )
    kept = tuple(
        LinkView(a, b, plane, LinkKind.KEPT, ns, True) for a, b in permutations(range(3), 2) for plane in Plane
    )
    return Observation(brokers=tuple(BrokerView(o, ns, True, RUNNING, ns) for o in range(3)), links=new + kept)


EARLIER = before(at(9 * S, 9 * S), tuple(Plane), at_ns=10 * S)


@pytest.mark.parametrize(("ended_ago_ms", "stray"), [(200, ""), (1500, STRAY)])
def test_a_sample_may_tell_of_a_fault_that_has_just_ended(ended_ago_ms: int, stray: str) -> None:
    """The planted bug: the last connection that was tried while a broker was dead counted against the cut beside it."""
    proof = OccurrenceProof(CUT, at(10 * S, 10 * S), (GONE,), EARLIER, 10 * S, 5 * S)
    for tenth in range(1, 30):
        now_ns = 10 * S + tenth * 100 * MS
        proof.look(at(now_ns, now_ns, {(0, 1), (1, 2)}), (GONE,), None)
    ended_ns = now_ns + ended_ago_ms * MS
    proof.look(at(ended_ns, now_ns, {(0, 1), (1, 2)}), (), None)
    assert proof.stray == stray


def test_a_broker_that_another_fault_takes_meanwhile_is_not_missed() -> None:
    """The planted bug: it had been looked at when the fault began, and was said to be named by none."""
    proof = OccurrenceProof(Kill((0,), KillHow.PROCESS, S), at(9 * S, 9 * S), (), EARLIER, 10 * S, S)
    dead = at(10 * S + 100 * MS, 10 * S)
    gone = BrokerView(0, 10 * S + 100 * MS, False, ProcessState.GONE, 10 * S + 100 * MS)
    proof.look(Observation(brokers=(gone, *dead.brokers[1:])), (LATER,), None)
    assert proof.missing(None) == ""


@pytest.mark.parametrize(
    ("before_ms", "after_ms", "measured", "bracket_ms"),
    [
        (40, 60, True, (40, 60)),
        (40, 250, True, (40, 100)),
        (-10, 60, True, (0, 60)),
        (40, 60, False, (0, 100)),  # the order and its end: a process may outlive both
        (150, 160, True, (0, 100)),  # the samples saw it gone before
    ],
    ids=["on the wire", "not its end", "not its beginning", "by its word", "contradicted"],
)
def test_what_was_seen_on_the_wire_narrows_the_beginning(before_ms, after_ms, measured, bracket_ms) -> None:
    proof = OccurrenceProof(Kill((0,), KillHow.PROCESS, S), at(9 * S, 9 * S), (), EARLIER, 10 * S, S)
    proof.look(at(10 * S, 10 * S), (), None)
    gone = BrokerView(0, 10 * S + 100 * MS, False, ProcessState.GONE, 10 * S + 100 * MS)
    proof.look(Observation(brokers=(gone, *at(10 * S + 100 * MS, 10 * S).brokers[1:])), (), None)
    report = ActionReport(1, ReportState.DONE, 10 * S + before_ms * MS, 10 * S + after_ms * MS, measured=measured)
    found = proof.beginning(report)
    assert found is not None
    assert tuple((edge_ns - 10 * S) // MS for edge_ns in found) == bracket_ms


def test_what_could_not_be_seen_at_first_did_not_begin_late() -> None:
    """The planted bug: a paused broker shows no slow disk, and when it ran again the disk was said to be late."""
    slow = Disk((0,), slow_by_ns=300 * MS)
    proof = OccurrenceProof(slow, at(9 * S, 9 * S), (Pause((0,)),), EARLIER, 10 * S, 5 * S)
    for tenth in range(1, 36):
        now_ns = 10 * S + tenth * 100 * MS
        seen = at(now_ns, now_ns)
        paused = tenth < 25
        state = ProcessState.STOPPED if paused else RUNNING
        fsync_ns = -1 if paused else 320 * MS
        first = BrokerView(0, 10 * S if paused else now_ns, not paused, state, now_ns, fsync_ns=fsync_ns)
        proof.look(Observation(brokers=(first, *seen.brokers[1:])), (Pause((0,)),) if paused else (), None)
        if paused:
            assert "another fault lies over it" in proof.missing(10 * S + 100 * MS)
    assert proof.missing(10 * S + 100 * MS) == ""


@pytest.mark.parametrize(
    ("fault", "from_ms"),
    [
        (Kill((0,), KillHow.PROCESS, S), 400),
        (Kill((0,), KillHow.POD_DELETE, S), 0),
        (Restart((0,), RestartHow.KILL, together=True), 400),
        (Restart((0,), RestartHow.GRACEFUL, together=True), 0),
    ],
)
def test_what_is_asked_to_stop_may_act_before_it_is_gone(fault: Kill | Restart, from_ms: int) -> None:
    """The planted bug: a leader that handed over on SIGTERM, and answered for 400 ms more, had led nobody when it was
    gone: `leaderChange` found no change, and failed."""
    proof = OccurrenceProof(fault, at(9 * S, 9 * S), (), EARLIER, 10 * S, S)
    for tenth in range(1, 6):
        now_ns = 10 * S + tenth * 100 * MS
        seen = at(now_ns, now_ns)
        gone = BrokerView(0, now_ns, False, ProcessState.GONE, now_ns)
        proof.look(Observation(brokers=(seen.brokers[0] if tenth < 5 else gone, *seen.brokers[1:])), (), None)
    assert proof.began is not None
    assert round((proof.began.before_ns - 10 * S) / MS) == from_ms
    assert proof.began.after_ns == 10 * S + 500 * MS


def test_two_faults_that_begin_at_once_on_two_brokers(conductor, toy):  # type: ignore[no-untyped-def]
    both = """  faults:
  - {name: crash, startAfter: 1s, kill: {target: {ordinal: 0}, how: Process, downFor: 2s}}
  - {name: freeze, startAfter: 1s, duration: 5s, pause: {target: {ordinal: 2}}}
  allow: [QuorumLoss, BelowMinIsr]
"""
    world = toy(sample_age_ns=200 * MS)
    world.run(conductor(both))
    assert [step for step in world.steps if "verified" in step] == ["crash#0 verified", "freeze#0 verified"]
    assert world.finish.verdict is Verdict.PASS, world.finish.message
