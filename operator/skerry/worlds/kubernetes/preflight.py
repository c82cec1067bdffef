"""Whether an experiment can be carried out here, found out without touching anything: every refusal is one sentence.

The order is that of what the user mends first: may Skerry break things here, may it ask, who is meant, can it be done,
and would it have an effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Protocol

import msgspec

from skerry.engine.capabilities import Capabilities
from skerry.engine.needs import needed_features
from skerry.experiment.document import Experiment
from skerry.faults.port import Feature
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes import injector
from skerry.worlds.kubernetes.api import NAMESPACES, NETWORK_POLICIES, PODS, STATEFUL_SETS, Kube, KubeError
from skerry.worlds.kubernetes.capabilities import capabilities
from skerry.worlds.kubernetes.cluster import BrokerSet, ClusterProblem, broker_set, pod_shape
from skerry.worlds.kubernetes.faults.registry import HANDLERS
from skerry.worlds.kubernetes.grants import GRANTS, INJECTOR_GRANT, missing
from skerry.worlds.kubernetes.opt_ins import OptIns
from skerry.worlds.kubernetes.policy import voiding
from skerry.worlds.kubernetes.readiness import (
    ENFORCE_LABEL,
    brokers_not_ready,
    enforced_level,
    injector_allowed,
    labels_of,
    not_enabled,
)
from skerry.worlds.kubernetes.served_schema import sentence, unknown_fields
from skerry.worlds.kubernetes.trial import TrialSettings, refused_creation

INJECTED = frozenset(feature for handler in HANDLERS.values() for feature in handler.injected)
"""What takes an ephemeral container."""
DRY_RUN_NAME = "injector-dry-run"
SENTENCE_MAX = 300


class Settings(TrialSettings, Protocol):
    """What preflight wants to know of the operator's settings."""

    @property
    def injector_image(self) -> str: ...


class Refusal(msgspec.Struct, frozen=True):
    """Why nothing was touched."""

    reason: str
    """CamelCase, for the condition `Accepted`."""
    message: str
    """One sentence that says what to change."""


class Accepted(msgspec.Struct, frozen=True):
    brokers: BrokerSet
    capabilities: Capabilities
    pods: dict[int, JsonObject]
    """Ordinal -> the broker's pod, as it was."""


class _Refused(Exception):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def preflight(kube: Kube, experiment: Experiment, settings: Settings) -> Accepted | Refusal:
    """``kube``: of the experiment's namespace.

    Raises KubeError: the API server did not answer, which is no judgement: ask again.
    """
    try:
        return await _judge(kube, experiment, settings)
    except _Refused as refused:
        return Refusal(refused.reason, f"{refused}.")
    except KubeError as error:
        if error.forbidden:
            return Refusal("MissingPermission", f"{error}.")
        raise


async def namespace_refusal(kube: Kube) -> Refusal | None:
    """Whether the namespace (still) allows Skerry anything; asked again before each step that breaks something.

    Raises KubeError: the API server did not answer.
    """
    try:
        await _enabled_namespace(kube)
    except _Refused as refused:
        return Refusal(refused.reason, f"{refused}.")
    return None


async def _judge(kube: Kube, experiment: Experiment, settings: Settings) -> Accepted:
    nothing = capabilities(OptIns(grant=False, label=False, namespace=kube.namespace))
    if unsupported := nothing.target_lacking(experiment.spec.target):
        raise _Refused("UnsupportedTarget", unsupported.rstrip("."))
    namespace = await _enabled_namespace(kube)
    await _require_grants(kube)
    if missing_fields := await unknown_fields(kube):
        raise _Refused("CrdOutdated", sentence(missing_fields))
    brokers = await _brokers(kube, experiment)
    pods = await _ready_pods(kube, brokers)
    opt_ins = OptIns(
        grant=not await missing(kube, [INJECTOR_GRANT]),
        label=injector_allowed(namespace),
        hold=bool(brokers.hold),
        prometheus=experiment.spec.prometheus_url is not None,
        namespace=kube.namespace,
    )
    able = capabilities(opt_ins)
    needed = needed_features(experiment.spec)
    if lacking := able.lacking(needed):
        raise _Refused("UnsupportedFault", " ".join(lacking).rstrip("."))
    if needed & INJECTED:
        await _try_injector(kube, namespace, brokers, pods, needed, settings.injector_image)
    await _require_effect(kube, namespace, brokers, pods, experiment)
    if why := await refused_creation(kube, experiment, brokers, settings):
        raise _Refused("AdmissionRefused", why)
    return Accepted(brokers, able, dict(enumerate(pods)))


async def _enabled_namespace(kube: Kube) -> JsonObject:
    namespace = await kube.get(NAMESPACES, kube.namespace)
    if namespace is None:
        raise _Refused("NamespaceNotEnabled", f"there is no namespace {kube.namespace}")
    if why := not_enabled(namespace):
        raise _Refused("NamespaceNotEnabled", str(why))
    return namespace


async def _require_grants(kube: Kube) -> None:
    lacking = await missing(kube, GRANTS)
    if lacking:
        raise _Refused(
            "MissingPermission",
            f"the operator may not {_listed(lacking, 4)} in namespace {kube.namespace}; grant it in its Role there "
            "(the chart's value `rbac.create=true` does)",
        )


async def _brokers(kube: Kube, experiment: Experiment) -> BrokerSet:
    cluster = experiment.spec.cluster
    if cluster.stateful_set is None:
        raise _Refused("StatefulSetNotFound", "`spec.cluster.statefulSet` is missing: name the brokers' StatefulSet")
    found = await kube.get(STATEFUL_SETS, cluster.stateful_set)
    if found is None:
        raise _Refused(
            "StatefulSetNotFound",
            f"there is no StatefulSet `{cluster.stateful_set}` in namespace {kube.namespace}: correct "
            "`spec.cluster.statefulSet`, or create the experiment where the brokers are",
        )
    replicas = int(found["spec"].get("replicas", 1))
    if replicas != cluster.brokers:
        raise _Refused(
            "WrongReplicas",
            f"StatefulSet `{cluster.stateful_set}` has {replicas} replicas, and `spec.cluster.brokers` says "
            f"{cluster.brokers}: scale it, or change the document",
        )
    try:
        return broker_set(found, pod_shape(experiment.spec.target))
    except ClusterProblem as problem:
        raise _Refused("StatefulSetUnsuitable", str(problem)) from None


async def _ready_pods(kube: Kube, brokers: BrokerSet) -> list[JsonObject]:
    """The brokers' pods, in the order of their ordinals."""
    found = {str(pod["metadata"]["name"]): pod for pod in await kube.list(PODS, brokers.selector)}
    if unready := brokers_not_ready(brokers, found):
        raise _Refused(
            "BrokersNotReady",
            f"{'; '.join(unready)}: wait until all {brokers.replicas} brokers are ready, "
            f"see `kubectl get pods -n {kube.namespace}`",
        )
    return [found[brokers.pod_name(ordinal)] for ordinal in brokers.ordinals]


async def _try_injector(
    kube: Kube,
    namespace: JsonObject,
    brokers: BrokerSet,
    pods: Sequence[JsonObject],
    needed: frozenset[Feature],
    image: str,
) -> None:
    """Whether admission would let it in: a dry run for each pod."""
    if not image:
        raise _Refused("UnsupportedFault", "the operator knows no image of the injector: set SKERRY_INJECTOR_IMAGE")
    for pod in pods:
        for container in _containers(brokers, needed, image):
            if refusal := await injector_refusal(kube, namespace, str(pod["metadata"]["name"]), container):
                raise _Refused(refusal.reason, refusal.message.rstrip("."))


async def injector_refusal(kube: Kube, namespace: JsonObject, pod: str, container: JsonObject) -> Refusal | None:
    """Why admission would not let this ephemeral container into the pod, by a dry run; None: it would.

    Raises KubeError: the API server did not answer.
    """
    patch = injector.patch_of(container)
    try:
        await kube.patch(PODS, pod, patch, subresource="ephemeralcontainers", strategic=True, dry_run=True)
    except KubeError as error:
        if not error.status:
            raise
        if "PodSecurity" in error.message:
            return Refusal(
                "PodSecurity",
                f"Pod Security of namespace {kube.namespace} (enforce: {enforced_level(namespace)}) would not let the "
                f"injector into pod {pod}: {_short(error.message)}; label the namespace `{ENFORCE_LABEL}: privileged`, "
                "or do without the injector (`connections: New`, `how: PodDelete`). Ephemeral containers of earlier "
                "runs count too, and stay until the pod is replaced.",
            )
        return Refusal("InjectorRefused", f"the injector would not be let into pod {pod}: {error}.")
    return None


def _short(message: str) -> str:
    """Pod Security names every container of the pod."""
    return message if len(message) <= SENTENCE_MAX else f"{message[:SENTENCE_MAX].rstrip()} ..."


def _containers(brokers: BrokerSet, needed: frozenset[Feature], image: str) -> Iterator[JsonObject]:
    """As the faults will want them."""
    for handler in HANDLERS.values():
        yield from handler.containers(brokers, needed, DRY_RUN_NAME, image)


async def _require_effect(
    kube: Kube, namespace: JsonObject, brokers: BrokerSet, pods: Sequence[JsonObject], experiment: Experiment
) -> None:
    """No standing policy allows what a cut would deny. Who will have which role is not known: all pairs are asked."""
    by_policy = [fault for fault in experiment.spec.faults if HANDLERS[fault.kind].by_policy]
    planes = {plane for fault in by_policy for plane in fault.body.planes_named}
    if not planes:
        return
    names = [brokers.pod_name(ordinal) for ordinal in brokers.ordinals]
    ports = {plane: port for plane, port in brokers.ports.items() if plane in planes}
    standing = await kube.list(NETWORK_POLICIES)
    voiders = voiding(standing, pods, labels_of(namespace), combinations(names, 2), ports)
    if not voiders:
        return
    others = [f"`{voider.policy}`" for voider in voiders[1:]]
    too = f" (so does {_listed(others, 4)})" if others else ""
    hint = "; `skerry clean` removes what an earlier experiment left" if any(each.ours for each in voiders) else ""
    raise _Refused("PolicyInTheWay", voiders[0].sentence + too + hint)


def _listed(parts: Sequence[str], at_most: int) -> str:
    shown = ", ".join(parts[:at_most])
    return shown + (f" and {len(parts) - at_most} more" if len(parts) > at_most else "")
