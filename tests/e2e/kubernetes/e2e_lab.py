"""A namespace with a release of the chart: brokers, an operator, and what experiments make of them."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml
from e2e_cluster import Cluster, JsonObject, until
from e2e_documents import ROOT, deletion, experiment

RELEASE = "skerry"
OPERATOR = "skerry-operator"
BROKERS = "broker"
OURS = "app.kubernetes.io/managed-by=skerry"
MADE = ("networkpolicies", "jobs", "pods", "configmaps", "leases")
"""The kinds that an experiment's objects can have; what it stands on (statefulsets, deployments) it never makes."""
ENABLED, INJECTOR = "skerry.dev/enabled", "skerry.dev/allow-injector"
READY_S = 120
COLLECTED_S = 3
ENDED_S = 120
LOG_LINES = 60
VALUES = {
    "injector.enabled": "true",
    "brokers.persistence.whenDeleted": "Delete",
    "brokers.resources.requests.cpu": "10m",
    "operator.resources.requests.cpu": "10m",
}
"""The values of a second release; it has to fit beside the first one."""


class Ended(NamedTuple):
    verdict: str
    reason: str
    """The reason in the condition ``Succeeded``."""
    message: str
    status: JsonObject

    def condition(self, kind: str) -> JsonObject:
        return next(each for each in self.status["conditions"] if each["type"] == kind)


class Run:
    """One experiment on the cluster."""

    def __init__(self, lab: Lab, document: JsonObject) -> None:
        self.lab = lab
        self.name = str(document["metadata"]["name"])

    @property
    def resource(self) -> JsonObject:
        found = self.lab.cluster.get("chaosexperiments", self.lab.namespace, self.name)
        assert found is not None, f"experiment {self.name} is gone"
        return found

    @property
    def status(self) -> JsonObject:
        status: JsonObject = self.resource.get("status") or {}
        return status

    @property
    def phase(self) -> str:
        return str(self.status.get("phase", ""))

    def until_phase(self, *phases: str, within_s: float = 90) -> JsonObject:
        """The status then. It fails at once when the experiment ends before."""

        def answer() -> JsonObject | None:
            status = self.status
            if status.get("phase") in phases:
                return status
            assert status.get("phase") != "Complete", f"{self.name} ended before: {status.get('message')}"
            return None

        found: JsonObject = until(f"{self.name} is in phase {' or '.join(phases)}", within_s, answer, every_s=0.05)
        return found

    def ended(self, within_s: float = ENDED_S) -> Ended:
        status = until(
            f"{self.name} is Complete", within_s, lambda: (found := self.status).get("phase") == "Complete" and found
        )
        succeeded = next(each for each in status["conditions"] if each["type"] == "Succeeded")
        return Ended(status["verdict"], succeeded["reason"], status["message"], status)

    def artefacts(self) -> list[str]:
        """What the operator made for it and is still there, but for the report: `kind/name`."""
        return self.lab.artefacts(self.name)

    def abort(self, reason: str) -> None:
        self.lab.must("annotate", "skx", self.name, f"skerry.dev/abort={reason}")

    def delete(self) -> None:
        """Returns at once: nothing may make it wait."""
        self.lab.must("delete", "skx", self.name, "--ignore-not-found", "--timeout=10s", timeout_s=20)


class Lab:
    """Invariant: what a context manager of it changes is as before afterwards."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._applied: list[Run] = []
        self._log_before = ""
        """The logs of operators that are gone."""

    # --- commands and looks -------------------------------------------------------------------------------

    def must(self, *arguments: str, stdin: str = "", timeout_s: float = 120) -> str:
        return self.cluster.must("--namespace", self.namespace, *arguments, stdin=stdin, timeout_s=timeout_s)

    def items(self, kind: str, labels: str = "") -> list[JsonObject]:
        return self.cluster.items(kind, self.namespace, labels)

    def apply(self, document: JsonObject) -> Run:
        run = Run(self, document)
        self._applied.append(run)
        self.must("apply", "--filename=-", stdin=json.dumps(document))
        return run

    def artefacts(self, experiment: str = "") -> list[str]:
        labels = OURS + (f",skerry.dev/experiment={experiment}" if experiment else "")
        return [
            f"{kind}/{each['metadata']['name']}"
            for kind in MADE
            for each in self.items(kind, labels)
            if each["metadata"]["labels"].get("skerry.dev/artefact") != "report"
        ]

    def policies(self) -> list[str]:
        """The names of all policies, of anybody."""
        return [each["metadata"]["name"] for each in self.items("networkpolicies")]

    @contextlib.contextmanager
    def nothing_is_made(self) -> Iterator[None]:
        """Fails if anything was created in here meanwhile, however briefly; or if a broker's pod was changed."""
        versions = {kind: self.cluster.version(kind, self.namespace) for kind in MADE}
        pods = {each["metadata"]["uid"]: _kept(each) for each in self.items("pods")}
        yield
        made = [
            f"{kind}/{seen.name}"
            for kind, version in versions.items()
            for seen in self.cluster.since(kind, self.namespace, version)
            if seen.type == "ADDED"
        ]
        assert made == [], "nothing was to be touched, and these were made"
        assert {each["metadata"]["uid"]: _kept(each) for each in self.items("pods")} == pods

    def diagnosis(self) -> list[tuple[str, str]]:
        """(title, text): what a failed test shows."""
        sections = [("what the operator made, and is there", "\n".join(self.artefacts()) or "nothing")]
        for each in self.items("chaosexperiments"):
            sections.append((f"status of {each['metadata']['name']}", _shown(each.get("status") or {})))
        events = sorted(self.items("events"), key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime")))
        lines = [
            f"{each.get('lastTimestamp') or each.get('eventTime')} {each['involvedObject'].get('name')} "
            f"{each.get('reason')}: {each.get('message')}"
            for each in events[-40:]
        ]
        sections.append(("events", "\n".join(lines)))
        pods = self.cluster.kubectl("--namespace", self.namespace, "get", "pods", "--output=wide").output
        sections.append(("pods", pods))
        sections.append(("log of the operator", self._log_before + self._log()))
        return sections

    def _log(self) -> str:
        selector = f"--selector=app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=operator"
        arguments = ("logs", selector, f"--tail={LOG_LINES}", "--prefix=false")
        return self.cluster.kubectl("--namespace", self.namespace, *arguments).output

    # --- before and after a test --------------------------------------------------------------------------

    def ready(self) -> None:
        """Wait until operator and brokers are, and until nobody uses them."""
        for kind, name in (("deployments", OPERATOR), ("statefulsets", BROKERS)):
            until(f"{kind}/{name} is ready in {self.namespace}", READY_S, lambda k=kind, n=name: self._is_ready(k, n))
        until(f"no experiment runs in {self.namespace}", READY_S, lambda: not self._running(), every_s=0.5)

    def _is_ready(self, kind: str, name: str) -> bool:
        found = self.cluster.get(kind, self.namespace, name)
        assert found is not None, f"there is no {kind}/{name} in {self.namespace}: run `make kind-up`"
        status, wanted = found.get("status") or {}, found["spec"].get("replicas", 1)
        current = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
        return (
            current and [status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas")] == [wanted] * 3
        )

    def _running(self) -> list[str]:
        return [
            each["metadata"]["name"]
            for each in self.items("chaosexperiments")
            if (each.get("status") or {}).get("phase") != "Complete"
        ]

    def tidy(self) -> None:
        """Remove what the test applied, and wait until nothing of it is left."""
        applied, self._applied = self._applied, []
        for run in applied:
            run.delete()
        until(
            "what the test made is gone",
            60,
            lambda: not [each for run in applied for each in run.artefacts()],
            every_s=0.5,
        )
        self._log_before = ""

    # --- the operator -------------------------------------------------------------------------------------

    def scale_operator(self, replicas: int) -> None:
        self.must("scale", f"deployment/{OPERATOR}", f"--replicas={replicas}")
        if replicas:
            until("the operator is ready", READY_S, lambda: self._is_ready("deployments", OPERATOR))
        else:
            self._log_before = self._log()
            until("the operator is gone", 40, lambda: not self.items("pods", "app.kubernetes.io/component=operator"))

    @contextlib.contextmanager
    def operator_dead(self) -> Iterator[None]:
        """It dies without healing anything, and does not come back in here.

        A pod that is deleted is asked first, and ours heals when it is asked. So it loses its rights first: to the
        cluster that is the same as a node that loses its power.
        """
        with self.without_rights():
            self.must("scale", f"deployment/{OPERATOR}", "--replicas=0")
            self._log_before = self._log()
            until("the operator is gone", 40, lambda: not self.items("pods", "app.kubernetes.io/component=operator"))
        try:
            yield
        finally:
            if self._may_have_an_operator():
                self.scale_operator(1)

    def _may_have_an_operator(self) -> bool:
        """Neither the release nor its namespace was removed."""
        namespace = self.cluster.look(f"api/v1/namespaces/{self.namespace}")
        stays = namespace is not None and not namespace["metadata"].get("deletionTimestamp")
        return stays and self.cluster.get("deployments", self.namespace, OPERATOR) is not None

    @contextlib.contextmanager
    def without_rights(self) -> Iterator[None]:
        """All RoleBindings of the operator are away."""
        found = json.loads(self.must("get", "rolebindings", f"-lapp.kubernetes.io/instance={RELEASE}", "--output=json"))
        names = [each["metadata"]["name"] for each in found["items"]]
        assert OPERATOR in names
        self.must("delete", "rolebindings", *names)
        try:
            until("the operator has no rights", 10, lambda: not self.operator_may("list", "networkpolicies"))
            yield
        finally:
            self.restore(found)

    def restore(self, found: JsonObject) -> None:
        """Objects, as they were read."""
        for each in found.get("items", [found]):
            for key in ("resourceVersion", "uid", "creationTimestamp", "managedFields", "generation"):
                each["metadata"].pop(key, None)
        self.must("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=json.dumps(found))

    @property
    def account(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{OPERATOR}"

    def operator_may(self, verb: str, resource: str) -> bool:
        arguments = ("auth", "can-i", verb, resource, f"--as={self.account}", "--quiet")
        return self.cluster.kubectl("--namespace", self.namespace, *arguments).code == 0

    @contextlib.contextmanager
    def operator_with(self, **variables: str) -> Iterator[None]:
        """Another environment for it."""
        before = {each["name"]: each for each in self._environment()}
        self._set_environment(variables)
        try:
            yield
        finally:
            self._set_environment({name: before[name].get("value", "") for name in variables})

    def _environment(self) -> list[JsonObject]:
        found = self.cluster.get("deployments", self.namespace, OPERATOR)
        assert found is not None
        return list(found["spec"]["template"]["spec"]["containers"][0]["env"])

    def _set_environment(self, variables: dict[str, str]) -> None:
        self.must("set", "env", f"deployment/{OPERATOR}", *(f"{name}={value}" for name, value in variables.items()))
        until("the operator is ready again", READY_S, lambda: self._is_ready("deployments", OPERATOR))

    # --- the namespace ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def unlabelled(self, label: str) -> Iterator[None]:
        """The namespace does not allow that any more."""
        found = self.cluster.look(f"api/v1/namespaces/{self.namespace}")
        assert found is not None
        value = (found["metadata"].get("labels") or {}).get(label)
        assert value == "true", f"namespace {self.namespace} has no label {label} to take away"
        self.cluster.must("label", "namespace", self.namespace, f"{label}-")
        try:
            yield
        finally:
            self.cluster.must("label", "namespace", self.namespace, f"{label}={value}", "--overwrite")


def until_collected(cluster: Cluster) -> None:
    """Until the garbage collector watches experiments.

    It looks for new kinds every half a minute; what a CRD younger than that owns, it collects late. In a namespace
    without an operator, experiments come and go until what one owned goes with it.
    """

    def collected() -> bool:
        owner = experiment("collected", deletion())
        name = owner["metadata"]["name"]
        cluster.must("--namespace=default", "create", "--filename=-", stdin=json.dumps(owner))
        found = cluster.get("chaosexperiments", "default", name)
        assert found is not None
        reference = {key: found[key] for key in ("apiVersion", "kind")}
        reference |= {key: found["metadata"][key] for key in ("name", "uid")}
        owned = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "ownerReferences": [reference]},
        }
        cluster.must("--namespace=default", "create", "--filename=-", stdin=json.dumps(owned))
        cluster.must("--namespace=default", "delete", "skx", name)
        deadline_s = time.monotonic() + COLLECTED_S
        while cluster.get("configmaps", "default", name) is not None:
            if time.monotonic() > deadline_s:
                cluster.must("--namespace=default", "delete", "configmap", name, "--ignore-not-found")
                return False
            time.sleep(0.2)
        return True

    until("the garbage collector watches experiments", 120, collected, every_s=5)


def install(lab: Lab, like: Lab) -> None:
    """A release in a new namespace, with the images of the one that is there, and ready."""
    cluster = lab.cluster
    settings = cluster.helm("get", "values", RELEASE, "--namespace", like.namespace, "--output", "yaml")
    found: Any = yaml.safe_load(settings) or {}
    cluster.must("create", "namespace", lab.namespace)
    cluster.must("label", "namespace", lab.namespace, f"{ENABLED}=true", f"{INJECTOR}=true")
    images = {
        f"{part}.image.tag": found[part]["image"]["tag"]
        for part in ("brokers", "operator", "injector")
        if "tag" in found.get(part, {}).get("image", {})
    }
    options = [word for key, value in VALUES.items() for word in ("--set", f"{key}={value}")]
    options += [word for key, tag in images.items() for word in ("--set-string", f"{key}={tag}")]
    chart = str(ROOT / "helm" / "skerry")
    cluster.helm("install", RELEASE, chart, "--namespace", lab.namespace, "--skip-crds", *options)
    lab.ready()


def remove(lab: Lab) -> None:
    """The throw-away namespace, with all that is in it."""
    lab.must("delete", "namespace", lab.namespace, "--ignore-not-found", "--timeout=110s")


def _kept(pod: JsonObject) -> tuple[str, ...]:
    """What a fault would change of a pod."""
    containers = pod["spec"].get("ephemeralContainers") or []
    return (pod["metadata"]["name"], *(each["name"] for each in containers))


def _shown(status: JsonObject) -> str:
    """Without what is long and never the cause."""
    shown = {key: value for key, value in status.items() if key not in ("journal", "measurements", "historyDigest")}
    return str(yaml.dump(shown, sort_keys=False, width=200))
