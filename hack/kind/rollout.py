"""What the API server's objects say about a rollout: finished, still going, or never going to. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Reasons for waiting that no time will cure.
NO_IMAGE = ("ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError")


def complete(workload: Mapping[str, Any]) -> bool:
    """Whether every replica of a Deployment or StatefulSet is of its newest template and ready."""
    status, wanted = workload.get("status", {}), workload["spec"].get("replicas", 1)
    observed = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas")]
    return bool(observed and counts == [wanted] * 3)


def _containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _waiting_for(container: Mapping[str, Any]) -> str:
    return str(container.get("state", {}).get("waiting", {}).get("reason", ""))


def not_ready(pods: Sequence[Mapping[str, Any]]) -> list[str]:
    """One "NAME: reason" for every pod that is neither Ready nor successfully finished."""
    found = []
    for pod in pods:
        status = pod.get("status", {})
        conditions = status.get("conditions", [])
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
        if ready or status.get("phase") == "Succeeded":
            continue
        unscheduled = [c["message"] for c in conditions if c.get("reason") == "Unschedulable"]
        waiting = [reason for container in _containers(pod) if (reason := _waiting_for(container))]
        why = ", ".join(dict.fromkeys([*unscheduled, *waiting])) or f"{status.get('phase', 'Unknown')}, not ready"
        found.append(f"{pod['metadata']['name']}: {why}")
    return found


def hopeless(pods: Sequence[Mapping[str, Any]], crashes_endured: int) -> str | None:
    """The name of a pod whose image is not there, or that crashed more often than endured; None when there is none."""
    for pod in pods:
        for container in _containers(pod):
            reason = _waiting_for(container)
            crashed = reason == "CrashLoopBackOff" and container.get("restartCount", 0) > crashes_endured
            if reason in NO_IMAGE or crashed:
                return str(pod["metadata"]["name"])
    return None
