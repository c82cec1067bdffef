"""The honesty of this world: where the cluster does not do what the API server says, no verdict is a Pass.

Each row is a whole run: conductor, world, faults and proofs as they are, on a cluster that lies in one way.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from broker_kit import BROKERS
from fake_api import FakeApi
from fault_stage import EXPERIMENT
from lying_cluster import LATE_MS, Lie, LyingCluster
from scripted_pod import ScriptedPod

from skerry.engine.bounds import Bounds
from skerry.engine.conductor import Conductor
from skerry.engine.world import Record
from skerry.experiment import load_document
from skerry.history.records import FaultEvent, FaultStep
from skerry.schema.verdict import Verdict
from skerry.worlds.kubernetes.api import Kube
from skerry.worlds.kubernetes.capabilities import OptIns, capabilities
from skerry.worlds.kubernetes.drive import drive
from skerry.worlds.kubernetes.recording import Pace
from skerry.worlds.kubernetes.world import KubernetesWorld, Settings

MS = 1_000_000
DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: demo}
spec:
  hypothesis: It is as it says.
  cluster: {statefulSet: broker, brokers: 3}
  topic: {name: orders, partitions: 1, replicationFactor: 3, minInSyncReplicas: 2}
  timeout: 60s
  faults:
"""
CUT = """
  - name: cut
    startAfter: 100ms
    duration: 1500ms
    partition: {groups: [[{ordinal: 1}], [{role: Other}]], connections: New}
"""
DELETION = """
  - {name: deletion, startAfter: 100ms, kill: {target: {ordinal: 1}, how: PodDelete}}
"""
FAULTS = {"partition": CUT, "kill": DELETION}
BOUNDS = Bounds(
    steady_hold_ns=50 * MS,
    verify_ns=1000 * MS,
    heal_ns=1500 * MS,
    recover_ns=500 * MS,
    recover_hold_ns=50 * MS,
    links_every_ns=50 * MS,
)
PACE = Pace(look_every_s=0.01, silent_s=60, pod_timeout_s=60, pod_poll_s=0.002, finish_poll_s=0.01)


class Outcome(NamedTuple):
    verdict: Verdict
    reasons: set[str]
    """Of what kept it from being a Pass."""
    left: list[str]
    """In the cluster."""
    events: list[FaultEvent]


async def outcome(api: FakeApi, kube: Kube, fault: str, lie: Lie, pace: Pace = PACE) -> Outcome:
    experiment = load_document(DOCUMENT + FAULTS[fault], "demo.yaml")
    able = capabilities(OptIns(grant=True, label=True, hold=True, namespace="skerry"))
    api.put(EXPERIMENT)
    async with ScriptedPod(api) as pod:
        LyingCluster(api, pod, lie, experiment.spec.topic.name)
        settings = Settings("skerry", "skerry/operator:dev", "skerry/injector:dev")
        world = KubernetesWorld(
            kube, EXPERIMENT, experiment, DOCUMENT, 7, BROKERS, able, settings, "a-token-of-sixteen", pace=pace
        )

        async def journal(actions: object) -> None:
            return

        end = await drive(Conductor(experiment, 7, able, bounds=BOUNDS), world, journal, turn_s=0.02)
    reasons = {finding.reason for finding in end.finish.findings if finding.verdict is not Verdict.PASS}
    records = [action.record for action in pod.actions if isinstance(action, Record)]
    events = [record for record in records if isinstance(record, FaultEvent)]
    return Outcome(end.finish.verdict, reasons, api.names("networkpolicies"), events)


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_honest_cluster_passes(api: FakeApi, kube: Kube, fault: str) -> None:
    found = await outcome(api, kube, fault, Lie.NONE)
    assert found[:3] == (Verdict.PASS, set(), [])


async def test_a_cut_that_comes_late_counts_from_when_it_came(api: FakeApi, kube: Kube) -> None:
    """The planted bug: it counted from when its policy was stored, and the cluster was blamed for the rest."""
    found = await outcome(api, kube, "partition", Lie.LATE, PACE)
    (injecting,) = [event for event in found.events if event.step is FaultStep.INJECTING]
    (effective,) = [event for event in found.events if event.step is FaultStep.EFFECTIVE]
    assert effective.before_ns - injecting.before_ns > (LATE_MS - 300) * MS
    assert effective.after_ns - injecting.before_ns > LATE_MS * MS


@pytest.mark.parametrize(
    ("fault", "lie", "reason"),
    [
        ("partition", Lie.DOES_NOTHING, "NotVerified"),
        ("partition", Lie.HITS_ANOTHER, "NotVerified"),
        ("partition", Lie.ONE_DIRECTION, "NotVerified"),
        ("partition", Lie.ENDS_EARLY, "FaultLost"),
        ("partition", Lie.DOES_NOT_END, "NotHealed"),
        ("kill", Lie.DOES_NOTHING, "NotHealed"),
        ("kill", Lie.HITS_ANOTHER, "NotHealed"),
        ("kill", Lie.DOES_NOT_END, "NotHealed"),
    ],
)
async def test_a_cluster_that_lies_never_passes(api: FakeApi, kube: Kube, fault: str, lie: Lie, reason: str) -> None:
    found = await outcome(api, kube, fault, lie)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert reason in found.reasons
    assert found.left == []
