"""Leaders that are moved on purpose: in two steps, off a broken path, at a shutdown."""

from __future__ import annotations

from control_plane import MS, P0, ControlPlane
from controller_stories import started

from skerry_broker.core.api import DoneResponse, ErrorCode, ErrorResponse
from skerry_broker.core.records import BrokerLeaving, PartitionChanged


def test_a_wanted_leader_is_elected_once_the_old_one_knows() -> None:
    plane = started()
    plane.elect(2)
    plane.settle()
    assert plane.shape() == "none@1 isr [0, 1, 2] elr []"
    deposed_at = plane.metadata.applied_index
    plane.beat(0, applied=deposed_at - 1)
    plane.beat(1), plane.beat(2)
    plane.settle()
    assert plane.p0.leader == -1  # it may still answer under its lease
    assert 50 not in plane.replies
    plane.beat(0, applied=deposed_at)
    plane.settle()
    assert plane.shape() == "2@2 isr [0, 1, 2] elr []"
    assert plane.replies[50] == DoneResponse()
    assert plane.elections()[-1] == (2, "preferred")


def test_an_old_leader_that_does_not_apply_gets_no_lease_and_is_waited_for() -> None:
    plane = started()
    plane.run(100, 0, 1, 2)
    stuck = plane.metadata.applied_index
    plane.elect(2)
    plane.settle()
    granted_ns = plane.now
    while plane.p0.leader == -1:
        plane.now += 100 * MS
        for broker in (0, 1, 2):
            plane.beat(broker, applied=stuck if broker == 0 else None)
        plane.settle()
        if plane.last_reply(0).granted:
            granted_ns = plane.now
        plane.controller.tick(plane.now)
        plane.settle()
        assert plane.now - granted_ns < 3_000 * MS
    assert plane.now - granted_ns >= plane.config.timing.session_ms * MS
    plane.beat(0, applied=stuck)
    plane.settle()
    assert not plane.last_reply(0).granted  # it still believes that it leads


def test_a_new_controller_finishes_the_move_with_the_same_care() -> None:
    """It finds a partition without a leader. The old leader, unfenced, may hold a lease and may not know."""
    plane = started()
    stuck = plane.metadata.applied_index
    plane.elect(2)
    plane.settle()
    plane.fail_over()
    plane.beat(0, applied=stuck)
    plane.run(300, 1, 2)
    assert plane.p0.leader == -1
    plane.beat(0)
    plane.settle()
    assert plane.p0.leader == 0  # the wish was not in the log; anybody in sync will do
    assert plane.p0.leader_epoch == 2


def test_the_deposed_leader_cannot_change_the_isr() -> None:
    """Its AlterPartition may race with step one; it carries the old epoch."""
    plane = started()
    epochs = {"leader_epoch": plane.p0.leader_epoch, "partition_epoch": plane.p0.partition_epoch}
    plane.elect(2)  # proposed, not yet committed
    assert plane.alter(0, (0, 1), **epochs).value == "FencedLeaderEpoch"
    assert plane.p0.isr == (0, 1, 2)


def test_the_wanted_leader_may_leave_meanwhile() -> None:
    plane = started()
    plane.elect(2, timeout_ms=60_000)
    plane.settle()
    stuck = plane.metadata.applied_index - 1
    for _ in range(14):
        plane.beat(0, applied=stuck)
        plane.run(100, 1)
    plane.beat(0)
    plane.settle()
    assert plane.p0.leader in (0, 1)
    reply = plane.replies[50]
    assert isinstance(reply, ErrorResponse)
    assert reply.error is ErrorCode.NOT_ENOUGH_REPLICAS
    assert "broker 2 left the ISR" in reply.message


def test_what_elect_leader_refuses() -> None:
    plane = started()
    plane.elect(7, 60)
    plane.elect(0, 61)  # leads already
    plane.run(1_000, 0, 1)
    plane.elect(2, 62)
    plane.settle()
    assert [plane.replies[n] if n == 61 else plane.replies[n].error for n in (60, 61, 62)] == [  # type: ignore[union-attr]
        ErrorCode.INVALID_REQUEST,
        DoneResponse(),
        ErrorCode.NOT_ENOUGH_REPLICAS,
    ]


def unreachable(leader_epoch: int) -> dict[str, object]:
    return {"unreachable_leaders": ((P0, leader_epoch, 800),)}


def test_a_leader_without_followers_is_replaced_although_we_hear_it() -> None:
    plane = started()
    plane.run(100, 0, 1, 2)
    plane.report[1] = plane.report[2] = unreachable(0)
    plane.run(300, 0, 1, 2)
    # Out of the ISR as well: it cannot follow either, and the high watermark would wait for it.
    assert plane.shape() == "1@2 isr [1, 2] elr []"
    assert plane.elections()[-1] == (1, "data_plane")
    plane.report[1] = plane.report[2] = {}
    plane.report[0] = unreachable(2)  # the old leader now misses the new one: no reason to go back
    plane.run(2_000, 0, 1, 2)
    assert plane.p0.leader_epoch == 2


def test_a_leader_that_one_follower_misses_stays() -> None:
    """Scenario 11: A and B are cut, C sees both. A shrinks B out and goes on with C."""
    plane = started()
    plane.report[1] = unreachable(0)
    plane.run(1_000, 0, 1, 2)
    assert plane.p0.leader_epoch == 0


def test_two_halves_that_are_equally_bad_do_not_take_turns() -> None:
    plane = started()
    plane.run(1_100, 0, 1)  # 2 is dead: 0 and 1 are all there is
    plane.report[1] = unreachable(0)
    plane.run(3_000, 0, 1)
    assert plane.p0.leader_epoch == 0


def test_the_shrink_that_came_first_does_not_stop_the_move() -> None:
    plane = started()
    assert plane.alter(0, (0,)).value == "Accepted"
    assert plane.shape() == "0@0 isr [0] elr [1, 2]"
    plane.report[1] = plane.report[2] = unreachable(0)
    plane.run(300, 0, 1, 2)
    assert plane.shape() == "1@2 isr [1] elr [0, 2]"


def test_a_dead_leader_is_fenced_not_deposed() -> None:
    """Its followers miss it 0.2 s before the session ends; that must not cost a second epoch."""
    plane = started()
    plane.run(600, 1, 2)
    plane.report[1] = plane.report[2] = unreachable(0)
    plane.run(500, 1, 2)
    assert plane.shape() == "1@1 isr [1, 2] elr []"


def test_reports_about_an_older_epoch_are_ignored() -> None:
    plane = started()
    plane.run(1_100, 1, 2)
    plane.report[1] = plane.report[2] = unreachable(0)
    plane.run(1_000, 1, 2)
    assert plane.p0.leader_epoch == 1


def test_a_leaving_leader_hands_over_and_may_stop() -> None:
    plane = started()
    plane.beat(0, wants_shutdown=True, applied=plane.metadata.applied_index)
    plane.settle()
    assert plane.shape() == "none@1 isr [1, 2] elr []"
    assert not plane.last_reply(0).may_stop
    plane.beat(0, wants_shutdown=True)
    plane.settle()
    assert plane.shape() == "1@2 isr [1, 2] elr []"
    assert plane.last_reply(0).may_stop
    assert plane.elections()[-1] == (1, "shutdown")
    assert [type(entry[0]) for entry in plane.entries_since(len(plane.log) - 2)] == [BrokerLeaving, PartitionChanged]


def test_a_leaving_sole_replica_may_stop_and_leads_again_when_it_returns() -> None:
    plane = ControlPlane(1)
    plane.start(min_isr=1)
    for _ in range(3):
        plane.beat(0, wants_shutdown=True)
        plane.settle()
    assert plane.last_reply(0).may_stop
    assert plane.shape() == "none@1 isr [0] elr []"
    plane.register(0, clean=True)
    plane.run(100, 0)
    assert plane.shape() == "0@2 isr [0] elr []"


def test_a_leaving_follower_stays_where_the_isr_needs_it() -> None:
    plane = started()
    assert plane.alter(0, (0, 1)).value == "Accepted"
    plane.beat(1, wants_shutdown=True)
    plane.settle()
    assert plane.shape() == "0@0 isr [0, 1] elr []"
    assert plane.last_reply(1).may_stop
