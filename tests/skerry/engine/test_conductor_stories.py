"""The conductor, told as stories: what the world does, what the conductor makes of it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from skerry.engine.capabilities import Capabilities, all_features
from skerry.engine.world import (
    Check,
    CheckLinks,
    Drain,
    Heal,
    HealAll,
    Inject,
    Prepare,
    Record,
    StartProbe,
    StartWorkload,
    StopProbe,
)
from skerry.experiment import Finding, FindingKind, Verdict
from skerry.faults.network_partition import Cut
from skerry.faults.network_partition.fault import ESTABLISHED
from skerry.history.records import FaultStep, FindingSeen

S = 1_000_000_000

KILL = """  faults:
  - name: crash
    startAfter: 1s
    kill: {target: {role: PartitionLeader, partition: 0}, how: Process, downFor: 3s}
"""

PAUSE = """  faults:
  - name: freeze
    startAfter: 1s
    duration: 3s
    pause: {target: {ordinal: 2}}
"""


def test_a_cut_from_the_first_look_to_the_verdict(conductor, toy):
    world = toy()
    world.run(conductor())
    assert world.phases == [
        "Preflight",
        "SteadyState",
        "Injecting",
        "Verifying",
        "Holding",
        "Healing",
        "Recovering",
        "Draining",
        "Checking",
        "Complete",
    ]
    assert world.steps == [
        "cut#0 resolved",
        "cut#0 injecting",
        "cut#0 effective",
        "cut#0 verified",
        "cut#0 healing",
        "cut#0 healed",
    ]
    assert world.finish.verdict is Verdict.PASS
    assert world.finish.reason == "Passed"
    (inject,) = world.of(Inject)
    assert inject.fault == Cut(((0, 1), (0, 2), (1, 0), (2, 0)), ("Raft", "Replication"), "All", "Drop", ((0,), (1, 2)))


def test_the_topic_comes_first_then_the_workload_then_the_faults(conductor, toy):
    world = toy()
    world.run(conductor())
    order = [
        type(action) for _, action in world.actions if isinstance(action, Prepare | StartWorkload | Inject | Drain)
    ]
    assert order == [Prepare, StartWorkload, Inject, Drain]


def test_the_heal_is_asked_for_when_the_duration_is_over_and_the_fault_would_have_ended_by_itself_later(conductor, toy):
    world = toy()
    world.run(conductor())
    inject_ns, inject = next((at, a) for at, a in world.actions if isinstance(a, Inject))
    heal_ns = next(at for at, a in world.actions if isinstance(a, Heal))
    effective = next(event for event in world.fault_events if event.step is FaultStep.EFFECTIVE)
    assert inject_ns <= effective.before_ns <= effective.after_ns <= inject_ns + 3 * S // 10
    assert effective.after_ns + 4 * S <= heal_ns < effective.after_ns + 4 * S + S // 5
    assert inject.deadline_ns > heal_ns


def test_where_an_injection_may_be_long_on_its_way_the_fault_ends_by_itself_so_much_later(conductor, toy):
    ends = []
    for injecting_ns in (0, 10 * S):
        world = toy()
        world.run(
            conductor(
                capabilities=Capabilities("toy", all_features(), frozenset({"skerry"}), injecting_ns=injecting_ns),
                bounds=None,
            )
        )
        ends.append(world.of(Inject)[0].deadline_ns)
    assert ends[1] - ends[0] == 10 * S


def test_kept_connections_are_looked_at_closely_around_the_beginning_of_a_cut_and_not_longer(conductor, toy):
    world = toy()
    world.run(conductor())
    closely = [at_ns for at_ns, action in world.actions if isinstance(action, CheckLinks) and action.closely]
    rarely = [at_ns for at_ns, action in world.actions if isinstance(action, CheckLinks) and not action.closely]
    inject_ns = next(at_ns for at_ns, action in world.actions if isinstance(action, Inject))
    effective = next(event for event in world.fault_events if event.step is FaultStep.EFFECTIVE)
    assert inject_ns - S <= closely[0] <= inject_ns - S // 2
    assert closely[-1] <= effective.after_ns + S // 2 < rarely[-1]
    pausing = toy()
    pausing.run(conductor(PAUSE))
    assert not any(action.closely for action in pausing.of(CheckLinks))


def test_a_heal_that_another_fault_hides_is_waited_for(conductor, toy):
    """The planted bug: all pairs had an end that a pause held, so that a cut which never ended counted as gone."""
    hidden = """  faults:
  - name: cut
    duration: 2s
    partition: {groups: [[{ordinal: 0}], [{role: Other}]]}
  - name: freeze
    startAfter: 1500ms
    duration: 5s
    pause: {target: {ordinal: 0}}
"""
    found = {}
    for lies in (False, True):
        world = toy()
        heal = world._heal
        if lies:
            world._heal = lambda occurrence, heal=heal: heal(occurrence) if occurrence.fault != "cut" else None
        world.run(conductor(hidden))
        found[lies] = {each.reason for each in world.finish.findings if each.verdict is not Verdict.PASS}
        thawed = world.steps.index("freeze#0 healed")
        assert "cut#0 healed" not in world.steps[:thawed]
    assert "NotHealed" in found[True]
    assert "NotHealed" not in found[False]


def test_a_cut_that_silently_does_not_apply_is_unverified_and_the_run_inconclusive(conductor, toy):
    world = toy(ignores={"Cut"})
    world.run(conductor())
    assert "cut#0 unverified" in world.steps
    assert "cut#0 verified" not in world.steps
    assert world.finish.verdict is Verdict.INCONCLUSIVE
    assert world.finish.reason == "NotVerified"
    assert world.finish.message == "`cut#0` was not seen to take effect: a new connection 0 -> 1 on Raft still succeeds"
    seen = [record for action in world.of(Record) if isinstance(record := action.record, FindingSeen)]
    assert [(each.finding.fault, each.finding.reason) for each in seen] == [("cut", "NotVerified")]
    assert seen[0].finding in world.finish.findings


def test_a_heal_that_is_refused_is_asked_for_again_ever_later(conductor, toy):
    world = toy(fails=(Heal,))
    world.run(conductor())
    asked_ns = [at for at, action in world.actions if isinstance(action, Heal)]
    pauses_ms = [(later - earlier) // 10**6 for earlier, later in pairwise(asked_ns)]
    assert [round(pause, -2) for pause in pauses_ms[:6]] == [200, 400, 800, 1600, 3200, 5000]
    assert len(asked_ns) < 20, "in the minute in which it is tried"


def test_findings_go_one_way_and_none_is_said_twice(conductor, toy):
    """The conductor's go into the history once, and into the verdict once, whatever the checker answers."""
    same = Finding(FindingKind.RUN, "verified", Verdict.PASS, "a property of the same name as one of the run's")
    world = toy(ignores={"Cut"}, findings=(same,))
    conduct = conductor()
    world.run(conduct)
    recorded = [action.record.finding for action in world.of(Record) if isinstance(action.record, FindingSeen)]
    assert world.finish.findings == (*recorded, same)
    assert len(recorded) == 1


def test_a_run_can_be_followed_without_looking_at_what_is_done(conductor, toy):
    world, conduct = toy(), conductor()
    assert (conduct.progress.phase, conduct.progress.steady) == ("Preflight", False)
    world.run(conduct, until=lambda: conduct.phase == "Holding")
    progress = conduct.progress
    assert progress.steady
    assert [event.step for event in progress.fault_events] == ["resolved", "injecting", "effective", "verified"]
    world.run(conduct)
    assert conduct.progress.fault_events[: len(progress.fault_events)] == progress.fault_events
    assert conduct.progress.phase == "Complete"


def test_a_pair_that_nobody_cut_and_that_fails_is_not_a_verified_cut(conductor, toy):
    world = toy(extra_cut={(1, 2)})
    world.run(conductor())
    (event,) = [event for event in world.fault_events if event.step is FaultStep.UNVERIFIED]
    assert event.detail == "the new connection 1 -> 2 on Raft fails, although nobody cut it"


def test_two_faults_overlap_and_each_is_judged_without_the_other(conductor, toy):
    both = """  faults:
  - name: cut
    startAfter: 1s
    duration: 6s
    partition: {groups: [[{ordinal: 0}], [{ordinal: 1}]]}
  - name: freeze
    following: cut
    startAfter: 1s
    duration: 3s
    pause: {target: {ordinal: 2}}
  allow: [QuorumLoss]
"""
    world = toy()
    world.run(conductor(both))
    assert [step for step in world.steps if "verified" in step] == ["cut#0 verified", "freeze#0 verified"]
    starts = [step for step in world.steps if "effective" in step or "healed" in step]
    assert starts == ["cut#0 effective", "freeze#0 effective", "freeze#0 healed", "cut#0 healed"]
    assert world.finish.verdict is Verdict.PASS


def test_a_crash_is_provisional_until_the_next_registration_is_unclean(conductor, toy):
    world = toy()
    world.run(conductor(KILL))
    assert world.steps[-3:] == ["crash#0 verified", "crash#0 healing", "crash#0 healed"]
    assert world.finish.verdict is Verdict.PASS

    gentle = toy(clean_restarts=True)
    gentle.run(conductor(KILL))
    assert gentle.steps[-2:] == ["crash#0 unverified", "crash#0 healed"]
    assert "registered as after a clean shutdown" in gentle.finish.message


def test_a_kill_without_a_pause_is_verified_by_the_new_registration(conductor, toy):
    world = toy()
    world.run(conductor(KILL.replace(", downFor: 3s", "")))
    assert "crash#0 verified" in world.steps
    assert world.finish.verdict is Verdict.PASS


def test_the_early_edge_of_a_heal_lies_before_the_registration_however_old_the_samples_are(conductor, toy):
    """04a on real processes: the ISR was whole 11 ms before the heal that it followed from, as the history told it."""
    world = toy(sample_age_ns=300_000_000)
    world.run(conductor(KILL))
    registered_ns = next(at_ns for at_ns, action in world.actions if isinstance(action, Heal))
    (healed,) = [event for event in world.fault_events if event.step is FaultStep.HEALED]
    assert healed.before_ns <= registered_ns < healed.after_ns


def test_a_paused_broker_is_in_state_t_and_silent(conductor, toy):
    world = toy()
    world.run(conductor(PAUSE))
    assert "freeze#0 verified" in world.steps
    lazy = toy(ignores={"Pause"})
    lazy.run(conductor(PAUSE))
    assert lazy.finish.message == "`freeze#0` was not seen to take effect: the process of broker 2 is not in state T"


def test_flapping_heals_each_cut_before_the_next(conductor, toy):
    flapping = """  faults:
  - name: flap
    duration: 1s
    partition: {groups: [[{ordinal: 0}], [{role: Other}]]}
    repeat: {times: 3, every: 3s, jitter: 500ms}
"""
    world = toy()
    world.run(conductor(flapping))
    effective = [event.before_ns for event in world.fault_events if event.step is FaultStep.EFFECTIVE]
    assert len(effective) == 3
    spacing = [after - before for before, after in pairwise(effective)]
    assert all(abs(each - 3 * S) <= 600_000_000 for each in spacing)  # the jitter, and a turn of the loop
    assert [str(a.occurrence) for a in world.of(Heal)] == ["flap#0", "flap#1", "flap#2"]


def test_a_cut_too_short_to_see_says_so(conductor, toy):
    short = """  faults:
  - name: blink
    duration: 200ms
    partition: {groups: [[{ordinal: 0}], [{role: Other}]]}
"""
    world = toy()
    world.run(conductor(short))
    assert "blink#0 unverified" in world.steps
    assert world.finish.verdict is Verdict.INCONCLUSIVE


def test_a_role_that_moved_before_the_fault_took_effect_is_resolved_again(conductor, toy):
    """Half a second passes between decision and action, and the leader moves in it."""
    world = toy()
    conduct = conductor()
    real = world._inject

    def late(action):
        # The world begins only after a move that its own samples show.
        if len(world.of(Inject)) == 1:
            world.leaders[0], world.epochs[0] = 2, 9
            world.pending = action
            return
        real(action)

    world._inject = late
    world.pending = None
    report = world._report

    def delayed(action, state, error=""):
        if isinstance(action, Inject) and world.pending is action:
            world.now_ns += S // 2
            report(action, state, error)
            world.now_ns -= S // 2
            world.reports[-1] = (world.now_ns + S // 2, world.reports[-1][1])
            return
        report(action, state, error)

    world._report = delayed
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
    inject, observe = world._inject, world.observe
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

    world._inject, world.observe = store, observe_then
    world.run(conductor())
    assert [action.fault.groups[0] for action in stored] == [(0,), (2,)], world.finish.message
    assert world.finish.verdict is Verdict.PASS


def test_a_second_attempt_that_the_guard_refuses_says_that_the_role_had_moved(conductor, toy):
    """The cluster is not whole yet after the first one: `allow` is not what has to change."""
    world = toy(report_delay_ns=S)
    inject, report = world._inject, world._report

    def moves(action):
        inject(action)
        world.leaders[0], world.epochs[0], world.isr_whole = 2, 9, False

    def late(action, state, error=""):
        """The action begins only after the samples that show the move."""
        world.now_ns += S // 2 if isinstance(action, Inject) else 0
        report(action, state, error)
        world.now_ns -= S // 2 if isinstance(action, Inject) else 0

    world._inject, world._report = moves, late
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


def test_what_the_world_lacks_is_said_before_anything_is_touched(conductor, toy):
    world = toy()
    reasons = {ESTABLISHED: "a NetworkPolicy does not cut open connections; enable the injector."}
    lacking = Capabilities("kubernetes", all_features() - {ESTABLISHED}, frozenset({"skerry"}), reasons)
    world.run(conductor(capabilities=lacking))
    assert world.finish.verdict is Verdict.INCONCLUSIVE
    assert world.finish.reason == "UnsupportedFault"
    assert world.finish.message == (
        "The kubernetes world cannot do `partition, connections: All`: "
        "a NetworkPolicy does not cut open connections; enable the injector."
    )
    assert world.of(Prepare) == world.of(Inject) == world.of(StartWorkload) == []


def test_the_guard_refuses_what_is_not_allowed(conductor, toy):
    together = """  faults:
  - name: all
    restart: {targets: [{role: All}], how: Kill, order: Together}
"""
    world = toy()
    world.run(conductor(together))
    assert world.finish.reason == "GuardRefused"
    assert world.finish.message == (
        "`all`: it would take the quorum (0 brokers connected, 2 needed); "
        "if that is meant, add `QuorumLoss` to `allow`."
    )
    assert world.of(Inject) == []


def test_the_guard_asks_again_with_the_isr_of_the_moment(conductor, toy):
    world = toy()
    conduct = conductor(KILL)
    world.run(conduct, until=lambda: conduct.steady_ns is not None)
    world.isr_whole = False  # a follower has fallen out by itself
    world.run(conduct)
    assert world.of(Inject) == []
    assert world.finish.reason == "GuardRefused"
    assert "below the minimum ISR" in world.finish.message


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


@pytest.mark.parametrize(
    ("findings", "verdict", "reason"),
    [
        ((), Verdict.INCONCLUSIVE, "NothingChecked"),
        ((Finding(FindingKind.EXPECTATION, "failover", Verdict.FAIL, "5 s"),), Verdict.FAIL, "ExpectationNotMet"),
    ],
)
def test_the_verdict_is_the_worst_finding_and_nothing_checked_proves_nothing(conductor, toy, findings, verdict, reason):
    world = toy(findings=findings)
    world.run(conductor())
    assert (world.finish.verdict, world.finish.reason) == (verdict, reason)


def test_probes_run_while_their_fault_is_in_effect(conductor, toy):
    from_fault = """  faults:
  - name: cut
    startAfter: 1s
    duration: 4s
    partition: {groups: [[{role: PartitionLeader, partition: 0}], [{role: Other}]]}
  expect:
  - {name: fenced, writesRefused: {by: {fault: cut}, within: 1s}}
  - {name: no topics, topicCreateRefused: {by: {ordinal: 0}}}
"""
    world = toy()
    world.run(conductor(from_fault))
    starts = {(a.probe, a.ordinals, a.acks, a.what) for a in world.of(StartProbe)}
    assert starts == {("fenced#0", (0,), "All", "writes"), ("no topics", (0,), "All", "metadata")}
    assert {a.probe for a in world.of(StopProbe)} == {"fenced#0", "no topics"}


def test_a_dry_run_touches_nothing(conductor, toy):
    world = toy()
    world.run(conductor(CUT_DRY))
    assert world.finish.reason == "DryRun"
    assert world.of(Prepare) == world.of(CheckLinks) == []


CUT_DRY = """  dryRun: true
  faults:
  - name: cut
    duration: 4s
    partition: {groups: [[{ordinal: 0}], [{role: Other}]]}
"""
