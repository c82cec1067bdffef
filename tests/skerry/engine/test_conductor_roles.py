"""Roles that move while a fault is on its way, and roles that nobody has."""

from __future__ import annotations

from toy_world import KILL, S

from skerry.engine.world import Inject
from skerry.experiment import Verdict


def test_a_role_that_moved_before_the_fault_took_effect_is_resolved_again(conductor, toy):
    """Half a second passes between decision and action, and the leader moves in it."""
    world = toy()
    conduct = conductor()
    real = world.inject

    def late(action):
        # The world begins only after a move that its own samples show.
        if len(world.of(Inject)) == 1:
            world.leaders[0], world.epochs[0] = 2, 9
            world.pending = action
            return
        real(action)

    world.inject = late
    world.pending = None
    report = world.tell

    def delayed(action, state, error=""):
        if isinstance(action, Inject) and world.pending is action:
            world.now_ns += S // 2
            report(action, state, error)
            world.now_ns -= S // 2
            world.reports[-1] = (world.now_ns + S // 2, world.reports[-1][1])
            return
        report(action, state, error)

    world.tell = delayed
    world.run(conduct)
    assert [inject.fault.groups[0] for inject in world.of(Inject)] == [(0,), (2,)]
    assert world.steps == [
        "cut#0 resolved",
        "cut#0 injecting",
        "cut#0 resolved",
        "cut#0 injecting",
        "cut#0 effective",
        "cut#0 verified",
        "cut#0 healing",
        "cut#0 healed",
    ]
    assert "broker 2 (epoch 9)" in world.fault_events[2].detail
    assert world.finish.verdict is Verdict.PASS


def test_a_role_that_moved_after_the_report_and_before_the_effect_is_resolved_again(conductor, toy):
    """What was reported as done is felt half a second later, as a policy is, and the leader has moved by then."""
    world = toy()
    inject, observe = world.inject, world.observe
    stored = []

    def store(action):
        stored.append(action)
        if len(stored) > 1:
            inject(action)
        else:
            plans.update({world.now_ns + S // 4: move, world.now_ns + S // 2: lambda: inject(action)})

    def move():
        world.leaders[0], world.epochs[0] = 2, 9

    plans = {}

    def observe_then():
        for at_ns in [at_ns for at_ns in plans if at_ns <= world.now_ns]:
            plans.pop(at_ns)()
        return observe()

    world.inject, world.observe = store, observe_then
    world.run(conductor())
    assert [action.fault.groups[0] for action in stored] == [(0,), (2,)], world.finish.message
    assert world.finish.verdict is Verdict.PASS


def test_a_second_attempt_that_the_guard_refuses_says_that_the_role_had_moved(conductor, toy):
    """The cluster is not whole yet after the first one: `allow` is not what has to change."""
    world = toy(report_delay_ns=S)
    inject, report = world.inject, world.tell

    def moves(action):
        inject(action)
        world.leaders[0], world.epochs[0], world.isr_whole = 2, 9, False

    def late(action, state, error=""):
        """The action begins only after the samples that show the move."""
        world.now_ns += S // 2 if isinstance(action, Inject) else 0
        report(action, state, error)
        world.now_ns -= S // 2 if isinstance(action, Inject) else 0

    world.inject, world.tell = moves, late
    world.run(conductor())
    assert world.finish.reason == "GuardRefused"
    assert world.finish.message.startswith(
        "`cut` was injected and healed again, because the role moved before the fault took effect: "
    )
    assert "it was not injected once more: it would leave partitions 0, 1 below the minimum ISR" in world.finish.message


def test_a_role_that_nobody_has_ends_the_run(conductor, toy):
    world = toy()
    conduct = conductor(KILL)
    world.run(conduct, until=lambda: conduct.steady_ns is not None)
    world.leaders[0] = -1
    world.run(conduct)
    assert world.of(Inject) == []
    assert world.finish.reason == "Unresolved"
    assert "the partition has no leader" in world.finish.message
