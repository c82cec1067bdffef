"""The honesty of this world: where the cluster does not do what the API server says, no verdict is a Pass.

Each cell is a whole run: conductor, world, faults and proofs as they are, on a cluster that tells one lie.
"""

from __future__ import annotations

import asyncio
import json
from typing import NamedTuple

import pytest
from broker_kit import BROKERS
from fake_api import FakeApi
from fault_stage import EXPERIMENT
from honesty_matrix import PAGE, ROWS, WORLDS, Cell, JsonObject, Told, cells_of, cells_of_world, fault
from lies import EARLY, LATE
from lying_cluster import LATE_MS, LyingCluster
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
LASTS, LONG = "1500ms", "3s"
"""What begins 2 s late has to begin while it lasts, and what ends early before its end."""
BOUNDS = Bounds(
    steady_hold_ns=50 * MS,
    verify_ns=2500 * MS,
    heal_ns=1500 * MS,
    recover_ns=500 * MS,
    recover_hold_ns=50 * MS,
    links_every_ns=50 * MS,
)
PACE = Pace(look_every_s=0.01, silent_s=60, pod_timeout_s=60, pod_poll_s=0.002, finish_poll_s=0.01)


A_LITTLE_LATE_MS = 700
CELLS = cells_of(PAGE.read_text())


class Outcome(NamedTuple):
    verdict: Verdict
    told: Told
    left: list[str]
    """In the cluster."""
    events: list[FaultEvent]


def fault_of(row: str, lie: str) -> JsonObject:
    found = fault("lie", row, LONG if lie in (EARLY, LATE) else LASTS) | {"startAfter": "100ms"}
    if row == "partition":  # a policy cuts no connection that is open
        found["partition"] = found["partition"] | {"connections": "New"}
    return found


async def outcome(row: str, lie: str, late_ms: int = LATE_MS) -> Outcome:
    """On an API server of its own. No lie: the cluster is honest."""
    from kubernetes.aio.client import Configuration

    document = f"{DOCUMENT}  - {json.dumps(fault_of(row, lie))}\n"
    experiment = load_document(document, "demo.yaml")
    able = capabilities(OptIns(grant=True, label=True, hold=True, namespace="skerry"))
    async with (
        FakeApi() as api,
        Kube("skerry", configuration=Configuration(host=api.url)) as kube,
        ScriptedPod(api) as pod,
    ):
        api.put(EXPERIMENT)
        LyingCluster(api, pod, lie, experiment.spec.topic.name, late_ms)
        settings = Settings("skerry", "skerry/operator:dev", "skerry/injector:dev")
        world = KubernetesWorld(
            kube, EXPERIMENT, experiment, document, 7, BROKERS, able, settings, "a-token-of-sixteen", pace=PACE
        )

        async def journal(actions: object) -> None:
            return

        end = await drive(Conductor(experiment, 7, able, bounds=BOUNDS), world, journal, turn_s=0.02)
        records = [action.record for action in pod.actions if isinstance(action, Record)]
        events = [record for record in records if isinstance(record, FaultEvent)]
        finish = end.finish
        return Outcome(finish.verdict, Told(finish.reason, finish.message), api.names("networkpolicies"), events)


async def ask(cells: list[Cell]) -> dict[Cell, Outcome]:
    """All at once: most of a run is waiting."""
    return dict(zip(cells, await asyncio.gather(*(outcome(cell.row, cell.lie) for cell in cells)), strict=True))


def ask_all() -> dict[Cell, Told]:
    """For the page."""
    found: dict[Cell, Told] = {}
    for row in HERE:
        asked = asyncio.run(ask([cell for cell in cells_of_world("kubernetes") if cell.row == row]))
        found |= {cell: each.told for cell, each in asked.items()}
    return found


HERE = [row for row in ROWS if row in WORLDS["kubernetes"]]


@pytest.mark.parametrize("row", HERE)
async def test_an_honest_cluster_passes(row: str) -> None:
    found = await outcome(row, "")
    assert found.verdict is Verdict.PASS, f"{found.told} {found.events}"
    assert found.left == []


async def test_a_cut_that_comes_a_little_late_counts_from_when_it_came() -> None:
    """The planted bug: it counted from when its policy was stored, and the cluster was blamed for the rest."""
    found = await outcome("partition", LATE, A_LITTLE_LATE_MS)
    assert found.verdict is Verdict.PASS, found.told.sentence
    (injecting,) = [event for event in found.events if event.step is FaultStep.INJECTING]
    (effective,) = [event for event in found.events if event.step is FaultStep.EFFECTIVE]
    assert effective.before_ns - injecting.before_ns > (A_LITTLE_LATE_MS - 300) * MS
    assert effective.after_ns - injecting.before_ns > A_LITTLE_LATE_MS * MS


@pytest.mark.parametrize("row", HERE)
async def test_a_cluster_that_lies_never_passes(row: str) -> None:
    found = await ask([cell for cell in cells_of_world("kubernetes") if cell.row == row])
    for cell, each in found.items():
        assert each.verdict is Verdict.INCONCLUSIVE, f"{cell}: {each.events}"
        assert "`lie" in each.told.sentence, "it names the fault"
        assert each.left == [], cell
    told = {cell: each.told.reason for cell, each in found.items()}
    assert told == {cell: CELLS[cell] for cell in found}, [each.told for each in found.values()]
