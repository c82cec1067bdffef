"""What is needed to heal a run that was found begun, however little of its target is left."""

from __future__ import annotations

from skerry.engine.capabilities import Capabilities
from skerry.experiment.document import Experiment
from skerry.schema.vocabulary import Plane
from skerry.worlds.kubernetes.api import STATEFUL_SETS, Kube
from skerry.worlds.kubernetes.capabilities import capabilities
from skerry.worlds.kubernetes.cluster import BrokerSet, ClusterProblem, broker_set
from skerry.worlds.kubernetes.opt_ins import OptIns

CHART_PORTS = {Plane.CLIENT: 9092, Plane.RAFT: 9093, Plane.REPLICATION: 9094}
CHART_ADMIN_PORT = 9095


async def brokers_of(kube: Kube, experiment: Experiment) -> BrokerSet:
    """The StatefulSet as it is now; when it is gone or unfit, as our chart would have it: artefacts are found by
    label, so that this is enough to heal, and the drain says what else is missing. Raises KubeError."""
    cluster = experiment.spec.cluster
    name = cluster.stateful_set or ""
    found = await kube.get(STATEFUL_SETS, name) if name else None
    if found is not None:
        try:
            return broker_set(found)
        except ClusterProblem:
            pass
    return BrokerSet(name, kube.namespace, name, cluster.brokers, CHART_PORTS, CHART_ADMIN_PORT)


def capabilities_of(namespace: str) -> Capabilities:
    """What a world can do that injects nothing."""
    return capabilities(OptIns(grant=False, label=False, namespace=namespace))
