"""A rolling restart is as long as it is; broken off, it asks nobody back whose turn had not come."""

from __future__ import annotations

import pytest

from skerry.engine.world import Inject, ReportState
from skerry.schema.verdict import Verdict

ROLLING = """  faults:
  - name: roll
    startAfter: 1s
    restart: {targets: [{role: All}], how: Graceful}
"""


@pytest.fixture
def rolling(conductor, toy):
    """A conductor that has asked for the restart, and the toy that has begun it and restarts nobody."""
    world = toy(silent=(Inject,))
    conduct = conductor(ROLLING)
    world.run(conduct, until=lambda: bool(world.of(Inject)))
    (inject,) = world.of(Inject)
    world.tell(inject, ReportState.STARTED)
    return conduct, world, inject


def come_back(node):
    node.alive, node.incarnation, node.epoch = True, node.incarnation + 1, node.epoch + 1


def test_it_is_verified_when_the_last_broker_had_its_turn(rolling):
    """Each broker takes ten seconds, longer than any other fault may take to be seen."""
    conduct, world, inject = rolling
    for node in world.nodes:
        world.run(conduct, seconds=10)
        come_back(node)
    world.tell(inject, ReportState.DONE)
    world.run(conduct)
    assert [step for step in world.steps if "verified" in step] == ["roll#0 verified"]
    assert world.steps[-1] == "roll#0 healed"
    assert world.finish.verdict is Verdict.PASS


def broken_off(world, conduct):
    """Abort it now; what is found of the restart, what its healing showed, and how long that took."""
    began_ns, world.abort = world.now_ns, "enough"
    world.run(conduct)
    assert (world.finish.verdict, world.finish.reason) == (Verdict.INCONCLUSIVE, "Aborted")
    found = [(finding.reason, finding.message) for finding in world.finish.findings if finding.fault == "roll"]
    (healed,) = [event for event in world.fault_events if event.step == "healed"]
    return found, healed.detail, (healed.after_ns - began_ns) / 1e9


def test_one_that_is_broken_off_waits_for_those_whose_turn_had_come(rolling):
    conduct, world, _ = rolling
    come_back(world.nodes[0])
    world.run(conduct, seconds=2)
    world.nodes[1].alive = False
    world.run(conduct, seconds=1)
    world.abort = "enough"
    world.run(conduct, seconds=2)
    assert conduct.phase == "Healing", "broker 1 is away"
    come_back(world.nodes[1])
    ((reason, message),), detail, seconds = broken_off(world, conduct)
    assert reason == "NotVerified"
    assert "it ended before it could be verified: the process of broker 2 is not gone" in message
    assert detail == "broker 0, 1: registered again; it was broken off before the turn of broker 2"
    assert seconds < 1


def test_one_that_is_broken_off_before_its_first_broker_is_over_at_once(rolling):
    conduct, world, _ = rolling
    found, detail, seconds = broken_off(world, conduct)
    assert found == []
    assert detail == "it was broken off before it began"
    assert seconds < 1


def test_one_whose_broker_does_not_come_back_is_not_healed(rolling):
    conduct, world, _ = rolling
    world.nodes[0].alive = False
    world.run(conduct, seconds=1)
    world.abort = "enough"
    world.run(conduct)
    assert "NotHealed" in {finding.reason for finding in world.finish.findings}
    assert not [event for event in world.fault_events if event.step == "healed"]


def test_one_that_was_reported_as_done_has_no_turn_left(rolling):
    """The planted bug: a world that restarts one of three and says that it has restarted all."""
    conduct, world, inject = rolling
    come_back(world.nodes[0])
    world.tell(inject, ReportState.DONE)
    world.run(conduct)
    assert "NotHealed" in {finding.reason for finding in world.finish.findings}
