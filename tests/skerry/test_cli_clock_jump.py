"""Wall clocks that jump by an hour while a cluster runs: nobody loses a role, nobody loses a write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skerry.cli import run_command_line

pytestmark = [pytest.mark.sim, pytest.mark.timeout(60)]

DOCUMENT = """\
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: clock-jump}
spec:
  hypothesis: No rule of the protocol reads the wall clock, so a jump of it changes nothing.
  cluster: {brokers: 3}
  topic: {partitions: 3, replicationFactor: 3, minInSyncReplicas: 2}
  workload: {producers: 4, consumers: 2, ratePerSecond: 150, acks: All, idempotent: true}
  prepare: {controller: {ordinal: 1}, leaders: [{partition: 0, ordinal: 0}]}
  seed: 7
  timeout: 2m
  faults:
  - {name: jump, startAfter: 2s, duration: 5s, clock: {target: TARGET, jump: 1h, backwards: BACKWARDS}}
  expect:
  - {name: same leader, noLeaderChange: {partition: 0, during: jump}}
  - {name: same controller, noLeaderChange: {controller: true, during: jump}}
  - {name: no elections, epochsGrowAtMost: {by: 0, during: jump}}
  - {name: writes go on, maxWriteGap: {atMost: 500ms, during: jump, partition: 0}}
"""


@pytest.mark.parametrize("backwards", ["false", "true"], ids=["forward", "back"])
@pytest.mark.parametrize("target", ["{ordinal: 0}", "{ordinal: 1}", "{role: All}"], ids=["leader", "controller", "all"])
def test_a_clock_that_jumps_an_hour_changes_nothing(target: str, backwards: str, tmp_path: Path) -> None:
    """There and, when the fault is healed, back again."""
    path = tmp_path / "clock.yaml"
    path.write_text(DOCUMENT.replace("TARGET", target).replace("BACKWARDS", backwards))
    code = run_command_line(["run", str(path), "--world", "sim", "--out", str(tmp_path / "out")])
    report = json.loads((tmp_path / "out" / "clock-jump-001" / "report.json").read_bytes())
    assert [finding["message"] for finding in report["findings"] if finding["verdict"] != "Pass"] == []
    assert code == 0
    assert report["acknowledged_records"] > 1000
