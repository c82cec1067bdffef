"""Preflight against a server in this process: a namespace where everything is in order, then one thing wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from fake_api import FakeApi
from ready_namespace import (
    CRASH,
    DELETION,
    ENABLED,
    ISOLATION,
    SETTINGS,
    STATEFUL_SET,
    document,
    namespace,
    pod,
    refused,
)

from skerry.experiment import load_document
from skerry.faults.kill.fault import DOWN_FOR
from skerry.faults.network_partition.fault import ESTABLISHED
from skerry.targets.skerry.planes import Plane
from skerry.worlds.kubernetes.api import KubeError
from skerry.worlds.kubernetes.names import Artefact, labels
from skerry.worlds.kubernetes.preflight import Accepted, Refusal, namespace_refusal, preflight


def policy(name: str, labelled: dict | None = None) -> dict:
    """Selects every pod, allows everything in: what many namespaces have."""
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}
    metadata = {"name": name, "labels": labelled or {}}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


ISOLATION_NEW = document("01-leader-isolation", ("connections: All", "connections: New"))


@pytest.mark.parametrize("experiment", [ISOLATION, CRASH, DELETION], ids=lambda experiment: experiment.name)
async def test_the_scenarios_are_accepted_and_nothing_is_touched(experiment, cluster, kube):
    accepted = await preflight(kube, experiment, SETTINGS)
    assert isinstance(accepted, Accepted), accepted
    assert (accepted.brokers.name, accepted.brokers.replicas) == ("broker", 3)
    assert accepted.brokers.ports[Plane.RAFT] == 9093
    assert {ordinal: pod["metadata"]["name"] for ordinal, pod in accepted.pods.items()} == {
        0: "broker-0",
        1: "broker-1",
        2: "broker-2",
    }
    assert accepted.capabilities.features >= {ESTABLISHED, DOWN_FOR}
    assert cluster.writes == []


Break = Callable[[FakeApi], object]


def relabel(**changed: str) -> Break:
    return lambda api: api.put(namespace(**changed))


def change_set(change: Callable[[dict], object]) -> Break:
    def apply(api: FakeApi) -> None:
        manifest = copy.deepcopy(STATEFUL_SET)
        change(manifest["spec"])
        api.put(manifest)

    return apply


def change_pod(ordinal: int, **status: object) -> Break:
    def apply(api: FakeApi) -> None:
        manifest = pod(ordinal)
        manifest["status"] = status
        api.put(manifest)

    return apply


def waiting(reason: str, **more: object) -> list[dict]:
    return [{"name": "broker", "image": "skerry/broker:dev", "state": {"waiting": {"reason": reason}}, **more}]


@pytest.mark.parametrize(
    ("wrong", "reason", "sentence"),
    [
        (
            lambda api: api.put({**namespace(), "metadata": {"name": "skerry"}}),
            "NamespaceNotEnabled",
            "namespace skerry has no label `skerry.dev/enabled`, so nothing in it may be broken: kubectl label "
            "namespace skerry skerry.dev/enabled=true --overwrite",
        ),
        (relabel(**{"skerry.dev/enabled": "yes"}), "NamespaceNotEnabled", "says `yes` in its label"),
        (lambda api: api.remove("namespaces", "skerry"), "NamespaceNotEnabled", "there is no namespace skerry"),
        (
            lambda api: api.denied.add(("get", "namespaces")),
            "MissingPermission",
            "grant `get` on namespaces",
        ),
        (
            lambda api: api.denied.update({("create", "networkpolicies"), ("patch", "chaosexperiments/status")}),
            "MissingPermission",
            "the operator may not patch chaosexperiments/status (skerry.dev), create networkpolicies "
            "(networking.k8s.io) in namespace skerry; grant it in its Role there (the chart's value "
            "`rbac.create=true` does)",
        ),
        (
            lambda api: api.remove("statefulsets", "broker"),
            "StatefulSetNotFound",
            "there is no StatefulSet `broker` in namespace skerry: correct `spec.cluster.statefulSet`",
        ),
        (
            change_set(lambda spec: spec.update(replicas=5)),
            "WrongReplicas",
            "StatefulSet `broker` has 5 replicas, and `spec.cluster.brokers` says 3: scale it, or change the document",
        ),
        (
            change_set(lambda spec: spec["template"]["spec"]["containers"][0]["ports"].pop(1)),
            "StatefulSetUnsuitable",
            "has no TCP port named `raft`",
        ),
        (
            lambda api: api.remove("pods", "broker-1"),
            "BrokersNotReady",
            "broker-1 does not exist: wait until all 3 brokers are ready, see `kubectl get pods -n skerry`",
        ),
        (
            change_pod(2, phase="Pending", containerStatuses=waiting("ImagePullBackOff")),
            "BrokersNotReady",
            "broker-2 cannot have the image `skerry/broker:dev` of container broker (ImagePullBackOff)",
        ),
        (
            change_pod(
                2,
                phase="Running",
                containerStatuses=waiting(
                    "CrashLoopBackOff", lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
                ),
            ),
            "BrokersNotReady",
            "broker-2 cannot start container broker, which ended with exit code 137 (OOMKilled) (CrashLoopBackOff)",
        ),
        (
            change_pod(
                0, phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]
            ),
            "BrokersNotReady",
            "broker-0 cannot be scheduled (0/1 nodes)",
        ),
        (
            change_pod(0, phase="Failed", reason="Evicted", message="The node was low on memory"),
            "BrokersNotReady",
            "broker-0 has ended (The node was low on memory)",
        ),
        (
            change_pod(
                0,
                phase="Running",
                conditions=[{"type": "Ready", "status": "False", "message": "unready: [broker]"}],
            ),
            "BrokersNotReady",
            "broker-0 is not ready (unready: [broker])",
        ),
        (
            relabel(),
            "UnsupportedFault",
            "set `connections: New`, or switch on the label `skerry.dev/allow-injector: \"true\"` of namespace skerry.",
        ),
        (
            lambda api: api.denied.add(("patch", "pods/ephemeralcontainers")),
            "UnsupportedFault",
            "set `connections: New`, or switch on the chart's value `injector.enabled=true`.",
        ),
        (
            lambda api: api.put(policy("allow-all")),
            "PolicyInTheWay",
            "NetworkPolicy `allow-all` allows broker-0 -> broker-1 on port 9093 (Raft): policies add up, so the cut "
            "would have no effect; remove it, or exclude the brokers from its podSelector.",
        ),
        (
            lambda api: [api.put(policy(name)) for name in ("one", "two", "three")],
            "PolicyInTheWay",
            "(so does `three`, `two`)",
        ),
        (
            lambda api: api.put(policy("cut", labels("earlier", Artefact.POLICY))),
            "PolicyInTheWay",
            "`skerry clean` removes what an earlier experiment left",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalnum() else "",
)  # fmt: skip
async def test_one_thing_wrong_is_one_sentence_and_nothing_is_touched(wrong, reason, sentence, cluster, kube):
    wrong(cluster)
    refusal = await refused(kube, ISOLATION)
    assert refusal.reason == reason
    assert sentence in refusal.message
    assert cluster.writes == []


@pytest.mark.parametrize(
    ("experiment", "wrong", "sentence"),
    [
        (CRASH, relabel(), "use `how: PodDelete`, or switch on the label"),
        (DELETION, change_set(lambda spec: spec["template"]["spec"].pop("initContainers")), "no init container `hold`"),
        (document("12-paused-leader"), relabel(), "cannot do `pause`: it comes with a later version; use `--world loc"),
        (
            document("01-leader-isolation", ("      connections: All\n", "      action: Reject\n")),
            relabel(**{"skerry.dev/allow-injector": "true"}),
            "up to the network plugin; use `action: Drop`.",
        ),
    ],
    ids=["crash", "down for", "pause", "reject"],
)
async def test_what_this_namespace_cannot_do(experiment, wrong, sentence, cluster, kube):
    wrong(cluster)
    refusal = await refused(kube, experiment)
    assert refusal.reason == "UnsupportedFault"
    assert sentence in refusal.message


@pytest.mark.parametrize("experiment", [ISOLATION_NEW, DELETION], ids=lambda experiment: experiment.name)
async def test_without_the_switches_what_needs_no_injector_is_accepted(experiment, cluster, kube):
    cluster.put(namespace())
    cluster.denied.add(("patch", "pods/ephemeralcontainers"))
    assert isinstance(await preflight(kube, experiment, SETTINGS), Accepted)


async def test_a_system_that_others_wrote_is_refused_before_anything_is_asked(kube):
    text = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: crash}
spec:
  hypothesis: It goes on.
  target: etcd
  faults: [{name: crash, kill: {target: {role: Leader}, how: PodDelete}}]
"""
    refusal = await refused(kube, load_document(text))
    assert (refusal.reason, refusal.message) == (
        "UnsupportedTarget",
        "The kubernetes world cannot have `etcd` under test, only skerry.",
    )


async def test_a_stateful_set_must_be_named(cluster, kube):
    refusal = await refused(kube, document("01-leader-isolation", ("statefulSet: broker, ", "")))
    assert refusal.reason == "StatefulSetNotFound"
    assert refusal.message.startswith("`spec.cluster.statefulSet` is missing")


async def test_namespaces_of_kubernetes_are_never_touched(api, kube):
    kube.namespace = "kube-system"
    api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "labels": ENABLED}})
    assert "belongs to Kubernetes" in (await refused(kube, DELETION)).message


async def test_the_operator_must_know_the_injectors_image(cluster, kube):
    refusal = await preflight(kube, CRASH, SimpleNamespace(injector_image=""))
    assert isinstance(refusal, Refusal)
    assert "SKERRY_INJECTOR_IMAGE" in refusal.message


async def test_a_policy_that_selects_no_broker_is_not_in_the_way(cluster, kube):
    other = policy("web")
    other["spec"]["podSelector"] = {"matchLabels": {"app": "web"}}
    cluster.put(other)
    assert isinstance(await preflight(kube, ISOLATION, SETTINGS), Accepted)


async def test_a_kill_does_not_ask_about_policies(cluster, kube):
    cluster.put(policy("allow-all"))
    assert isinstance(await preflight(kube, CRASH, SETTINGS), Accepted)


async def test_a_server_that_fails_is_no_judgement(cluster, kube):
    cluster.refuse("list", "pods", 503, "ServiceUnavailable", "etcd is slow")
    with pytest.raises(KubeError, match="etcd is slow"):
        await preflight(kube, DELETION, SETTINGS)


async def test_the_label_is_asked_for_again_at_each_step(cluster, kube):
    assert await namespace_refusal(kube) is None
    cluster.put(namespace(**{"skerry.dev/enabled": "false"}))
    refusal = await namespace_refusal(kube)
    assert refusal is not None
    assert refusal.reason == "NamespaceNotEnabled"
