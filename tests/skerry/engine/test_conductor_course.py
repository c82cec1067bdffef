"""The conductor from the first look to the verdict: what is asked for, in which order."""

from __future__ import annotations

import pytest
from toy_world import PAUSE, S

from skerry.engine.capabilities import Capabilities, all_features
from skerry.engine.world import CheckLinks, Drain, Heal, Inject, Prepare, Record, StartProbe, StartWorkload, StopProbe
from skerry.experiment import Finding, FindingKind, Verdict
from skerry.faults.network_partition import Cut
from skerry.history.records import FaultStep, FindingSeen


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
