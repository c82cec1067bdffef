"""What is needed to heal a run that was found begun, however little of its target is left."""

from __future__ import annotations

from skerry.engine.capabilities import Capabilities
from skerry.experiment.document import Experiment
from skerry.targets.pod_shape import PodShape
from skerry.worlds.kubernetes.api import STATEFUL_SETS, Kube
from skerry.worlds.kubernetes.capabilities import capabilities
from skerry.worlds.kubernetes.cluster import BrokerSet, ClusterProblem, broker_set, pod_shape
from skerry.worlds.kubernetes.opt_ins import OptIns


async def brokers_of(kube: Kube, experiment: Experiment) -> BrokerSet:
    """The StatefulSet as it is now; when it is gone or unfit, as our chart would have it: artefacts are found by
    label, so that this is enough to heal, and the drain says what else is missing. Raises KubeError."""
    cluster = experiment.spec.cluster
    name = cluster.stateful_set or ""
    shape = pod_shape(experiment.spec.target)
    found = await kube.get(STATEFUL_SETS, name) if name else None
    if found is not None:
        try:
            return broker_set(found, shape)
        except ClusterProblem:
            pass
    return _usual(name, kube.namespace, cluster.brokers, shape)


def _usual(name: str, namespace: str, brokers: int, shape: PodShape) -> BrokerSet:
    ports = {plane: port for plane, port in shape.usual_ports.items() if plane != shape.admin}
    return BrokerSet(
        name, namespace, name, brokers, ports, shape.usual_ports[shape.admin], shape.admin, shape.container
    )


def capabilities_of(namespace: str) -> Capabilities:
    """What a world can do that injects nothing."""
    return capabilities(OptIns(grant=False, label=False, namespace=namespace))
