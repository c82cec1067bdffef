"""`skerry doctor`: what would keep experiments from being carried out here, found out before anything is tried.

Each check asks what it needs and tells a `Check`. What cannot be found out, for want of rights or because an earlier
check failed, is told as unknown, and never passed over.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import msgspec

from skerry.experiment.schema import crd
from skerry.schema.base import JsonObject
from skerry.targets import registry
from skerry.worlds.kubernetes import injector
from skerry.worlds.kubernetes.api import (
    DEFINITIONS,
    DEPLOYMENTS,
    EXPERIMENTS,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    STATEFUL_SETS,
    Kube,
    KubeError,
)
from skerry.worlds.kubernetes.capabilities import needs_init
from skerry.worlds.kubernetes.cluster import BrokerSet, ClusterProblem, broker_set, pod_shape
from skerry.worlds.kubernetes.diagnosis import (
    Check,
    State,
    brokers_checks,
    clocks_check,
    definition_check,
    enforcement_checks,
    experiments_check,
    injector_check,
    limits_check,
    namespace_check,
    operator_check,
    policies_check,
    prometheus_check,
    rights_check,
    security_check,
)
from skerry.worlds.kubernetes.enforcement import Enforcement, Impossible, measure
from skerry.worlds.kubernetes.grants import GRANTS, INJECTOR_GRANT, Grant, missing, missing_by_roles
from skerry.worlds.kubernetes.kinds import LIMIT_RANGES
from skerry.worlds.kubernetes.names import GROUP, PLURAL
from skerry.worlds.kubernetes.opt_ins import OptIns
from skerry.worlds.kubernetes.policy import voiding
from skerry.worlds.kubernetes.preflight import DRY_RUN_NAME, injector_refusal
from skerry.worlds.kubernetes.probe_pod import url_error
from skerry.worlds.kubernetes.readiness import injector_allowed, labels_of, not_enabled

OPERATOR_LABELS = "app.kubernetes.io/part-of=skerry,app.kubernetes.io/component=operator"
NO_OPERATOR = "without an operator there is no account to ask about"
TARGET = registry.target(registry.DEFAULT)
"""The system that is asked about."""


class Asked(NamedTuple):
    version: str
    """The version of this skerry."""
    suffix: str
    """Makes the names of the probe's objects unique."""
    stateful_set: str = "broker"
    operator_namespace: str = ""
    """Empty: the brokers' own."""
    probe: bool | None = None
    """Whether to measure what NetworkPolicies do. None: if the namespace allows experiments."""
    prometheus_url: str = ""


class Doctor:
    """One examination; ``checks`` is to be used once."""

    def __init__(self, kube: Kube, asked: Asked, say: Callable[[str], None]) -> None:
        self._kube = kube
        self._asked = asked
        self._say = say
        self._home = kube.within(asked.operator_namespace) if asked.operator_namespace else kube
        self._namespace: JsonObject | None = None
        self._deployment: JsonObject | None = None
        self._brokers: BrokerSet | None = None
        self._pods: list[JsonObject] = []
        self._opt_ins: OptIns | None = None
        self._measured: Enforcement | None = None

    async def checks(self) -> AsyncIterator[Check]:
        """Yield the checks in the order in which one failure explains the next. Without an API server it ends early."""
        try:
            yield Check("API server", State.OK, f"{self._kube.server}, {await self._kube.version()}")
        except KubeError as error:
            yield Check("API server", State.FAIL, str(error), "check the kubeconfig, and its context")
            return
        for name, look in (
            ("CRD", self._definition),
            ("namespace", self._own_namespace),
            ("operator", self._operator),
            ("rights", self._rights),
            ("experiments", self._experiments),
            ("brokers", self._stateful_set),
            ("Pod Security", self._security),
            ("injector", self._injector),
            ("policies", self._standing),
            ("limits", self._limits),
            ("clocks", self._clocks),
            ("network", self._network),
            ("Prometheus", self._prometheus),
        ):
            self._say(f"looking at: {name}")
            try:
                for check in await look():
                    yield check
            except KubeError as error:
                yield Check(name, State.UNKNOWN, str(error))

    async def _definition(self) -> list[Check]:
        try:
            return [definition_check(await self._kube.get(DEFINITIONS, f"{PLURAL}.{GROUP}"), crd())]
        except KubeError as error:
            if not error.forbidden:
                raise
        try:
            await self._kube.list(EXPERIMENTS)
        except KubeError as error:
            if error.not_found:
                return [definition_check(None, crd())]
            raise
        return [Check("CRD", State.OK, "it is served; its schema was not compared: you may not read it")]

    async def _own_namespace(self) -> list[Check]:
        self._namespace = await self._kube.get(NAMESPACES, self._kube.namespace)
        if self._namespace is None:
            return [Check("namespace", State.FAIL, f"there is no {self._kube.namespace}", "name another with -n")]
        return [namespace_check(self._namespace)]

    async def _operator(self) -> list[Check]:
        found = await self._home.list(DEPLOYMENTS, OPERATOR_LABELS)
        self._deployment = found[0] if found else None
        return [operator_check(found, self._home.namespace, self._asked.version)]

    async def _rights(self) -> list[Check]:
        if self._deployment is None:
            return [Check("rights", State.UNKNOWN, NO_OPERATOR)]
        account = _account(self._deployment)
        return [rights_check(await self._lacking(GRANTS, account), account)]

    async def _lacking(self, grants: Sequence[Grant], account: str) -> list[str]:
        try:
            return await missing(self._kube, grants, account)
        except KubeError as error:
            if not error.forbidden:
                raise
        return await missing_by_roles(self._kube, grants, account)

    async def _experiments(self) -> list[Check]:
        try:
            return [experiments_check(await self._kube.list(EXPERIMENTS))]
        except KubeError as error:
            if error.not_found:  # no CRD, which was told already
                return []
            raise

    async def _stateful_set(self) -> list[Check]:
        name = self._asked.stateful_set
        found = await self._kube.get(STATEFUL_SETS, name)
        if found is None:
            others = [f"`{each['metadata']['name']}`" for each in await self._kube.list(STATEFUL_SETS)]
            todo = f"name it with --statefulset; there are {', '.join(others)}" if others else "install the brokers"
            return [Check("brokers", State.FAIL, f"there is no StatefulSet `{name}`", todo)]
        try:
            brokers = broker_set(found, pod_shape(TARGET.name))
        except ClusterProblem as problem:
            return [Check("brokers", State.FAIL, str(problem))]
        self._brokers = brokers
        by_name = {str(pod["metadata"]["name"]): pod for pod in await self._kube.list(PODS, brokers.selector)}
        self._pods = [by_name[pod] for each in brokers.ordinals if (pod := brokers.pod_name(each)) in by_name]
        return brokers_checks(brokers, by_name)

    async def _security(self) -> list[Check]:
        return [] if self._namespace is None else [security_check(self._namespace)]

    async def _injector(self) -> list[Check]:
        if self._deployment is None or self._namespace is None:
            return [Check("injector", State.UNKNOWN, NO_OPERATOR)]
        lacking = await self._lacking([INJECTOR_GRANT], _account(self._deployment))
        allowed = injector_allowed(self._namespace)
        self._opt_ins = OptIns(grant=not lacking, label=allowed, namespace=self._kube.namespace)
        refused = await self._dry_run(self._namespace) if self._opt_ins.injector else None
        return [injector_check(self._opt_ins, refused)]

    async def _dry_run(self, namespace: JsonObject) -> str | None:
        """Try it with the rights of the user who asks. None: it was not tried."""
        if not self._pods or self._brokers is None:
            return None
        if not await self._kube.allowed("patch", PODS, subresource="ephemeralcontainers"):
            return None
        ports = sorted(self._brokers.ports.values())
        container = injector.reset_container(DRY_RUN_NAME, "injector", peers=["192.0.2.1"], ports=ports)
        refusal = await injector_refusal(self._kube, namespace, str(self._pods[0]["metadata"]["name"]), container)
        return refusal.message if refusal is not None else ""

    async def _standing(self) -> list[Check]:
        brokers = self._brokers
        if brokers is None or self._namespace is None or len(self._pods) < brokers.replicas:
            return [Check("policies", State.UNKNOWN, "without all brokers it cannot be said what would void a cut")]
        pods = [brokers.pod_name(ordinal) for ordinal in brokers.ordinals]
        ports = {plane: port for plane, port in brokers.ports.items() if plane in TARGET.peer_planes}
        standing = await self._kube.list(NETWORK_POLICIES)
        voiders = voiding(standing, self._pods, labels_of(self._namespace), combinations(pods, 2), ports)
        return [policies_check([voider.sentence for voider in voiders])]

    async def _limits(self) -> list[Check]:
        return [limits_check(await self._kube.list(LIMIT_RANGES))]

    async def _clocks(self) -> list[Check]:
        if self._brokers is None:
            return [Check("clocks", State.UNKNOWN, "without brokers there is nobody to ask")]
        checks: list[Check] = []
        offsets: dict[str, tuple[int, int]] = {}
        shape = pod_shape(TARGET.name)
        for pod in self._pods:
            name = str(pod["metadata"]["name"])
            before_ns = time.time_ns()
            body = await self._kube.pod_get(name, self._brokers.admin_port, shape.status_path)
            after_ns = time.time_ns()
            try:
                status = shape.read_status(body)
            except msgspec.DecodeError as error:
                checks.append(
                    Check("status", State.FAIL, f"{name} tells a {shape.status_path} that is not understood: {error}")
                )
                continue
            offsets[name] = (status.wall_ns - after_ns, status.wall_ns - before_ns)
            if why := needs_init(status.pid):
                checks.append(Check("init", State.WARN, f"{name}: {why}"))
        return [clocks_check(offsets), *checks]

    async def _network(self) -> list[Check]:
        enabled = self._namespace is not None and not_enabled(self._namespace) is None
        if not (enabled if self._asked.probe is None else self._asked.probe):
            return [Check("network", State.UNKNOWN, "what NetworkPolicies do here was not measured", "add --probe")]
        if self._deployment is None:
            return [Check("network", State.UNKNOWN, "without an operator there is no image to probe with")]
        url = query_url(self._asked.prometheus_url)
        try:
            found = await measure(self._kube, self._deployment, self._asked.suffix, url, self._say)
        except Impossible as error:
            return [Check("network", State.UNKNOWN, f"what NetworkPolicies do here was not measured: {error}")]
        self._measured = found
        injected = self._opt_ins is not None and self._opt_ins.injector
        return enforcement_checks(found, injected)

    async def _prometheus(self) -> list[Check]:
        url = self._asked.prometheus_url
        if not url:
            return []
        if self._measured is not None:
            return [prometheus_check(url, self._measured.url_error)]
        # From here is not from the cluster, where it will be asked.
        why = await url_error(query_url(url))
        if why:
            return [Check("Prometheus", State.UNKNOWN, f"{url} does not answer here: {why}", "ask inside: add --probe")]
        return [Check("Prometheus", State.OK, f"{url} answers, from this machine at least")]


def query_url(prometheus: str) -> str:
    """The URL of the smallest query; empty: there is none."""
    return f"{prometheus.rstrip('/')}/api/v1/query?query=1" if prometheus else ""


def _account(deployment: JsonObject) -> str:
    name = deployment["spec"]["template"]["spec"].get("serviceAccountName") or "default"
    return f"{deployment['metadata']['namespace']}:{name}"
