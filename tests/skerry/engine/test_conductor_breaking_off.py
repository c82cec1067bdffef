"""Runs that are broken off or go wrong: everything is healed, and nothing passes."""

from __future__ import annotations

import pytest
from toy_world import KILL, S

from skerry.engine.world import Check, Drain, Heal, HealAll, Inject, StartWorkload
from skerry.experiment import Finding, FindingKind, Verdict


@pytest.mark.parametrize(
    "phase", ["Preflight", "SteadyState", "Injecting", "Verifying", "Holding", "Healing", "Recovering"]
)
def test_an_abort_in_any_phase_heals_drains_and_is_inconclusive(conductor, toy, phase):
    world = toy(report_delay_ns=200_000_000)
    conduct = conductor()
    world.run(conduct, until=lambda: conduct.phase == phase)
    world.abort = "Ctrl-C"
    world.run(conduct)
    assert world.standing == {}
    assert len(world.of(Heal)) >= len(world.of(Inject))
    assert world.finish.verdict is Verdict.INCONCLUSIVE
    assert world.finish.aborted
    assert world.finish.message == "The run was aborted: Ctrl-C."
    assert bool(world.of(Drain)) == bool(world.of(StartWorkload))


@pytest.mark.parametrize("phase", ["Holding", "Healing", "Recovering", "Draining", "Checking"])
def test_a_kill_that_was_not_ours_never_passes_however_late_it_is_known(conductor, toy, phase):
    """The planted bug: the disproof came while the history was drained, and the run passed."""
    world = toy(silent=(Check,), report_delay_ns=200_000_000)
    conduct = conductor(KILL)
    world.run(conduct, until=lambda: conduct.phase == phase)
    world.disproof = "broker 1 ended while it was to be killed, and not by that: it exited with 0"
    world.run(conduct, until=lambda: conduct.phase == "Checking")
    world.run(conduct, until=lambda: conduct.findings)
    world.checked = True
    world.run(conduct)
    assert world.standing == {}
    assert world.finish.verdict is Verdict.INCONCLUSIVE
    assert world.finish.reason == "InjectionFailed"
    assert world.finish.message.startswith("Broker 1 ended while it was to be killed, and not by that")
    assert [finding.reason for finding in world.finish.findings].count("InjectionFailed") == 1


def test_an_aborted_run_that_lost_a_write_is_a_fail(conductor, toy):
    lost = Finding(FindingKind.SAFETY, "lost-write", Verdict.FAIL, "orders-0 offset 7 is gone.", reason="LostWrite")
    world = toy(findings=(lost,))
    conduct = conductor()
    world.run(conduct, until=lambda: conduct.phase == "Holding")
    world.abort = "deleted"
    world.run(conduct)
    assert world.finish.verdict is Verdict.FAIL
    assert world.finish.reason == "LostWrite"


def test_a_world_that_never_answers_still_ends(conductor, toy):
    world = toy(silent=(Inject, Heal, HealAll, Drain, Check))
    world.run(conductor())
    assert world.finish.verdict is Verdict.INCONCLUSIVE
    assert world.finish.reason == "InjectionTimedOut"
    assert len(world.of(Heal)) > 1  # asked again and again, it is idempotent
    assert world.of(HealAll)
    reasons = {finding.reason for finding in world.finish.findings}
    assert {"NotHealed", "NotDrained", "CheckerCrashed"} <= reasons


def test_an_injection_that_fails_ends_the_run_and_is_healed_anyway(conductor, toy):
    world = toy(fails=(Inject,))
    world.run(conductor())
    assert world.finish.reason == "InjectionFailed"
    assert world.finish.message == "`cut` could not be injected: the toy refuses."
    assert world.of(Heal)


def test_no_steady_state_no_fault(conductor, toy):
    world = toy(writes_flow=False)
    world.run(conductor())
    assert world.of(Inject) == []
    assert world.finish.reason in ("NoSteadyState", "Timeout")
    assert "has not acknowledged a write yet" in world.finish.message


def test_a_dead_injector_loses_the_fault(conductor, toy):
    world = toy()
    conduct = conductor()
    world.run(conduct, until=lambda: conduct.phase == "Holding")
    world.injector_alive = False
    world.run(conduct)
    assert "cut#0 lost" in world.steps
    assert world.finish.reason == "FaultLost"


def test_a_runner_that_slept_through_the_deadline_has_lost_the_fault(conductor, toy):
    world = toy()
    conduct = conductor()
    world.run(conduct, until=lambda: conduct.phase == "Holding")
    world.now_ns += 20 * S
    world.run(conduct)
    assert "cut#0 lost" in world.steps
    assert "ended by itself" in world.finish.message


def test_a_cluster_that_does_not_recover_is_not_a_pass(conductor, toy):
    world = toy()
    conduct = conductor()
    world.run(conduct, until=lambda: conduct.phase == "Healing")
    world.isr_whole = False
    world.run(conduct)
    assert world.finish.verdict is Verdict.INCONCLUSIVE
    assert {finding.reason for finding in world.finish.findings} & {"NotRecovered", "Timeout"}


def test_a_run_found_in_progress_is_healed_drained_and_never_resumed(conductor, toy):
    world = toy()
    world.run(conductor(interrupted="`cut#0` may still be in effect", last_action_id=40))
    kinds = [type(a) for _, a in world.actions if isinstance(a, HealAll | Drain | Check | Inject | StartWorkload)]
    assert kinds == [HealAll, Drain, Check]
    assert world.finish.verdict is Verdict.INCONCLUSIVE
    assert world.finish.reason == "Interrupted"
    assert min(action.id for _, action in world.actions) == 41
