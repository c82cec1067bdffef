"""A namespace in which everything is ready for an experiment, and the documents that are tried in it."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest

from skerry.experiment import Experiment, load_document
from skerry.worlds.kubernetes.preflight import Refusal, preflight

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
SETTINGS = SimpleNamespace(
    runner_image="skerry/operator:dev", injector_image="skerry/injector:dev", image_pull_policy="IfNotPresent"
)
PORTS = [("client", 9092), ("raft", 9093), ("replication", 9094), ("admin", 9095)]
CONTAINER = {
    "name": "broker",
    "image": "skerry/broker:dev",
    "ports": [{"name": name, "containerPort": port} for name, port in PORTS],
    "securityContext": {"runAsUser": 10001},
}
HOLD = {"name": "hold", "volumeMounts": [{"name": "hold", "mountPath": "/etc/skerry/hold"}]}
HOLD_VOLUME = {"name": "hold", "configMap": {"name": "broker-hold", "optional": True}}
STATEFUL_SET = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "broker"},
    "spec": {
        "serviceName": "broker",
        "replicas": 3,
        "selector": {"matchLabels": {"app": "broker"}},
        "template": {
            "metadata": {"labels": {"app": "broker"}},
            "spec": {"initContainers": [HOLD], "containers": [CONTAINER], "volumes": [HOLD_VOLUME]},
        },
    },
}
ENABLED = {"skerry.dev/enabled": "true", "pod-security.kubernetes.io/enforce": "baseline"}


def namespace(**changed: str) -> dict:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "skerry", "labels": ENABLED | changed}}


def pod(ordinal: int) -> dict:
    name = f"broker-{ordinal}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "broker", "statefulset.kubernetes.io/pod-name": name}},
        "spec": {"containers": [copy.deepcopy(CONTAINER)]},
        "status": {
            "phase": "Running",
            "podIP": f"10.244.0.{10 + ordinal}",
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def document(name: str, *replaced: tuple[str, str]) -> Experiment:
    text = (EXPERIMENTS / f"{name}.yaml").read_text()
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    return load_document(text)


ISOLATION = document("01-leader-isolation")
CRASH = document("04a-leader-crash")
DELETION = document("04b-leader-pod-deletion")


@pytest.fixture
def cluster(api):
    """Three brokers in an enabled namespace, both switches for the injector on."""
    api.put(namespace(**{"skerry.dev/allow-injector": "true"}))
    api.put(copy.deepcopy(STATEFUL_SET))
    for ordinal in range(3):
        api.put(pod(ordinal))
    return api


async def refused(kube, experiment: Experiment) -> Refusal:
    answer = await preflight(kube, experiment, SETTINGS)
    assert isinstance(answer, Refusal), answer
    assert answer.message.endswith(".")
    assert not answer.message.endswith("..")
    return answer
