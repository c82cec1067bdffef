"""What weaker acks lose is told, and what acks=None sends is no acknowledgement: on a whole simulated cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from skerry.experiment import load_document
from skerry.report.model import RunReport, make_report
from skerry.schema.verdict import Verdict
from skerry.worlds.sim.world import run_simulated

DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: weaker}
spec:
  hypothesis: Nothing that was acknowledged disappears from the count.
  cluster: {brokers: 3}
  topic: {name: orders, partitions: 2, replicationFactor: 3, minInSyncReplicas: 2}
  workload: {producers: 2, consumers: 1, ratePerSecond: 100, acks: ACKS, idempotent: false, recordBytes: 64}
  prepare: {controller: {ordinal: 1}, leaders: [{partition: 0, ordinal: 0}, {partition: 1, ordinal: 0}]}
  faults: [{name: cut, startAfter: 1s, duration: 4s, partition: {groups: [[{ordinal: 0}], [{role: Other}]]}}]
  expect: [{name: new leader, leaderChange: {partition: 0, within: 3s, of: cut}}]
"""

pytestmark = [pytest.mark.sim, pytest.mark.timeout(100)]


def report_of(acks: str, directory: Path) -> RunReport:
    text = DOCUMENT.replace("ACKS", acks)
    experiment = load_document(text, source_name="weaker.yaml")
    result = run_simulated(experiment, text, 7, directory, "0")
    return make_report(experiment, result.history, result.finish.findings, "skerry run", "")


def test_records_that_only_a_cut_off_leader_had_are_counted(tmp_path: Path) -> None:
    report = report_of("Leader", tmp_path)
    assert report.verdict is Verdict.PASS
    assert " not there: nothing was owed to them (acks=Leader" in report.message
    assert "accounted for" not in report.message


def test_a_run_with_acks_none_acknowledges_nothing(tmp_path: Path) -> None:
    report = report_of("None", tmp_path)
    assert (report.verdict, report.reason) == (Verdict.INCONCLUSIVE, "NothingAcknowledged")
    assert report.acknowledged_records == 0
