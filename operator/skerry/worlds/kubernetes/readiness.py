"""What the objects of the namespace say against an experiment, as sentences: pure, for preflight and for doctor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.names import ALLOW_INJECTOR_LABEL, ENABLED_LABEL

NEVER = frozenset({"kube-system", "kube-public", "kube-node-lease"})
ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"
UNLABELLED = "none set, so the cluster's default"


def labels_of(item: JsonObject) -> dict[str, str]:
    return dict(item["metadata"].get("labels") or {})


class Objection(NamedTuple):
    found: str
    todo: str

    def __str__(self) -> str:
        return f"{self.found}: {self.todo}"


def not_enabled(namespace: JsonObject) -> Objection | None:
    """Why nothing may be broken in this namespace; None: it may."""
    name = str(namespace["metadata"]["name"])
    if name in NEVER:
        return Objection(f"namespace {name} belongs to Kubernetes, and Skerry never touches it", "use one of your own")
    if namespace["metadata"].get("deletionTimestamp"):
        return Objection(f"namespace {name} is being deleted", "use another")
    value = labels_of(namespace).get(ENABLED_LABEL)
    if value == "true":
        return None
    has = "has no label" if value is None else f"says `{value}` in its label"
    return Objection(
        f"namespace {name} {has} `{ENABLED_LABEL}`, so nothing in it may be broken",
        f"kubectl label namespace {name} {ENABLED_LABEL}=true --overwrite",
    )


def injector_allowed(namespace: JsonObject) -> bool:
    """Whether the namespace allows ephemeral containers; the other half is a grant."""
    return labels_of(namespace).get(ALLOW_INJECTOR_LABEL) == "true"


def enforced_level(namespace: JsonObject) -> str:
    """The enforced level of Pod Security, as the namespace's label says it."""
    return labels_of(namespace).get(ENFORCE_LABEL, UNLABELLED)


def brokers_not_ready(brokers: BrokerSet, pods: Mapping[str, JsonObject]) -> list[str]:
    """Which brokers are not ready, and why; empty: all are. ``pods`` by name."""
    names = [brokers.pod_name(ordinal) for ordinal in brokers.ordinals]
    return [f"{name} {why}" for name in names if (why := not_ready(pods.get(name)))]


def not_ready(pod: JsonObject | None) -> str:
    """What keeps the pod from being ready, as the end of a sentence that its name begins; empty: it is ready."""
    if pod is None:
        return "does not exist"
    if pod["metadata"].get("deletionTimestamp"):
        return "is being deleted"
    status = pod.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or []}
    if conditions.get("Ready", {}).get("status") == "True":
        return ""
    if conditions.get("PodScheduled", {}).get("status") == "False":
        return f"cannot be scheduled ({conditions['PodScheduled'].get('message') or 'no reason was given'})"
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if why := _container_trouble(container):
            return why
    if status.get("phase") in ("Failed", "Succeeded"):
        return f"has ended ({status.get('message') or status.get('reason') or status['phase']})"
    return f"is not ready ({conditions.get('Ready', {}).get('message') or status.get('phase') or 'no status yet'})"


def _container_trouble(container: JsonObject) -> str:
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    reason = str(waiting.get("reason") or "")
    if "Image" in reason:
        return f"cannot have the image `{container.get('image')}` of container {container['name']} ({reason})"
    ended = (container.get("lastState") or {}).get("terminated") or {}
    if reason and reason not in ("PodInitializing", "ContainerCreating"):
        last = f", which ended with exit code {ended['exitCode']} ({ended.get('reason', 'Error')})" if ended else ""
        return f"cannot start container {container['name']}{last} ({reason})"
    return ""
