"""What the conductor refuses before anything is touched."""

from __future__ import annotations

from toy_world import KILL

from skerry.engine.capabilities import Capabilities, all_features
from skerry.engine.world import CheckLinks, Inject, Prepare, StartWorkload
from skerry.experiment import Verdict
from skerry.faults.network_partition.fault import ESTABLISHED


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


def test_roles_that_the_plan_assumes_on_one_broker_are_looked_at_when_the_fault_is_due(conductor, toy):
    """The planted bug: every broker holds every partition, so the plan was taken for certain, and no run began."""
    apart = """  faults:
  - {name: cut, duration: 3s, partition: {groups: [[{role: PartitionLeader, partition: 0}], [{role: Controller}]]}}
"""
    world = toy()
    world.run(conductor(apart))
    assert world.finish.verdict is Verdict.PASS, world.finish.message
    assert len(world.of(Inject)) == 1


def test_the_guard_asks_again_with_the_isr_of_the_moment(conductor, toy):
    world = toy()
    conduct = conductor(KILL)
    world.run(conduct, until=lambda: conduct.steady_ns is not None)
    world.isr_whole = False  # a follower has fallen out by itself
    world.run(conduct)
    assert world.of(Inject) == []
    assert world.finish.reason == "GuardRefused"
    assert "below the minimum ISR" in world.finish.message


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
