"""Limits that nothing could break or meet are refused with the document; what could be broken never is."""

from __future__ import annotations

import pytest

from skerry.experiment import DocumentError, load_document

DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {{name: limits}}
spec:
  hypothesis: A limit is one.
  cluster: {{brokers: 3, timing: {timing}}}
  topic: {{partitions: 1}}
  timeout: 60s
  faults: [{{name: f, {fault}}}]
  expect: [{{name: x, {rule}}}]
"""
CUT = "duration: 4s, partition: {groups: [[{ordinal: 0}], [{role: Other}]]}"
CLOCK = "duration: 4s, clock: {target: {ordinal: 0}, jump: 1s}"
PAUSE = "duration: 4s, pause: {target: {ordinal: 0}}"
KILL = "kill: {target: {ordinal: 0}, how: Process, downFor: 4s}"
WIPE = "wipe: {target: {ordinal: 0}, downFor: 4s}"
ROLL = "restart: {targets: [{role: All}], how: Kill, pauseBetween: 4s}"
NO_WAIT, NOBODY = "so no wait inside it could ever break this", "so nobody could be asked before it ends"


def load(fault, rule, timing="Default"):
    return load_document(DOCUMENT.format(fault=fault, rule=rule, timing=timing), source_name="limits")


def refused(fault, rule, timing="Default"):
    with pytest.raises(DocumentError) as caught:
        load(fault, rule, timing)
    (problem,) = caught.value.problems
    return f"{problem.path.rpartition('.')[2]}: {problem.sentence}"


@pytest.mark.parametrize(
    ("fault", "rule", "timing", "said"),
    [
        (
            CUT,
            "maxWriteGap: {atMost: 4s, during: f}",
            "Default",
            f"atMost: 4s is no shorter than `f` lasts (4s), {NO_WAIT}",
        ),
        (
            CUT,
            "maxWriteGap: {atMost: 1500ms, during: f}",
            "Relaxed",
            "atMost: 1s500ms, which is 4s500ms with this `timing`, is no shorter than `f` lasts (4s), " + NO_WAIT,
        ),
        (CLOCK, "available: {during: f}", "Default", f"within: 5s is no shorter than `f` lasts (4s), {NO_WAIT}"),
        (
            CUT,
            "unavailable: {during: f, within: 9s}",
            "Default",
            f"within: 9s is no shorter than `f` lasts (4s), {NOBODY}",
        ),
        (CUT, "writesRefused: {by: {fault: f}, within: 4s}", "Default", NOBODY),
        (CUT, "writesRefused: {by: {fault: f}, within: 1400ms}", "Relaxed", NOBODY),
        (CUT, "topicCreateRefused: {by: {fault: f}, within: 5s}", "Default", NOBODY),
        (PAUSE, "unavailable: {during: f, within: 4s}", "Default", NOBODY),
        (KILL, "writesRefused: {by: {fault: f}, within: 5s}", "Default", NOBODY),
        (WIPE, "topicCreateRefused: {by: {fault: f}}", "Relaxed", NOBODY),
    ],
)
def test_a_limit_that_nothing_inside_the_fault_could_break_or_meet(fault, rule, timing, said):
    """The longest waits would always hold, the others never be judged."""
    assert said in refused(fault, rule, timing)


@pytest.mark.parametrize("fault", [CUT, KILL, PAUSE, ROLL])
@pytest.mark.parametrize(
    ("rule", "timing"),
    [
        ("maxWriteGap: {atMost: 60s}", "Default"),
        ("maxWriteGap: {atMost: 20s, afterHealOf: f}", "Relaxed"),
        ("available: {within: 61s, afterHealOf: f}", "Default"),
        ("leaderChange: {partition: 0, within: 60s, of: f}", "Default"),
        ("failover: {partition: 0, atMost: 20s, of: f}", "Relaxed"),
        ("inSyncReplicas: {equals: 3, within: 2m, afterHealOf: f}", "Default"),
    ],
)
def test_a_limit_that_is_longer_than_the_run(fault, rule, timing):
    assert "is no shorter than `timeout` (1m), and a run that takes longer is broken off" in refused(
        fault, rule, timing
    )


@pytest.mark.parametrize(
    ("fault", "rule", "timing"),
    [
        (CUT, "maxWriteGap: {atMost: 3999ms, during: f}", "Default"),
        (CUT, "maxWriteGap: {atMost: 1333ms, during: f}", "Relaxed"),
        (CUT, "writesRefused: {by: {fault: f}, within: 1333ms}", "Relaxed"),
        (CUT, "writesRefused: {by: {ordinal: 0}, within: 5s}", "Default"),
        (CUT, "maxWriteGap: {atMost: 19s}", "Relaxed"),
        (KILL, "writesRefused: {by: {fault: f}, within: 3999ms}", "Default"),
        # Until who was away is back and registered, the fault is in effect: for longer than it was asked for.
        (KILL, "maxWriteGap: {atMost: 9s, during: f}", "Default"),
        (PAUSE, "available: {within: 4s, during: f}", "Default"),
        (ROLL, "maxWriteGap: {atMost: 9s, during: f}", "Default"),
        (ROLL, "unavailable: {within: 5s, during: f}", "Default"),
    ],
)
def test_a_limit_that_could_be_broken(fault, rule, timing):
    load(fault, rule, timing)
