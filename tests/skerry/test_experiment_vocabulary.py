"""Every fault, every expectation and every target can be written, and becomes what it says."""

from __future__ import annotations

from decimal import Decimal

import pytest
import yaml

from skerry.expectations.registry import EXPECTATIONS
from skerry.experiment import DocumentError, load_document
from skerry.faults.registry import FAULTS
from skerry.schema.base import format_duration, parse_duration

HEAD = """\
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: all, namespace: test, labels: {a: b}, uid: "1"}
spec:
  hypothesis: Everything can be said.
  cluster: {brokers: 5, timing: Relaxed}
  prometheusUrl: http://prometheus:9090
"""

FAULT_LINES = {
    "partition": "{duration: 2s, partition: {links: [{from: {ordinal: 0}, to: {role: Other}}], action: Reject}}",
    "slow": "{duration: 2s, slow: {between: [[{role: All}]], latency: 100ms, jitter: 20ms, lossPercent: 1, "
    "rateKbps: 3000}}",
    "kill": "{kill: {target: {role: Controller}, how: PodDelete, downFor: 2s, gracePeriod: 1s}}",
    "restart": "{restart: {targets: [{role: All}], how: Graceful, order: OneByOne, pauseBetween: 1s}}",
    "pause": "{duration: 2s, pause: {target: {role: NonController, count: 2}}, "
    "repeat: {until: 9s, every: 4s, jitter: 1s}}",
    "wipe": "{wipe: {target: {role: PartitionFollower, partition: 1}, downFor: 1s}}",
    "disk": "{disk: {target: {ordinal: 1}, loseUnsynced: true, tornWrite: true, downFor: 1s}}",
    "clock": "{duration: 2s, clock: {target: {ordinal: 1}, jump: 1h, backwards: true, driftPpm: -2000}}",
}

RULE_LINES = {
    "leaderChange": "{controller: true, within: 3s, of: f}",
    "noLeaderChange": "{partition: 0, during: f}",
    "failover": "{partition: 0, atMost: 3s, of: f}",
    "isrRecovery": "{atMost: 3s, of: f}",
    "writesRefused": "{by: {ordinal: 0}, within: 1500ms, acks: Leader, partition: 1}",
    "writesAccepted": "{by: {ordinal: 4}, within: 4s}",
    "topicCreateRefused": "{by: {ordinal: 0}}",
    "maxWriteGap": "{atMost: 2s, afterHealOf: f}",
    "throughput": "{atLeastPercentOfSteady: 50, during: f}",
    "inSyncReplicas": "{atMost: 2, within: 4s, of: f}",
    "epochsGrowAtMost": "{by: 2, after: f}",
    "stepsDown": "{target: {role: PartitionLeader, partition: 0}, within: 5s, afterHealOf: f}",
    "available": "{when: {aliveAtLeast: 3}}",
    "unavailable": "{when: {aliveAtMost: 2}, within: 2s}",
    "metric": '{name: broker_elections_total, labels: {reason: crash}, from: Brokers, aggregate: Delta, atMost: "1.5"}',
    "promql": "{query: 'sum(up)', equals: 3}",
}


def document(fault: str, expect: str = "") -> str:
    inner = fault[1:-1]
    return f"{HEAD}  faults:\n  - {{name: f, {inner}}}\n{expect}"


def test_the_tables_are_the_whole_vocabulary():
    assert set(FAULT_LINES) == set(FAULTS)
    assert set(RULE_LINES) == set(EXPECTATIONS)


@pytest.mark.parametrize("kind", FAULT_LINES)
def test_every_fault_can_be_written(kind):
    experiment = load_document(document(FAULT_LINES[kind]))
    (fault,) = experiment.spec.faults
    assert fault.kind == kind
    assert isinstance(fault.body, FAULTS[kind].body)
    assert fault.body.target_groups()


@pytest.mark.parametrize("rule", RULE_LINES)
def test_every_expectation_can_be_written(rule):
    text = document(FAULT_LINES["kill"], f"  expect:\n  - {{name: it holds, {rule}: {RULE_LINES[rule]}}}\n")
    (expectation,) = load_document(text).spec.expect
    assert expectation.rule == rule
    assert isinstance(expectation.body, EXPECTATIONS[rule].body)


def test_a_document_survives_a_round_trip():
    experiment = load_document(document(FAULT_LINES["pause"]))
    written = yaml.safe_dump(experiment.model_dump(mode="json", exclude_none=True))
    assert load_document(written) == experiment


def test_a_document_is_frozen():
    experiment = load_document(document(FAULT_LINES["kill"]))
    with pytest.raises(ValueError, match="frozen"):
        experiment.spec.seed = 3  # type: ignore[misc]


def test_limits_are_scaled_by_the_timing_and_faults_are_not():
    experiment = load_document(document(FAULT_LINES["kill"]))
    assert experiment.limit_ns(1_000) == 3_000
    assert experiment.spec.faults[0].lasts_ns == 2_000_000_000


def test_a_metric_limit_is_exact():
    text = document(FAULT_LINES["kill"], f"  expect:\n  - {{name: m, metric: {RULE_LINES['metric']}}}\n")
    assert load_document(text).spec.expect[0].body.at_most == Decimal("1.5")


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("15s", 15 * 10**9),
        ("500ms", 5 * 10**8),
        ("1m30s", 90 * 10**9),
        ("1h", 3600 * 10**9),
        ("0s", 0),
        ("90s", 90 * 10**9),
    ],
)
def test_durations(text, ns):
    assert parse_duration(text) == ns
    assert parse_duration(format_duration(ns)) == ns


@pytest.mark.parametrize("text", ["", "s", "1.5s", "-1s", "1s1m", "1 s", "1", "1d", "1s ", "١s", None, 1, True, 1.5])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("{kill: {target: {ordinal: 0}}}", "say it, because a crash and a graceful stop test different things"),
        ("{duration: 1s, kill: {target: {ordinal: 0}, how: Process}}", "its own field `downFor` says how long"),
        ("{kill: {target: {ordinal: 0}, how: Process, gracePeriod: 1s}}", "`gracePeriod` has no meaning"),
        ("{pause: {target: {ordinal: 0}}}", "`duration` is missing: how long does the pause last?"),
        ("{duration: 1s, slow: {between: [[{role: All}]]}}", "changes nothing"),
        ("{duration: 1s, slow: {between: [[{role: All}]], latency: 1ms, jitter: 2ms}}", "must not exceed `latency`"),
        ("{duration: 1s, disk: {target: {ordinal: 0}, tornWrite: true, fsyncError: true}}", "write two faults"),
        ("{duration: 3s, pause: {target: {ordinal: 0}}, repeat: {times: 3, every: 2s}}", "occurrences would overlap"),
        ("{duration: 3s, pause: {target: {ordinal: 0}}, repeat: {every: 4s}}", "how long it repeats is missing"),
        ("{duration: 1s, partition: {groups: [[{ordinal: 0}], [{role: All}]]}}", "`All` cannot be a side"),
        ("{duration: 1s, partition: {groups: [[{ordinal: 0}], [{ordinal: 0}]]}}", "broker 0 stands on two sides"),
        ("{duration: 1s, partition: {groups: [[{ordinal: 0}]]}}", "must have at least 2 entries, and has 1"),
        ("{duration: 1s, clock: {target: {ordinal: 0}}}", "give `jump` or `driftPpm`"),
        (
            "{duration: 10s, clock: {target: {ordinal: 0}, driftPpm: -100}}",
            "-100 millionths over 10s move the clock by 1 ms, which cannot be told from noise; it takes `driftPpm` 207 "
            "or more, or a `duration` of 20s300ms or more",
        ),
        (
            "{duration: 310ms, clock: {target: {ordinal: 0}, driftPpm: 99000}}",
            "it takes a `duration` of 321ms or more",
        ),
        ("{duration: 1s, pause: {target: {ordinal: 0, role: All}}}", "the broker is given more than once"),
    ],
)
def test_faults_that_make_no_sense(fault, sentence):
    with pytest.raises(DocumentError) as caught:
        load_document(document(fault))
    (problem,) = caught.value.problems
    assert sentence in problem.sentence
