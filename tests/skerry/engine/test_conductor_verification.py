"""What the conductor takes for a fault that is in effect, or gone: told as stories of what the world shows."""

from __future__ import annotations

from itertools import pairwise

from toy_world import KILL, PAUSE, S

from skerry.engine.world import Heal, Record
from skerry.experiment import Verdict
from skerry.history.records import FaultStep, FindingSeen


def test_a_heal_that_another_fault_hides_is_waited_for(conductor, toy):
    """The planted bug: all pairs had an end that a pause held, so that a cut which never ended counted as gone. And
    when the pause outlasted the cut's own deadline, the heal that nobody could see was said to have done nothing."""
    hidden = """  faults:
  - name: cut
    duration: 2s
    partition: {groups: [[{ordinal: 0}], [{role: Other}]]}
  - name: freeze
    startAfter: 1500ms
    duration: 12s
    pause: {target: {ordinal: 0}}
"""
    found = {}
    for lies in (False, True):
        world = toy()
        heal = world.heal
        if lies:
            world.heal = lambda occurrence, heal=heal: heal(occurrence) if occurrence.fault != "cut" else None
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
