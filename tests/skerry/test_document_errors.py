"""Wrong documents, and the exact sentence that each one gets: what, where, and what would be right."""

from __future__ import annotations

import json

import pytest

from skerry.experiment import DocumentError, load_document

GOOD = """\
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: leader-isolation}
spec:
  hypothesis: A leader that is cut off is replaced.
  cluster: {brokers: 3}
  topic: {partitions: 3, replicationFactor: 3, minInSyncReplicas: 2}
  workload: {acks: All, idempotent: true}
  prepare: {leaders: [{partition: 0, ordinal: 0}]}
  seed: 7
  timeout: 4m
  dryRun: false
  faults:
  - name: cut
    startAfter: 5s
    duration: 15s
    partition:
      groups: [[{role: PartitionLeader, partition: 0}], [{role: Other}]]
      planes: [Raft, Replication]
  expect:
  - {name: new leader, leaderChange: {partition: 0, within: 3s, of: cut}}
  - {name: fenced, writesRefused: {by: {fault: cut, group: 0}, within: 1500ms}}
  - {name: whole again, inSyncReplicas: {equals: 3, within: 10s, afterHealOf: cut}}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        load_document(text, "x.yaml")
    return [str(problem) for problem in caught.value.problems]


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) >= 1, old
    return GOOD.replace(old, new, 1)


def test_the_good_one_is_good():
    assert load_document(GOOD).name == "leader-isolation"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        # unknown fields and words
        ("duration: 15s", "duraton: 15s", "x.yaml:16: spec.faults[0].duraton: unknown field; did you mean `duration`?"),
        (
            "seed: 7",
            "zzz: red",
            "x.yaml:10: spec.zzz: unknown field; known here: `hypothesis`, `target`, `cluster`, "
            "`workload`, `seed`, `timeout`, `retain`, `dryRun`, `prometheusUrl`, `allow`, `faults`, `expect`, "
            "`etcd`, `topic`, `prepare`",
        ),
        (
            "[Raft, Rep",
            "[Rft, Rep",
            "x.yaml:19: spec.faults[0].partition.planes[0]: `Rft` is no plane of the target `skerry`; its planes are "
            "Client, Raft, Replication; did you mean `Raft`?",
        ),
        (
            "role: PartitionLeader",
            "role: partitionleader",
            "x.yaml:18: spec.faults[0].partition.groups[0][0].role: `partitionleader` is no role of the "
            "target `skerry`; its roles are PartitionLeader, PartitionFollower, InSyncFollower, Controller, "
            "NonController, Other, All; did you mean `PartitionLeader`?",
        ),
        (
            "leaderChange",
            "leaderchange",
            "x.yaml:21: spec.expect[0].leaderchange: unknown field; did you mean `leaderChange`?",
        ),
        # types
        ("seed: 7", 'seed: "7"', 'x.yaml:10: spec.seed: must be a whole number, and is the text "7"'),
        ("seed: 7", "seed: 7.5", "x.yaml:10: spec.seed: must be a whole number, and is `7.5`"),
        ("seed: 7", "seed: true", "x.yaml:10: spec.seed: must be a whole number, and is `true`"),
        ("dryRun: false", "dryRun: 1", "x.yaml:12: spec.dryRun: must be `true` or `false`, and is `1`"),
        ("{brokers: 3}", "[3]", "x.yaml:6: spec.cluster: must be a mapping, and is a list"),
        ("[Raft, Replication]", "Raft", "x.yaml:19: spec.faults[0].partition.planes: must be a list, and is `Raft`"),
        ("{brokers: 3}", "{brokers: 0}", "x.yaml:6: spec.cluster.brokers: must be at least 1, and is `0`"),
        ("{name: leader-isolation}", "{name: true}", "x.yaml:3: metadata.name: must be text, and is `true`"),
        (
            "idempotent: true",
            'idempotent: "true"',
            'x.yaml:8: spec.workload.idempotent: must be `true` or `false`, and is the text "true"',
        ),
        # what one reader of YAML takes for another value than the next
        (
            "brokers: 3",
            "brokers: 017",
            "x.yaml:6: spec.cluster.brokers: `017` is another number to other readers of YAML; write it in decimal, "
            "without leading zeros, or put text in quotes",
        ),
        (
            "timeout: 4m",
            "timeout: 1:30",
            "x.yaml:11: spec.timeout: `1:30` is another number to other readers of YAML; write it in decimal, "
            "without leading zeros, or put text in quotes",
        ),
        (
            "seed: 7",
            "seed: 0x7",
            "x.yaml:10: spec.seed: `0x7` is another number to other readers of YAML; write it in decimal, "
            "without leading zeros, or put text in quotes",
        ),
        (
            "{name: leader-isolation}",
            "{name: yes}",
            "x.yaml:3: metadata.name: `yes` is `true` or `false` to some readers of YAML and text to others; "
            "write `true` or `false`, or put text in quotes",
        ),
        # what the brokers would refuse a minute later
        (
            "topic: {",
            "topic: {name: .., ",
            "x.yaml:7: spec.topic.name: must be letters, digits and `. _ -`, beginning with a letter, a digit or `_`, "
            "and is `..`",
        ),
        (
            "{name: leader-isolation}",
            "{name: Leader_1}",
            "x.yaml:3: metadata.name: must be lower-case letters, digits and `-`, beginning and ending "
            "with a letter or "
            "digit, and is `Leader_1`",
        ),
        # durations
        (
            "timeout: 4m",
            "timeout: 4.5m",
            "x.yaml:11: spec.timeout: must be a duration such as `15s`, `500ms` or `1m30s` (whole "
            "numbers), and is `4.5m`",
        ),
        (
            "duration: 15s",
            "duration: 15",
            "x.yaml:16: spec.faults[0].duration: must be a duration such as `15s` or `500ms`, and is `15`; "
            "did you mean `15s`?",
        ),
        ("duration: 15s", "duration: 0s", "x.yaml:16: spec.faults[0].duration: must be longer than `0s`"),
        ("timeout: 4m", "timeout: 900h", "x.yaml:11: spec.timeout: must be at most 24h, and is `900h`"),
        (
            "timeout: 4m",
            "timeout: 12s",
            "x.yaml:16: spec.faults[0].duration: `cut` ends 20s after the steady state at the "
            "earliest, and `timeout` is "
            "12s; shorten the fault or raise `timeout`",
        ),
        # exactly one
        (
            "    partition:\n",
            "    pause: {target: {ordinal: 1}}\n    partition:\n",
            "x.yaml:14: spec.faults[0]: the fault is given more than once (`partition` and `pause`): "
            "give exactly one of "
            "`partition`, `slow`, `kill`, `restart`, `pause`, `wipe`, `disk`, `clock`",
        ),
        (
            ", leaderChange: {partition: 0, within: 3s, of: cut}",
            "",
            "x.yaml:21: spec.expect[0]: the rule is missing: give exactly one of `leaderChange`, `noLeaderChange`, "
            "`writesRefused`, `writesAccepted`, `maxWriteGap`, `throughput`, `epochsGrowAtMost`, `available`, "
            "`unavailable`, `metric`, `promql`, `failover`, `isrRecovery`, `inSyncReplicas`, `stepsDown`, "
            "`topicCreateRefused`",
        ),
        (
            "{partition: 0, within: 3s, of: cut}",
            "{within: 3s, of: cut}",
            "x.yaml:21: spec.expect[0].leaderChange: whose epoch is meant is missing: give exactly one of `partition`, "
            "`controller`, `leader`",
        ),
        (
            "of: cut}}",
            "of: cut}, controller: true}",
            "x.yaml:21: spec.expect[0].controller: unknown field; known here: `name`, `leaderChange`, "
            "`noLeaderChange`, "
            "`writesRefused`, `writesAccepted`, `maxWriteGap`, `throughput`, `epochsGrowAtMost`, `available`, "
            "`unavailable`, `metric`, `promql`, `failover`, `isrRecovery`, `inSyncReplicas`, `stepsDown`, "
            "`topicCreateRefused`",
        ),
        # missing
        (
            "  hypothesis: A leader that is cut off is replaced.\n",
            "",
            "x.yaml:4: spec.hypothesis: is missing; say in one sentence what you believe",
        ),
        (
            "    duration: 15s\n",
            "",
            "x.yaml:14: spec.faults[0]: `duration` is missing: how long does the partition last?",
        ),
        # between the fields
        (
            "replicationFactor: 3",
            "replicationFactor: 4",
            "x.yaml:7: spec.topic.replicationFactor: 4 replicas do not fit on 3 brokers; lower `replicationFactor` or "
            "raise `cluster.brokers`",
        ),
        (
            "minInSyncReplicas: 2",
            "minInSyncReplicas: 4",
            "x.yaml:7: spec.topic.minInSyncReplicas: 4 in-sync replicas are more than the 3 of `replicationFactor`: no "
            "write could ever be acknowledged; lower it",
        ),
        (
            "ordinal: 0}]}",
            "ordinal: 3}]}",
            "x.yaml:9: spec.prepare.leaders[0].ordinal: there is no broker 3: `cluster.brokers` is 3, so ordinals are "
            "0 to 2",
        ),
        (
            "leaderChange: {partition: 0",
            "leaderChange: {partition: 3",
            "x.yaml:21: spec.expect[0].leaderChange.partition: there is no partition 3: `topic.partitions` is 3, so "
            "partitions are 0 to 2",
        ),
        (
            "of: cut}}",
            "of: cutt}}",
            "x.yaml:21: spec.expect[0].leaderChange.of: no fault is named `cutt`; did you mean `cut`?",
        ),
        (
            "fault: cut, group: 0",
            "fault: zzz, group: 0",
            "x.yaml:22: spec.expect[1].writesRefused.by.fault: no fault is named `zzz`; the faults are `cut`",
        ),
        (
            "group: 0",
            "group: 2",
            "x.yaml:22: spec.expect[1].writesRefused.by.group: `cut` has 2 groups, so `group` is 0 to 1",
        ),
        (
            "equals: 3",
            "equals: 5",
            "x.yaml:23: spec.expect[2].inSyncReplicas.equals: an ISR of 5 cannot be: `topic.replicationFactor` is 3",
        ),
        (
            "name: whole again",
            "name: fenced",
            "x.yaml:23: spec.expect[2].name: `fenced` is already the name of expect[1]",
        ),
        (
            "    startAfter: 5s",
            "    following: cut",
            "x.yaml:15: spec.faults[0].following: `cut` cannot follow itself",
        ),
        (
            "{acks: All, idempotent: true}",
            "{acks: Leader, idempotent: true}",
            "x.yaml:8: spec.workload: `idempotent: true` needs `acks: All`, and acks is Leader; change one of them",
        ),
        (
            "[{role: Other}]]",
            "[{ordinal: 1}, {ordinal: 2}, {role: Other}]]",
            "x.yaml:17: spec.faults[0].partition: `Other` would be nobody: the other targets already "
            "name all 3 brokers",
        ),
        (
            "{role: PartitionLeader, partition: 0}",
            "{role: PartitionLeader}",
            "x.yaml:18: spec.faults[0].partition.groups[0][0]: role PartitionLeader needs `partition`: the leader of "
            "which partition is meant?",
        ),
        (
            "{role: PartitionLeader, partition: 0}",
            "{role: InSyncFollower, partition: 0, count: 3}",
            "x.yaml:18: spec.faults[0].partition.groups[0][0]: 3 x InSyncFollower cannot be found: there are at most 2",
        ),
        # the file
        (
            "hypothesis: A leader",
            "hypothesis: Belief: a leader",
            "x.yaml:5: is not YAML: a second `: ` on this line; put a text that holds one in quotes",
        ),
        ("seed: 7", "seed: 7\n  seed: 8", "x.yaml:11: spec.seed: is written twice (first on line 10); keep one"),
        ("  seed: 7", "\tseed: 7", "x.yaml:10: is indented with a tab, which YAML forbids; use spaces"),
        (
            "apiVersion: skerry.dev/v1alpha1",
            "apiVersion: skerry.dev/v1",
            "x.yaml:1: apiVersion: must be `skerry.dev/v1alpha1`, and is `skerry.dev/v1`",
        ),
        ("kind: ChaosExperiment", "kind: Experiment", "x.yaml:2: kind: must be `ChaosExperiment`, and is `Experiment`"),
        (
            "seed: 7",
            "seed: &a 7\n  timeout: *a",
            "x.yaml:10: uses a YAML anchor (`&name`, `*name`); write the value out",
        ),
        (
            "seed: 7",
            "seed: !!python/name:os.system 7",
            "x.yaml:10: has the YAML tag `tag:yaml.org,2002:python/name:os.system`; write a plain value",
        ),
    ],
)
def test_one_mistake_one_sentence(old, new, sentence):
    assert problems(changed(old, new)) == [sentence]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "x.yaml: is empty; it must hold one ChaosExperiment (apiVersion, kind, metadata, spec)"),
        ("# nothing\n", "x.yaml: is empty; it must hold one ChaosExperiment (apiVersion, kind, metadata, spec)"),
        ("just text", "x.yaml:1: must be a mapping with apiVersion, kind, metadata and spec; it is a single value"),
        ("- a\n- b\n", "x.yaml:1: must be a mapping with apiVersion, kind, metadata and spec; it is a list"),
        (
            GOOD + "---\n" + GOOD,
            "x.yaml:25: holds 2 documents; put each experiment in a file of its own (a suite is a directory)",
        ),
        ("{" * 100 + "}" * 100, "x.yaml:1: is nested more than 40 levels deep; an experiment is not"),
        ("[" * 200_000, "x.yaml:1: is nested more than 40 levels deep; an experiment is not"),
        ("a: " + "x" * 300_000, "x.yaml: is larger than 256 KiB; an experiment is a page of text"),
        ("a: \x00", "x.yaml:1: holds the character U+0000; save it as plain UTF-8 text"),
        ("? {a: b}\n: c\n", "x.yaml:1: cannot be read as plain values: while constructing a mapping"),
        ("a: 2026-13-45", "x.yaml:1: cannot be read as plain values: month must be in 1..12"),
    ],
)
def test_files_that_are_no_document(text, sentence):
    (found,) = problems(text)
    assert found.startswith(sentence)


def test_every_problem_is_told_at_once_in_the_order_of_the_lines():
    text = GOOD.replace("seed: 7", "seed: x").replace("timeout: 4m", "timeout: soon").replace("group: 0", "group: z")
    assert [problem.split(": ")[1] for problem in problems(text)] == [
        "spec.seed",
        "spec.timeout",
        "spec.expect[1].writesRefused.by.group",
    ]


CHAIN = """\
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: chain}
spec:
  hypothesis: One after the other.
  timeout: 60s
  faults:
  - {name: a, following: c, kill: {target: {ordinal: 0}, how: Process}}
  - {name: b, following: a, kill: {target: {ordinal: 1}, how: Process}}
  - {name: c, following: b, kill: {target: {ordinal: 2}, how: Process}}
"""


def test_faults_that_wait_for_each_other_are_told_once():
    assert problems(CHAIN) == [
        "x.yaml:8: spec.faults[0].following: the faults wait for each other (`a` -> `c` -> `b` -> `a`), so none would "
        "ever begin"
    ]


def test_a_chain_ends_in_time_as_a_whole():
    text = CHAIN.replace("following: c, ", "").replace(
        "how: Process}}\n  - {name: c", "how: Process, downFor: 70s}}\n  - {name: c"
    )
    assert problems(text) == [
        "x.yaml:9: spec.faults[1].kill: `b` ends 1m10s after the steady state at the earliest, and `timeout` is 1m; "
        "shorten the fault or raise `timeout`"
    ]


@pytest.mark.parametrize("key", ["z{}", "zzz", "d{}"])
def test_a_document_of_nothing_but_mistakes_is_refused_at_once(key):
    """Each problem takes time to word: 20,000 of them took most of a minute."""
    many = "".join(f"  {key.format(number)}: 1\n" for number in range(20_000))
    (told,) = problems(GOOD + many)
    assert told.endswith("holds more than 20,000 keys and values; an experiment is a page of text")
    few = "".join(f"  {key.format(number)}: 1\n" for number in range(2_000))
    found = problems(GOOD + few)
    assert len(found) == 51
    assert found[-1] == "x.yaml: has more problems than these 50"


def test_the_largest_document_that_the_models_allow_is_not_too_large():
    followers = [{"role": "InSyncFollower", "partition": 900 + number, "count": 2} for number in range(16)]
    slow = {"startAfter": "1m", "duration": "1s", "slow": {"between": [followers] * 8, "latency": "1s"}}
    after = [{"following": f"f{number - 1}"} if number else {} for number in range(16)]
    spec = {
        "hypothesis": "h",
        "timeout": "1h",
        "cluster": {"brokers": 99},
        "topic": {"partitions": 999},
        "faults": [{"name": f"f{number}", **before, **slow} for number, before in enumerate(after)],
    }
    head = {"apiVersion": "skerry.dev/v1alpha1", "kind": "ChaosExperiment", "metadata": {"name": "large"}}
    assert len(load_document(json.dumps(head | {"spec": spec}), "large.yaml").spec.faults) == 16
