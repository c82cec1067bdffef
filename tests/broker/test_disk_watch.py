"""A disk that does not answer: how its age is told, and what the controller decides (decision 11)."""

from __future__ import annotations

import pytest
from control_plane import P0, ControlPlane

from skerry_broker.core.api import ErrorCode, ErrorResponse
from skerry_broker.core.disk_watch import DiskWatch
from skerry_broker.core.types import Timing

MS = 1_000_000
LAG_MS = Timing().replica_lag_ms


# --- the age ----------------------------------------------------------------------------------------------


def test_the_age_is_that_of_the_oldest_write() -> None:
    watch = DiskWatch()
    assert watch.waiting_ns(5 * MS) == 0
    watch.wrote(100 * MS, 1)
    watch.wrote(150 * MS, 2)
    assert watch.waiting_ns(160 * MS) == 60 * MS
    watch.flushed(1)
    assert watch.waiting_ns(160 * MS) == 10 * MS
    watch.flushed(2)
    assert watch.waiting_ns(500 * MS) == 0


def test_writes_of_one_moment_are_one() -> None:
    watch = DiskWatch()
    for number in range(1, 10_001):
        watch.wrote(100 * MS + number * 1_000, number)
    watch.flushed(9_999)
    assert watch.waiting_ns(110 * MS) == 10 * MS - 1_000, "the last of them waits, since the time of the first"
    watch.flushed(10_000)
    assert watch.waiting_ns(110 * MS) == 0


# --- the decision -----------------------------------------------------------------------------------------


def started(**shape: int) -> ControlPlane:
    plane = ControlPlane()
    plane.start(**shape)
    plane.run(100, 0, 1, 2)
    return plane


def hangs(ms: int) -> dict[str, object]:
    return {"disk_waiting_ms": ms}


def test_a_leader_whose_disk_hangs_is_replaced_and_leaves_the_isr() -> None:
    """It cannot follow either, and the high watermark would wait for it once more."""
    plane = started()
    plane.report[0] = hangs(LAG_MS - 1)
    plane.run(300, 0, 1, 2)
    assert plane.p0.leader_epoch == 0
    plane.report[0] = hangs(LAG_MS)
    plane.run(300, 0, 1, 2)
    assert plane.shape() == "1@2 isr [1, 2] elr []"
    assert plane.elections()[-1] == (1, "disk")


def test_the_old_leader_lets_go_before_the_successor_begins() -> None:
    plane = started()
    plane.beat(0, applied=plane.metadata.applied_index, **hangs(LAG_MS))
    plane.settle()
    assert plane.shape() == "none@1 isr [0, 1, 2] elr []"
    plane.beat(0, **hangs(LAG_MS))  # it has applied that
    plane.settle()
    assert plane.shape() == "1@2 isr [1, 2] elr []"


@pytest.mark.parametrize("beating", [(0, 1, 2), (1, 2)], ids=["heard", "silent"])
def test_one_that_never_applies_its_deposition_is_waited_for(beating: tuple[int, ...]) -> None:
    plane = started()
    stuck = plane.metadata.applied_index
    plane.beat(0, applied=stuck, **hangs(LAG_MS))
    plane.settle()
    for _ in range(20):
        if 0 in beating:
            plane.beat(0, applied=stuck, **hangs(LAG_MS))
        plane.run(100, *(broker for broker in beating if broker))
        if plane.p0.leader != -1:
            break
    assert plane.p0.leader == 1


def test_nobody_is_replaced_where_nobody_could_do_better() -> None:
    """Two of three are out of the ISR, or hang as well: an epoch would be lost, and nothing won."""
    plane = started()
    assert plane.alter(0, (0, 1)).value == "Accepted"
    plane.report[0] = hangs(LAG_MS)
    plane.run(2_000, 0, 1, 2)
    assert plane.shape() == "0@0 isr [0, 1] elr []"

    plane = started()
    plane.report[0] = plane.report[2] = hangs(LAG_MS)
    plane.beat(2)
    plane.run(2_000, 0, 1, 2)
    assert plane.p0.leader_epoch == 0


def test_with_min_isr_1_one_healthy_replica_is_enough() -> None:
    plane = started(min_isr=1)
    assert plane.alter(0, (0, 2)).value == "Accepted"
    plane.report[0] = hangs(LAG_MS)
    plane.run(300, 0, 1, 2)
    assert plane.shape() == "2@2 isr [2] elr []"


def test_it_leads_again_only_when_its_disk_answers() -> None:
    plane = started()
    plane.report[0] = hangs(LAG_MS)
    plane.run(300, 0, 1, 2)
    assert plane.alter(1, (0, 1, 2)).value == "Accepted"  # say it caught up in one breath and hangs again
    plane.elect(0, 60)
    plane.settle()
    refusal = plane.replies[60]
    assert isinstance(refusal, ErrorResponse)
    assert (refusal.error, refusal.message) == (
        ErrorCode.NOT_ENOUGH_REPLICAS,
        "the disk of broker 0 does not answer: try again later",
    )
    plane.run(1_100, 0)  # 1 and 2 die
    assert plane.p0.leader == -1
    plane.report[0] = hangs(LAG_MS // 2)
    plane.run(300, 0)
    assert plane.p0.leader == -1, "half of the bound is still too much"
    plane.report[0] = hangs(LAG_MS // 2 - 1)
    plane.run(300, 0)
    assert plane.p0.leader == 0


def test_a_fenced_broker_comes_back_and_does_not_lead_while_its_disk_hangs() -> None:
    plane = started()
    plane.run(1_100)  # all die
    plane.report[0] = hangs(LAG_MS)
    plane.run(1_000, 0)
    assert not plane.metadata.brokers[0].fenced
    assert plane.p0.leader == -1
    plane.report[0] = {}
    plane.run(200, 0)
    assert plane.p0.leader == 0


def test_slow_disks_everywhere_do_not_take_turns() -> None:
    """The leader is reported slow a moment later, and the others are well by then: the moves get rarer."""
    plane = started()
    for _ in range(200):  # 20 s
        for broker in (0, 1, 2):
            plane.report[broker] = hangs(LAG_MS if plane.p0.leader == broker else 0)
        if len(plane.p0.isr) < 3 and plane.p0.leader >= 0:
            plane.alter(plane.p0.leader, (0, 1, 2))
        plane.run(100, 0, 1, 2)
    moves = sum(reason == "disk" for _, reason in plane.elections())
    assert 2 <= moves <= 4, "at once, then after 3, 6, 12 s"


def test_a_disk_about_as_slow_as_the_bound_does_not_switch_with_every_heartbeat() -> None:
    plane = started()
    for age_ms in (LAG_MS, LAG_MS - 100, LAG_MS, LAG_MS // 2):
        plane.report[1] = hangs(age_ms)
        plane.run(100, 0, 1, 2)
        plane.elect(1, 100 + len(plane.replies))
        plane.settle()
    assert all(isinstance(answer, ErrorResponse) for number, answer in plane.replies.items() if number >= 100)
    assert plane.metadata.partitions[P0].leader == 0
