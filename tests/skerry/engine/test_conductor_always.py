"""What holds for any stream of observations, however mad: properties, with the world drawn at random."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skerry.engine.bounds import Bounds
from skerry.engine.progress import Phase
from skerry.engine.world import Drain, Finish, Heal, HealAll, Inject, ReportState, StartWorkload

S = 1_000_000_000

DOCUMENTS = [
    """  faults:
  - name: cut
    startAfter: 1s
    duration: 4s
    partition: {groups: [[{role: PartitionLeader, partition: 0}], [{role: Other}]]}
""",
    """  allow: [QuorumLoss, BelowMinIsr]
  faults:
  - {name: cut, startAfter: 1s, duration: 6s, partition: {groups: [[{ordinal: 0}], [{role: Other}]]}}
  - {name: crash, following: cut, startAfter: 1s, kill: {target: {ordinal: 1}, how: Process, downFor: 2s}}
  - {name: freeze, startAfter: 2s, duration: 1s, pause: {target: {role: Controller}}, repeat: {times: 3, every: 4s}}
""",
]


def madness(world, draw):
    """Anything may change at any time, and any action may fail, or never be heard of again."""
    world.ignores = {kind for kind in ("Cut", "Kill", "Pause") if draw.random() < 0.2}
    report = world.tell

    def unreliable(action, state, error=""):
        luck = draw.random()
        if luck < 0.75:
            report(action, state, error)
        elif luck < 0.85:
            report(action, ReportState.FAILED, "bad luck")

    world.tell = unreliable
    observe = world.observe

    def shaken():
        if draw.random() < 0.02:
            world.leaders[0] = draw.choice([-1, 0, 1, 2])
        if draw.random() < 0.02:
            world.controller = draw.choice([-1, 0, 1, 2])
        if draw.random() < 0.02:
            world.isr_whole = not world.isr_whole
        if draw.random() < 0.02:
            world.writes_flow = not world.writes_flow
        if draw.random() < 0.003:
            world.injector_alive = False
        if draw.random() < 0.003:
            world.abort = "somebody"
        if draw.random() < 0.01:
            world.now_ns += draw.randrange(10 * S)
        return observe()

    world.observe = shaken


@pytest.mark.parametrize("document", DOCUMENTS, ids=["one fault", "three that overlap"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_every_injection_is_healed_before_the_drain_and_the_end_is_always_reached(conductor, toy, document, seed):
    draw = random.Random(seed)
    world = toy(report_delay_ns=draw.choice([0, 100_000_000, 3 * S]))
    conduct = conductor(document)
    if draw.random() < 0.9:
        madness(world, draw)
    world.run(conduct, seconds=2000)
    bounds = Bounds()

    finishes = [at for at, action in world.actions if isinstance(action, Finish)]
    assert len(finishes) == 1
    assert isinstance(world.actions[-1][1], Finish)
    assert conduct.phase is Phase.COMPLETE
    # Two heals at worst: occurrence by occurrence, then the broom. The last summand is a sleeping runner.
    assert finishes[0] <= 60 * S + 2 * bounds.heal_ns + bounds.drain_ns + bounds.check_ns + 60 * S

    standing, drained = set(), False
    workload = any(isinstance(action, StartWorkload) for _, action in world.actions)
    for _, action in world.actions:
        if isinstance(action, Inject):
            assert workload
            assert not drained
            assert action.occurrence not in standing
            standing.add(action.occurrence)
        elif isinstance(action, Heal):
            standing.discard(action.occurrence)
        elif isinstance(action, HealAll):
            standing.clear()
        elif isinstance(action, Drain):
            drained = True
            assert standing == set()
    assert standing == set()

    ids = [action.id for _, action in world.actions]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("seed", range(3))
def test_the_same_observations_lead_to_the_same_actions(conductor, toy, seed):
    runs = []
    for _ in range(2):
        world = toy()
        madness(world, random.Random(seed))
        world.run(conductor(DOCUMENTS[1]), seconds=2000)
        runs.append(world.actions)
    assert runs[0] == runs[1]
