"""What counts as proof that a fault bites, and that it is gone."""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from skerry.engine.interval import IntervalJudge
from skerry.engine.observation import BrokerView, LinkKind, LinkView, Observation, ProcessState
from skerry.faults.clock import ClockShift
from skerry.faults.disk import Disk
from skerry.faults.kill import Kill, KillHow
from skerry.faults.network_partition import Connections, Cut, CutAction
from skerry.faults.pause import Pause
from skerry.faults.proof import Before, before
from skerry.faults.registry import fault_type
from skerry.faults.slow_network import Slow
from skerry.faults.wipe import Wipe
from skerry.targets.skerry.planes import Plane


class Verdict(NamedTuple):
    proven: bool
    detail: str


def verify(fault, since_ns, samples, earlier, others=()):
    """One look, after the injection was asked for: is everything as it must be?"""
    judge = IntervalJudge(since_ns, holds=False)
    judge.look(
        reading._replace(well_ns=since_ns - 1) for reading in fault_type(fault).read(fault, samples, earlier, ())
    )
    judge.feed(fault_type(fault).read(fault, samples, earlier, tuple(others)))
    missing = judge.missing() or fault_type(fault).weigh(fault, earlier, judge.measures())
    return Verdict(not missing, missing or fault_type(fault).proven(fault))


def healed(fault, since_ns, samples, earlier, others=()):
    return fault_type(fault).healed(fault, since_ns, samples, earlier, tuple(others))


def was_crash(fault, samples):
    return fault_type(fault).disproof(fault, samples, 0)


MS = 1_000_000
S = 1_000 * MS
SINCE = 1_000 * MS
LATER = 2_000 * MS
RAFT, DATA = Plane.RAFT, Plane.REPLICATION
TWO_WAY = ((0, 1), (0, 2), (1, 0), (2, 0))


def links(failing_new=(), failing_kept=(), at=LATER, **more):
    """All pairs of three brokers on both planes; those listed fail on both planes."""
    return tuple(
        LinkView(
            a,
            b,
            plane,
            kind,
            at,
            (a, b) not in failing,
            **({"silent_ns": 400 * MS * ((a, b) in failing), "received_one_way": int((b, a) not in failing)} | more),
        )
        for a, b in permutations(range(3), 2)
        for plane in (RAFT, DATA)
        for kind, failing in ((LinkKind.NEW, failing_new), (LinkKind.KEPT, failing_kept))
    )


def seen(*views, links=()):
    brokers = views or tuple(BrokerView(ordinal, LATER, True) for ordinal in range(3))
    return Observation(brokers=brokers, links=links)


NOTHING = Before({}, {}, planes=(RAFT, DATA))
ALL = Cut(TWO_WAY, (RAFT, DATA), Connections.ALL, CutAction.DROP)
NEW = Cut(TWO_WAY, (RAFT, DATA), Connections.NEW, CutAction.DROP)


@pytest.mark.parametrize(
    ("fault", "links", "detail"),
    [
        (ALL, links(TWO_WAY, TWO_WAY), ""),
        (ALL, links(TWO_WAY, ()), "the kept connection 0 -> 1 on Raft still answers"),
        (NEW, links(TWO_WAY, ()), ""),
        (NEW, links((), ()), "a new connection 0 -> 1 on Raft still succeeds"),
        (ALL, links((*TWO_WAY, (1, 2)), TWO_WAY), "the new connection 1 -> 2 on Raft fails, although nobody cut it"),
        (ALL, links(TWO_WAY, TWO_WAY, at=SINCE - 1), "no new connection 0 -> 1 on Raft was tried"),
        # a kept connection needs 300 ms of silence before it counts as failed
        (ALL, links(TWO_WAY, TWO_WAY, silent_ns=299 * MS), "the kept connection 0 -> 1 on Raft still answers"),
        (ALL, (), "no new connection 0 -> 1 on Raft was tried"),
        # half a cut is no cut
        (ALL, links(TWO_WAY[:2], TWO_WAY), "a new connection 1 -> 0 on Raft still succeeds"),
    ],
)
def test_a_cut(fault, links, detail):
    proof = verify(fault, SINCE, seen(links=links), NOTHING)
    assert proof.proven is not bool(detail)
    if detail:
        assert proof.detail == detail


def test_a_plane_that_was_not_cut_must_still_answer():
    only_raft = Cut(TWO_WAY, (RAFT,), Connections.ALL, CutAction.DROP)
    proof = verify(only_raft, SINCE, seen(links=links(TWO_WAY, TWO_WAY)), NOTHING)
    assert proof.detail == "the new connection 0 -> 1 on Replication fails, although nobody cut it"


def test_pairs_of_another_active_fault_are_left_out():
    broken = links((*TWO_WAY, (1, 2), (2, 1)), (*TWO_WAY, (1, 2), (2, 1)))
    other = Kill((2,), KillHow.PROCESS, 0)
    assert not verify(ALL, SINCE, seen(links=broken), NOTHING).proven
    hidden = verify(ALL, SINCE, seen(links=broken), NOTHING, [other])
    assert hidden.detail == "the new connection 0 -> 2 on Raft cannot be judged: another fault lies over it"
    onesided = Cut(((0, 1), (1, 0)), (RAFT, DATA), Connections.ALL, CutAction.DROP)
    assert not verify(onesided, SINCE, seen(links=broken), NOTHING).proven
    assert verify(onesided, SINCE, seen(links=broken), NOTHING, [other]).proven


@pytest.mark.parametrize(
    ("at_target", "at_source", "proven"), [(0, 9, True), (3, 9, False), (0, 0, False), (-1, 9, False), (0, -1, False)]
)
def test_a_one_way_cut_is_proven_by_datagrams_in_one_direction_only(at_target, at_source, proven):
    fault = Cut(((0, 1),), (RAFT,), Connections.ALL, CutAction.DROP)
    counted = tuple(
        LinkView(a, b, plane, kind, LATER, True, received_one_way={(1, 0): at_target, (0, 1): at_source}.get((a, b), 5))
        for a, b in permutations(range(3), 2)
        for plane in (RAFT, DATA)
        for kind in LinkKind
    )
    assert verify(fault, SINCE, seen(links=counted), NOTHING).proven is proven


def slow_links(**more):
    """The pairs that are slowed on Raft are as it was measured; all others are as quick as ever."""
    at, slowed = SINCE + 900 * MS, {(a, b, RAFT) for a, b in TWO_WAY}
    return (
        *(link for link in links(at=at, **more) if (link.source, link.target, link.plane) in slowed),
        *(link for link in links(at=at, rtt_ns=MS) if (link.source, link.target, link.plane) not in slowed),
    )


@pytest.mark.parametrize(
    ("fault", "measured", "proven"),
    [
        (Slow(TWO_WAY, (RAFT,), 100 * MS, 20 * MS), {"rtt_ns": 200 * MS}, True),
        (Slow(TWO_WAY, (RAFT,), 100 * MS, 20 * MS), {"rtt_ns": 5 * MS}, False),
        (Slow(TWO_WAY, (RAFT,), 100 * MS, 20 * MS), {"rtt_ns": 900 * MS}, False),
        (Slow(TWO_WAY, (RAFT,), 100 * MS, 20 * MS), {}, False),
        (Slow(TWO_WAY, (RAFT,), loss_percent=20), {"lost_percent": 15}, True),
        (Slow(TWO_WAY, (RAFT,), loss_percent=20), {"lost_percent": 5}, False),
        (Slow(TWO_WAY, (RAFT,), loss_percent=20), {}, False),
        (Slow(TWO_WAY, (RAFT,), loss_percent=1), {}, False),
        (Slow(TWO_WAY, (RAFT,), 100 * MS, loss_percent=1), {"rtt_ns": 200 * MS}, True),
        (Slow(TWO_WAY, (RAFT,), rate_kbps=3000), {"rate_kbps": 3500}, True),
        (Slow(TWO_WAY, (RAFT,), rate_kbps=3000), {"rate_kbps": 9000}, False),
        (Slow(TWO_WAY, (RAFT,), rate_kbps=3000), {}, False),
    ],
)
def test_a_slow_network(fault, measured, proven):
    assert verify(fault, SINCE, seen(links=slow_links(**measured)), NOTHING).proven is proven


def test_what_could_not_be_measured_of_a_slow_network_is_named():
    fault = Slow(TWO_WAY, (RAFT,), 100 * MS, loss_percent=1, rate_kbps=3000)
    proof = verify(fault, SINCE, seen(links=slow_links(rtt_ns=200 * MS)), NOTHING)
    assert proof.detail == "round trips are as slow as asked; not measured: loss, rate"


def broker(**more):
    return BrokerView(0, more.pop("at", LATER), more.pop("reachable", True), process_sampled_ns=LATER, **more)


OLD = before(seen(broker(incarnation="a", broker_epoch=5, directory_id="d", clock_offset_ns=0)), (RAFT, DATA))
KILL = Kill((0,), KillHow.PROCESS, 0)


@pytest.mark.parametrize(
    ("fault", "view", "proven"),
    [
        (KILL, broker(process=ProcessState.GONE), True),
        (KILL, broker(process=ProcessState.RUNNING, incarnation="a"), False),
        (KILL, broker(process=ProcessState.RUNNING, incarnation="b"), True),
        (Disk((0,), fsync_error=True), broker(log_offline=True), True),
        (Disk((0,), fsync_error=True), broker(), False),
        (Disk((0,), slow_by_ns=50), broker(fsync_ns=60), True),
        (Disk((0,), slow_by_ns=50), broker(), False),
        (ClockShift((0,), jump_ns=1000), broker(clock_offset_ns=1000), True),
        (ClockShift((0,), jump_ns=-1000), broker(clock_offset_ns=-990), True),
        (ClockShift((0,), jump_ns=1000), broker(clock_offset_ns=100), False),
        (ClockShift((0,), jump_ns=1000), broker(), False),
    ],
)
def test_brokers(fault, view, proven):
    assert verify(fault, SINCE, seen(view), OLD).proven is proven


@pytest.mark.parametrize(
    ("fault", "view", "detail"),
    [
        (KILL, broker(incarnation="b", broker_epoch=6), ""),
        (KILL, broker(incarnation="b", broker_epoch=6, at=SINCE - 1), "broker 0 does not answer yet"),
        (KILL, broker(incarnation="b", broker_epoch=-1), "broker 0 has not registered yet"),
        (KILL, broker(incarnation="a", broker_epoch=5), "broker 0 has not registered yet"),
        (KILL, broker(reachable=False), "broker 0 does not answer yet"),
        (Wipe((0,)), broker(incarnation="b", broker_epoch=6, directory_id="e"), ""),
        (
            Wipe((0,)),
            broker(incarnation="b", broker_epoch=6, directory_id="d"),
            "broker 0 came back with its old data directory",
        ),
    ],
)
def test_a_victim_is_back_when_it_has_registered(fault, view, detail):
    proof = healed(fault, SINCE, seen(view), OLD)
    assert proof.proven is not bool(detail)
    if detail:
        assert proof.detail == detail


def test_a_cut_is_gone_when_every_pair_answers_again():
    assert healed(ALL, SINCE, seen(links=links()), NOTHING).proven
    still = healed(ALL, SINCE, seen(links=links(failing_kept=[(2, 0)])), NOTHING)
    assert still.detail == "a kept connection 2 -> 0 on Raft does not answer yet"
    closed = healed(NEW, SINCE, seen(links=links(failing_new=[(2, 0)])), NOTHING)
    assert closed.detail == "a new connection 2 -> 0 on Raft does not answer yet"
    other = Kill((2,), KillHow.PROCESS, 0)
    assert healed(ALL, SINCE, seen(links=links(failing_kept=[(2, 0), (0, 2)])), NOTHING, [other]).proven


@pytest.mark.parametrize(
    ("other", "gone", "still"),
    [
        (Kill((0,), KillHow.PROCESS, 0), "hidden", "hidden"),
        (Pause((0,)), "hidden", "hidden"),
        (Kill((1,), KillHow.PROCESS, 0), "gone", "still"),  # 0 and 2 show it
        (Cut(((1, 2), (2, 1)), (RAFT, DATA), Connections.ALL, CutAction.DROP), "gone", "still"),
        (Disk((0,), slow_by_ns=S), "gone", "still"),  # it goes on to answer
        (ClockShift((0,), jump_ns=S), "gone", "still"),
    ],
)
def test_only_what_takes_a_link_hides_that_it_is_whole_again(other, gone, still):
    """The planted bug: a broker whose clock was wrong was taken for one that nobody can see."""
    for expected, failing in ((gone, ()), (still, TWO_WAY)):
        proof = healed(ALL, SINCE, seen(links=links(failing, failing)), NOTHING, [other])
        assert ("hidden" if proof.hidden else "gone" if proof.proven else "still") == expected, proof.detail


@pytest.mark.parametrize(("clean", "objects"), [(True, True), (False, False), (None, False)])
def test_only_a_clean_registration_contradicts_a_crash(clean, objects):
    assert (was_crash(KILL, seen(broker(registered_clean=clean))) != "") is objects
    assert was_crash(Kill((0,), KillHow.POD_DELETE, 0), seen(broker(registered_clean=clean))) == ""


@pytest.mark.parametrize(
    ("latency_ms", "rtt_ms", "gone"), [(20, 41, False), (20, 15, True), (2, 5, False), (100, 90, True)]
)
def test_a_slow_network_is_gone_when_less_than_half_of_it_is_left(latency_ms, rtt_ms, gone):
    """The planted bug: 50 ms more than before were always good enough, and a latency of 20 ms never had to end."""
    fault = Slow(TWO_WAY, (RAFT,), latency_ms * MS)
    earlier = Before({}, dict.fromkeys(((a, b, RAFT) for a, b in TWO_WAY), MS))
    assert healed(fault, SINCE, seen(links=slow_links(rtt_ns=rtt_ms * MS)), earlier).proven is gone


@pytest.mark.parametrize(
    ("moved_ms", "detail"),
    [
        (1020, "broker 0: the clock is off as asked"),
        (1000, "the clock of broker 0 moved by 1000 ms, and 1020 ms were asked for"),  # by the jump alone
        (20, "the clock of broker 0 moved by 20 ms, and 1020 ms were asked for"),
    ],
)
def test_a_large_jump_hides_no_missing_drift(moved_ms, detail):
    fault = ClockShift((0,), jump_ns=S, drift_ppm=20_000)
    view = broker(at=LATER, clock_offset_ns=moved_ms * MS)
    assert verify(fault, SINCE, seen(view), replace(OLD, at_ns=SINCE)).detail == detail


@pytest.mark.parametrize(
    ("after_ms", "moved_ms", "detail"),
    [
        (1000, 20, "broker 0: the clock does not drift any more"),
        (1000, 40, "the clock of broker 0 still drifts: it moved by 40 ms"),
        (1000, -40, "the clock of broker 0 still drifts: it moved by -40 ms"),
        (1000, 36, "the clock of broker 0 still drifts: it moved by 36 ms"),  # it began a fifth too late
        (300, 26, "whether the clock of broker 0 still drifts does not show yet"),
    ],
)
def test_a_drift_is_gone_when_nothing_is_added_any_more(after_ms, moved_ms, detail):
    """20,000 ppm for a second are 20 ms. The planted bug: it was enough that the broker answered."""
    fault = ClockShift((0,), drift_ppm=20_000)
    view = broker(at=SINCE + after_ms * MS, clock_offset_ns=moved_ms * MS)
    assert healed(fault, SINCE, seen(view), OLD).detail == detail


@pytest.mark.parametrize(
    ("down_ns", "state", "late", "again"),
    [
        (S, ProcessState.RUNNING, False, "the process of broker 0 runs again"),
        (S, ProcessState.RUNNING, True, ""),  # a kubelet has restarted it in place, and its pod is on its way out
        (S, ProcessState.UNKNOWN, False, ""),
        (0, ProcessState.RUNNING, False, ""),
    ],
)
def test_a_process_that_is_to_be_kept_away_comes_back_when_it_is_started(down_ns, state, late, again):
    view = broker(reachable=False, process=state, process_told_late=late)
    first = next(iter(fault_type(KILL).read(Kill((0,), KillHow.PROCESS, down_ns), seen(view), OLD, ())))
    assert first.again == again
    assert (first.again_ns == LATER) is bool(again)
