"""Roles -> ordinals, from what brokers say of themselves."""

from __future__ import annotations

import pytest

from skerry.engine.observation import BrokerView, Observation
from skerry.engine.resolution import Unresolved, concrete, resolve
from skerry.faults.network_partition import Cut
from skerry.faults.slow_network import Slow
from skerry.history.records import BrokerSample
from skerry.targets.skerry.roles import ClusterView, PartitionView, cluster_view_of

FIVE = ClusterView(5, {0: PartitionView(2, 8, (1, 2, 4), (1, 2, 4), 90)}, controller=3, term=6, sampled_ns=90)


def spec_of(experiment, line):
    return experiment(f"  cluster: {{brokers: 5}}\n  faults:\n  - {{name: f, {line}}}\n").spec


def resolved(experiment, line, roles=FIVE):
    spec = spec_of(experiment, line)
    return resolve(spec.faults[0], roles, spec)


def made(experiment, line):
    return concrete(spec_of(experiment, line).faults[0], resolved(experiment, line).groups)


def pause(target):
    return f"duration: 1s, pause: {{target: {target}}}"


@pytest.mark.parametrize(
    ("line", "groups"),
    [
        (pause("{ordinal: 3}"), ((3,),)),
        (pause("{role: PartitionLeader, partition: 0}"), ((2,),)),
        (pause("{role: PartitionFollower, partition: 0}"), ((1,),)),
        (pause("{role: PartitionFollower, partition: 0, count: 2}"), ((1, 4),)),
        (pause("{role: InSyncFollower, partition: 0}"), ((1,),)),
        (pause("{role: Controller}"), ((3,),)),
        (pause("{role: NonController, count: 3}"), ((0, 1, 2),)),
        (pause("{role: All}"), ((0, 1, 2, 3, 4),)),
        (
            "duration: 1s, partition: {groups: [[{role: PartitionLeader, partition: 0}, {role: Controller}], "
            "[{role: Other}]]}",
            ((2, 3), (0, 1, 4)),
        ),
        # Other is resolved last, wherever it stands
        ("duration: 1s, partition: {groups: [[{role: Other}], [{role: Controller}]]}", ((0, 1, 2, 4), (3,))),
        # one broker does not stand for two targets
        (
            "duration: 1s, partition: {groups: [[{role: InSyncFollower, partition: 0}], "
            "[{role: InSyncFollower, partition: 0}]]}",
            ((1,), (4,)),
        ),
    ],
)
def test_who_is_meant(experiment, line, groups):
    assert resolved(experiment, line).groups == groups


def test_why_is_recorded_with_the_epoch(experiment):
    line = "duration: 1s, partition: {groups: [[{role: PartitionLeader, partition: 0}], [{role: Controller}]]}"
    assert resolved(experiment, line).why == (
        "PartitionLeader of partition 0 = broker 2 (epoch 8); Controller = broker 3 (term 6)"
    )


@pytest.mark.parametrize(
    ("cluster_view", "line", "sentence"),
    [
        (ClusterView(5, {}, -1, 0, 0), pause("{role: Controller}"), "Controller: nobody has this role"),
        (
            ClusterView(5, {}, 1, 0, 0),
            pause("{role: PartitionLeader, partition: 0}"),
            "PartitionLeader of partition 0: the partition has no leader",
        ),
        (
            FIVE,
            "duration: 1s, partition: {groups: [[{ordinal: 3}], [{role: Controller}]]}",
            "Controller: only broker 3, already named by another target",
        ),
        (
            ClusterView(5, {0: PartitionView(2, 8, (2,), (1, 2, 4), 90)}, 3, 6, 90),
            pause("{role: InSyncFollower, partition: 0}"),
            "InSyncFollower of partition 0: nobody has this role",
        ),
    ],
)
def test_nobody_is_meant(experiment, cluster_view, line, sentence):
    with pytest.raises(Unresolved) as caught:
        resolved(experiment, line, cluster_view)
    assert str(caught.value) == sentence


def test_a_cut_is_every_ordered_pair_across_the_sides(experiment):
    found = made(experiment, "duration: 1s, partition: {groups: [[{ordinal: 0}], [{ordinal: 1}, {ordinal: 2}]]}")
    assert isinstance(found, Cut)
    assert found.links == ((0, 1), (0, 2), (1, 0), (2, 0))
    assert not found.one_way


def test_links_are_one_way(experiment):
    line = "duration: 1s, partition: {links: [{from: {role: Controller}, to: {role: Other}}]}"
    found = made(experiment, line)
    assert isinstance(found, Cut)
    assert found.links == ((3, 0), (3, 1), (3, 2), (3, 4))
    assert found.one_way


def test_one_group_is_slow_among_its_members(experiment):
    line = "duration: 1s, slow: {between: [[{ordinal: 0}, {ordinal: 1}, {ordinal: 2}]], latency: 1s}"
    found = made(experiment, line)
    assert isinstance(found, Slow)
    assert found.links == ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))


def view(ordinal, leader, epoch, isr=(0, 1, 2), *, raft="Follower", term=1, controller=-1, at=100, reachable=True):
    sample = BrokerSample("orders", 0, leader, epoch, isr, (), 1, 1, "Follower")
    return BrokerView(
        ordinal, at, reachable, group_role=raft, term=term, controller=controller, broker_epoch=1, partitions=(sample,)
    )


@pytest.mark.parametrize(
    ("views", "leader", "isr", "controller"),
    [
        # the highest epoch wins
        ([view(0, 0, 3), view(1, 1, 4, (1, 2)), view(2, 1, 4)], 1, (1, 2), -1),
        # of those who know it, the leader itself is believed
        ([view(0, 1, 4, (0, 1, 2)), view(1, 1, 4, (1, 2))], 1, (1, 2), -1),
        # an unreachable broker's last words do not count, nor old ones
        ([view(0, 0, 9, reachable=False), view(1, 1, 4)], 1, (0, 1, 2), -1),
        ([view(0, 0, 9, at=10), view(1, 1, 4)], 1, (0, 1, 2), -1),
        # a deposed controller that has not heard of it yet
        ([view(0, 0, 3, raft="Leader", term=5), view(1, 0, 3, raft="Leader", term=6)], 0, (0, 1, 2), 1),
        ([view(0, 0, 3, controller=2, term=5), view(1, 0, 3, controller=0, term=4)], 0, (0, 1, 2), 2),
    ],
)
def test_one_picture_of_many_views(views, leader, isr, controller):
    cluster_view = cluster_view_of(Observation(brokers=tuple(views)), 3, "orders", oldest_ns=50)
    assert (cluster_view.partitions[0].leader, cluster_view.partitions[0].isr, cluster_view.controller) == (
        leader,
        isr,
        controller,
    )
