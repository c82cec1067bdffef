"""Whether admission (quotas, policies, webhooks) would take what a run creates: dry runs, before anything is touched.

Only what the operator itself creates can be tried: its Role may not create pods. Why the pod of a Job is refused stands
in the Job's Events (`workload.creation_trouble`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from skerry.experiment.document import Experiment
from skerry.faults.network_partition import Connections, Cut, CutAction
from skerry.faults.port import OccurrenceId
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes import policy
from skerry.worlds.kubernetes.api import JOBS, NETWORK_POLICIES, Kind, Kube, KubeError
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.faults.registry import HANDLERS
from skerry.worlds.kubernetes.fuse import fuse_manifest
from skerry.worlds.kubernetes.names import API_VERSION, KIND, object_name
from skerry.worlds.kubernetes.workload import PulledImage, job_manifest

TRIAL = "dry-run"
OWNER_UID = "00000000-0000-4000-8000-000000000000"
"""The uid of nobody. The server looks up owners when something is stored, and nothing is."""


class TrialSettings(Protocol):
    @property
    def runner_image(self) -> str: ...

    @property
    def image_pull_policy(self) -> str: ...


async def refused_creation(kube: Kube, experiment: Experiment, brokers: BrokerSet, settings: TrialSettings) -> str:
    """Why something that the run needs would not be admitted, as one sentence; empty: all of it would.

    Raises KubeError: the API server did not answer.
    """
    for kind, manifest in _created(kube.namespace, experiment, brokers, settings):
        try:
            await kube.create(kind, manifest, dry_run=True)
        except KubeError as error:
            if error.unanswered:
                raise
            if not error.conflict:
                return f"what the run creates would not be admitted: {error}; ask who set that limit or policy"
    return ""


def _created(
    namespace: str, experiment: Experiment, brokers: BrokerSet, settings: TrialSettings
) -> Iterator[tuple[Kind, JsonObject]]:
    owner: JsonObject = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": experiment.name, "namespace": namespace, "uid": OWNER_UID},
    }
    image = PulledImage(settings.runner_image, settings.image_pull_policy)
    spec = experiment.spec
    name = object_name(TRIAL, experiment.name)
    yield JOBS, job_manifest(name, owner, image, "", spec.timeout_ns + 2 * spec.retain_ns)
    if not spec.faults:
        return
    fuse = fuse_manifest(name, experiment.name, owner, 60)
    yield JOBS, fuse
    if brokers.replicas > 1 and any(HANDLERS[fault.kind].by_policy for fault in spec.faults):
        fuse["metadata"]["uid"] = OWNER_UID
        cut = Cut(((0, 1), (1, 0)), experiment.target.peer_planes, Connections.NEW, CutAction.DROP, ((0,), (1,)))
        for each in policy.policies_for(
            cut, brokers, experiment=experiment.name, occurrence=OccurrenceId(TRIAL, 0), owner=fuse
        ):
            yield NETWORK_POLICIES, each
