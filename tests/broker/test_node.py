"""Whole nodes at rest, on their way out, and after a bug."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from node_stories import MS, S, Story

from skerry_broker.core.messages import Flushed, Recovered, ShutdownRequested, StopNode, Tick, WallClock
from skerry_broker.core.node import Node
from skerry_broker.core.types import NodeConfig, Rng

# --- at rest -------------------------------------------------------------------------------------------------


def quiet(story: Story) -> None:
    """Three brokers, nothing asked of them."""


def with_partitions(story: Story) -> None:
    for number in range(20):
        story.create(f"topic-{number}", 10)


def with_a_failed_disk(story: Story) -> None:
    story.create("orders", 3)
    story.cluster.hosts[story.leader("orders")].fail_next_sync = "logs"
    story.write("orders", b"x")
    story.run(2 * S)


def with_one_down(story: Story) -> None:
    story.create("orders", 3)
    story.cluster.kill(story.leader("orders"))
    story.run(2 * S)


def with_a_lonely_one(story: Story) -> None:
    story.create("orders", 3)
    story.cluster.kill(0)
    story.cluster.kill(1)
    story.run(2 * S)


def cut_apart(story: Story) -> None:
    story.create("orders", 3)
    story.cluster.cut("cut", [(a, b) for a in range(3) for b in range(3) if a != b])
    story.run(2 * S)


@pytest.mark.parametrize(
    "state", [quiet, with_partitions, with_a_failed_disk, with_one_down, with_a_lonely_one, cut_apart]
)
def test_a_cluster_at_rest_is_at_rest(state: Callable[[Story], None]) -> None:
    """No deadline stays in the past, and no timer runs faster than what it watches: heartbeats, rounds, long polls and
    the retries of a broker without a disk, about 200 events a second for all three together."""
    story = Story()
    state(story)
    before = story.cluster.trace.events
    story.run(5 * S)
    assert story.cluster.trace.events - before < 5 * 300


# --- on the way out ------------------------------------------------------------------------------------------


def test_who_was_never_registered_stops_at_once_and_not_clean() -> None:
    story = Story()
    story.kill_all()
    host = story.cluster.hosts[1]
    story.cluster.start(1)
    story.run(100 * MS)
    story.cluster.terminate(1)
    story.run(MS)
    assert host.stop_reason == "shut down in order"
    assert host.disk.clean_shutdown_epoch is None


def test_a_leaving_controller_passes_over_a_voter_that_is_down() -> None:
    """The first in line is dead: the second is asked at once, not after two election timeouts."""
    story = Story()
    story.create("orders")
    controller = story.controller
    first, second = sorted({0, 1, 2} - {controller})
    story.cluster.kill(first)
    story.run(2 * S)
    assert story.controller == controller
    story.cluster.terminate(controller)
    story.run(500 * MS)
    assert story.cluster.hosts[controller].stop_reason == "shut down in order"
    assert story.cluster.hosts[controller].disk.clean_shutdown_epoch is not None
    assert story.controller in (-1, second)


def test_all_stop_together_and_come_back_clean() -> None:
    story = Story()
    story.create("orders")
    story.write("orders", b"x")
    for broker_id in (0, 1, 2):
        story.cluster.terminate(broker_id)
        story.cluster.terminate(broker_id)  # once more changes nothing
    story.run(6 * S)
    assert not any(host.running for host in story.cluster.hosts)
    story.cluster.start_all()
    story.until_whole("orders")
    assert story.read("orders") == [b"x"]


def test_a_broker_alone_stops_in_order_and_leads_again() -> None:
    story = Story(brokers=1)
    story.create("orders", replicas=1)
    story.write("orders", b"x")
    story.cluster.terminate(0)
    story.run(200 * MS)
    host = story.cluster.hosts[0]
    assert host.stop_reason == "shut down in order"
    assert host.disk.clean_shutdown_epoch is not None
    story.cluster.start(0)
    story.until_whole("orders")
    assert story.read("orders") == [b"x"]


def test_a_clean_mark_counts_for_one_start_only() -> None:
    """Stopped in order, started, killed before it could register: the third process must not pass for clean."""
    story = Story()
    story.create("orders")
    victim = next(broker for broker in (0, 1, 2) if broker not in (story.controller, story.leader("orders")))
    host = story.cluster.hosts[victim]
    story.cluster.terminate(victim)
    story.run(S)
    assert host.disk.clean_shutdown_epoch is not None
    others = [broker for broker in (0, 1, 2) if broker != victim]
    story.cluster.cut("cut", [(victim, other) for other in others])
    story.cluster.start(victim)
    story.run(300 * MS)
    story.cluster.kill(victim)
    story.cluster.heal("cut")
    story.cluster.start(victim)
    story.until_whole("orders")
    assert host.node is not None
    assert host.node.status(0).registered_clean is False


# --- clocks and bugs -----------------------------------------------------------------------------------------


class Dice(random.Random):
    """The randomness of a node; ``broken``, it raises: a bug in the middle of a step."""

    broken = False

    def randrange(self, *limits: Any) -> int:
        if self.broken:
            raise RuntimeError("a bug")
        return super().randrange(*limits)


def alone(dice: Dice | None = None, voters: tuple[int, ...] = (0, 1, 2)) -> Node:
    return Node(NodeConfig(0, voters), Recovered("disk", "first"), dice or Dice(1), 0)


def test_a_jump_of_the_wall_clock_changes_nothing_but_timestamps() -> None:
    def trace(jump_ns: int) -> list[tuple[str, int, int]]:
        story = Story(seed=3)
        for broker_id in (0, 1, 2):
            story.cluster.jump_wall(broker_id, (-1) ** broker_id * jump_ns)
        story.create("orders", 3)
        story.write("orders", b"x")
        story.cluster.kill(story.leader("orders"))
        story.run(3 * S)
        state = story.invariants.truth
        return sorted((str(p), one.leader, one.leader_epoch) for p, one in state.partitions.items())

    assert trace(0) == trace(365 * 24 * 3600 * S)


def test_a_step_that_raises_is_the_last_one() -> None:
    dice = Dice(1)
    node = alone(dice, voters=(0,))
    node.step(0, WallClock(5))
    dice.broken = True
    with pytest.raises(RuntimeError, match="a bug"):
        node.step(S, Tick())  # it founds the cluster, and draws its id
    assert node.step(S + 1, WallClock(7)) == []
    assert node.step(S + 2, Flushed(1)) == []


def test_nothing_follows_the_stop() -> None:
    node = alone()
    effects = node.step(0, ShutdownRequested())
    assert isinstance(effects[-1], StopNode)
    assert effects[-1].clean_broker_epoch is None
    assert node.step(1, Tick()) == []


def test_a_node_that_raises_is_a_broker_that_died() -> None:
    """In the simulator as in the runtime: reported, with the broker named, and the process is gone."""
    dice: dict[int, Dice] = {}

    def make_node(config: NodeConfig, recovered: Recovered, rng: Rng, now: int) -> Node:
        return Node(config, recovered, dice.setdefault(config.broker_id, Dice(config.broker_id)), now)

    story = Story(make_node=make_node)
    victim, other = (broker for broker in (0, 1, 2) if broker != story.controller)
    story.cluster.kill(other)
    story.cluster.kill(story.controller)
    dice[victim].broken = True
    story.cluster.run_for(2 * S)
    assert not story.cluster.hosts[victim].running
    assert [(one.rule, one.broker) for one in story.invariants.violations] == [("raised", victim)]
