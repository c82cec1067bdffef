"""The guard's arithmetic, as small clusters; and the plan, which shows it."""

from __future__ import annotations

from itertools import pairwise, permutations

import pytest

from skerry.engine.capabilities import all_features
from skerry.engine.guard import predict_all
from skerry.engine.plan import make_plan
from skerry.engine.world import Capabilities
from skerry.faults.kill import Kill, KillHow
from skerry.faults.network_partition import Connections, Cut, CutAction
from skerry.faults.network_partition.fault import PARTITION
from skerry.faults.pause import Pause
from skerry.faults.restart import Restart, RestartHow
from skerry.faults.slow_network import Slow
from skerry.report.plan import plan_lines
from skerry.schema.vocabulary import QUORUM_LOSS
from skerry.targets.registry import rules_of
from skerry.targets.skerry.guard import BELOW_MIN_ISR
from skerry.targets.skerry.planes import Plane
from skerry.targets.skerry.roles import ClusterView, PartitionView

RAFT, DATA = Plane.RAFT, Plane.REPLICATION


def cut(*groups, planes=(RAFT, DATA)):
    links = sorted((a, b) for mine in groups for other in groups if mine != other for a in mine for b in other)
    return Cut(tuple(links), planes, Connections.ALL, CutAction.DROP, groups)


def chain(*ordinals):
    """Only neighbours can talk."""
    near = {(a, b) for a, b in pairwise(ordinals)}
    links = sorted((a, b) for a, b in permutations(ordinals, 2) if not {(a, b), (b, a)} & near)
    return Cut(tuple(links), (RAFT, DATA), Connections.ALL, CutAction.DROP)


def kill(*ordinals):
    return Kill(ordinals, KillHow.PROCESS, 0)


def restart(together, *ordinals):
    return Restart(ordinals, RestartHow.KILL, together)


THREE = {0: (0, 1, 2)}


def rules_and_roles(experiment, brokers, replicas, allow=()):
    """Those of our own broker. ``replicas``: per partition those that are in its ISR."""
    spec = experiment().spec.model_copy(update={"allow": tuple(allow)})
    spec = spec.model_copy(update={"cluster": spec.cluster.model_copy(update={"brokers": brokers})})
    partitions = {partition: PartitionView(isr[0], 1, isr, isr, 0) for partition, isr in replicas.items()}
    return rules_of(spec), ClusterView(brokers, partitions, 0, 1, 0)


@pytest.mark.parametrize(
    ("brokers", "active", "added", "replicas", "quorum", "isr"),
    [
        (3, [], kill(0), THREE, True, 2),
        (3, [], Pause((0,)), THREE, True, 2),
        (3, [kill(0)], kill(1), THREE, False, 0),
        (3, [], cut((0,), (1, 2)), THREE, True, 2),
        (3, [], cut((0,), (1,), (2,)), THREE, False, 0),
        # A and B cannot talk, C sees both: C makes a quorum with either; at worst A or B leads, and has C
        (3, [], cut((0,), (1,)), THREE, True, 2),
        # only the data plane: the quorum does not notice; at worst the one that is cut off leads on, alone
        (3, [], cut((0,), (1, 2), planes=(DATA,)), THREE, True, 1),
        # a chain 0 - 1 - 2 - 3 - 4: with 1 as controller only 2 of the replicas 2, 3, 4 is reached
        (5, [], chain(0, 1, 2, 3, 4), {0: (2, 3, 4)}, True, 1),
        (3, [], cut((0,), (1,), (2,), planes=(DATA,)), THREE, True, 1),
        # one way is as bad as both: requests need answers
        (3, [], Cut(((0, 1), (0, 2)), (RAFT, DATA), Connections.ALL, CutAction.DROP), THREE, True, 2),
        (3, [], Slow(((0, 1),), (RAFT,), 10**8), THREE, True, 3),
        (3, [], restart(False, 0, 1, 2), THREE, True, 2),
        (3, [], restart(True, 0, 1, 2), THREE, False, 0),
        (5, [], cut((0, 1), (2, 3, 4)), {0: (0, 1, 2)}, True, 1),
        (5, [kill(0)], kill(1), {0: (2, 3, 4)}, True, 3),
        (1, [], kill(0), {0: (0,)}, False, 0),
    ],
)
def test_what_is_left(experiment, brokers, active, added, replicas, quorum, isr):
    rules, roles = rules_and_roles(experiment, brokers, replicas)
    predictions = predict_all(rules, roles, active, added)
    assert min(each.quorum for each in predictions) is quorum
    assert min(each.isr[0] for each in predictions) == isr


@pytest.mark.parametrize(
    ("added", "allow", "refused"),
    [
        (kill(0), [], []),
        (kill(0, 1), [], ["quorum"]),
        (kill(0, 1), [QUORUM_LOSS], []),
        (kill(0, 1), [BELOW_MIN_ISR], ["quorum"]),
        (cut((0,), (1,), (2,), planes=(DATA,)), [], ["minimum ISR"]),
        (cut((0,), (1,), (2,), planes=(DATA,)), [QUORUM_LOSS], ["minimum ISR"]),
        (cut((0,), (1,), (2,), planes=(DATA,)), [BELOW_MIN_ISR], []),
    ],
)
def test_what_the_guard_refuses(experiment, added, allow, refused):
    rules, roles = rules_and_roles(experiment, 3, THREE, allow)
    sentences = rules.refusals(predict_all(rules, roles, [], added))
    assert len(sentences) == len(refused)
    assert all(word in sentence for word, sentence in zip(refused, sentences, strict=True))


def test_the_plan_as_it_is_read(experiment):
    assert plan_lines(make_plan(experiment(), 7)) == [
        "story: It is a story.",
        "seed 7",
        "",
        "          0s - 1s  steady state, workload runs",
        "          1s - 5s  faults",
        "          5s - 1m  recovery, drain, check (at the latest)",
        "",
        "          1s - 5s  cut#0: partition PartitionLeader of partition 0 | Other",
        "                   brokers, if roles stand as planned: 0 | 1, 2",
        "                   predicted: quorum holds (2 connected, 2 needed); every partition keeps its minimum ISR, "
        "whoever leads (smallest: 2)",
        "",
        "taken from each broker and link, if roles stand as planned:",
        "                             0s                                    5s",
        "  0 <-> 1 Raft, Replication  ········████████████████████████████████  1s - 5s cut#0 (partition)",
        "  0 <-> 2 Raft, Replication  ········████████████████████████████████  1s - 5s cut#0 (partition)",
    ]


def test_the_plan_shows_two_faults_on_one_victim(experiment):
    """One ends while the other still holds: the second one's heal is not what the first one asked for."""
    twice = """  faults:
  - {name: a, startAfter: 1s, duration: 4s, pause: {target: {ordinal: 0}}}
  - {name: b, startAfter: 3s, duration: 5s, pause: {target: {role: PartitionLeader, partition: 0}}}
  - {name: c, startAfter: 5s, duration: 1s, partition: {links: [{from: {ordinal: 1}, to: {ordinal: 2}}]}}
"""
    plan = make_plan(experiment(twice), 7)
    assert [bool(each.doubts) for each in plan.occurrences] == [False, True, False]
    assert plan.occurrences[1].doubts[0].startswith("`a` holds broker 0 at that time")
    assert not any("holds" in refused for refused in plan.refusals)  # a role is known at the injection only
    lines = plan_lines(plan)
    assert "                   REFUSED, if roles stand as planned: `a` holds broker 0 at that time" in "\n".join(lines)
    assert lines[lines.index("taken from each broker and link, if roles stand as planned:") + 1 :] == [
        "                            0s                                    8s",
        "  broker 0                  ·····██████████!!!!!!!!!!███████████████  "
        "1s - 5s a#0 (pause); 3s - 8s b#0 (pause)",
        "  1 -> 2 Raft, Replication  ·························█████··········  5s - 6s c#0 (partition)",
        "  ! two faults at once",
    ]


def test_a_fault_that_follows_at_once_does_not_look_like_two(experiment):
    after = """  faults:
  - {name: a, startAfter: 1s, duration: 2s, pause: {target: {ordinal: 0}}}
  - {name: b, startAfter: 3s, duration: 2s, pause: {target: {ordinal: 0}}}
  - {name: c, startAfter: 5s, duration: 8s, pause: {target: {ordinal: 1}}}
"""
    assert not any("two faults at once" in line for line in plan_lines(make_plan(experiment(after), 7)))


def test_the_plan_sees_faults_overlap_and_says_what_the_guard_refuses(experiment):
    overlapping = """  faults:
  - {name: a, startAfter: 1s, duration: 5s, pause: {target: {ordinal: 0}}}
  - {name: b, following: a, startAfter: 2s, kill: {target: {ordinal: 1}, how: Process, downFor: 1s}}
  - {name: c, following: a, startAfter: 6s, kill: {target: {ordinal: 1}, how: Process, downFor: 1s}}
"""
    plan = make_plan(experiment(overlapping), 7)
    assert [(str(each.id), each.starts_ns // 10**9, bool(each.refusals)) for each in plan.occurrences] == [
        ("a#0", 1, False),
        ("b#0", 3, True),
        ("c#0", 7, False),
    ]
    assert plan.refusals[0].startswith("`b`: it would take the quorum (1 brokers connected, 2 needed)")


def test_the_plan_says_what_the_world_lacks(experiment):
    plan = make_plan(experiment(), 7, Capabilities("kubernetes", all_features() - {PARTITION}, frozenset({"skerry"})))
    assert plan.lacking == ("The kubernetes world cannot do `partition`.",)


def test_a_leader_is_prepared_where_the_partition_is(experiment):
    """Three of five brokers hold it: which, the order of partitions says, and not the leader that is wanted."""
    five = "  cluster: {brokers: 5}\n  prepare: {leaders: [{partition: 1, ordinal: WHO}]}\n"
    pause = "  faults:\n  - {name: a, duration: 1s, pause: {target: {ordinal: 0}}}\n"
    rules = rules_of(experiment(five.replace("WHO", "3") + pause).spec)
    assert rules.assumed().partitions[1].replicas == (1, 2, 3)
    assert rules.misplaced(rules.assumed()) == ""
    rules = rules_of(experiment(five.replace("WHO", "4") + pause).spec)
    seen = ClusterView(5, {1: PartitionView(1, 0, (1, 2, 3), (1, 2, 3), 0)}, 0, 0, 0)
    assert rules.misplaced(seen) == "orders-1 is on brokers 1, 2, 3, and `prepare` wants broker 4 to lead it"
