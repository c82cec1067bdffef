"""The injector: an ephemeral container in a broker's pod that does one thing and ends (``injector/``).

Ephemeral containers can be added to a pod, never changed and never removed: every attempt has its own name, for as
long as the pod lives.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from skerry.faults.port import OccurrenceId
from skerry.schema.base import JsonObject
from skerry.targets.pod_shape import RestartHold
from skerry.worlds.kubernetes.names import NAME_MAX
from skerry.worlds.kubernetes.wall import wall_ns

MESSAGE_SHOWN_MAX = 200
NEVER_STARTS = {
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
}
"""Why a container waits that will not start in time for a fault. The kubelet tries again; we do not wait for it."""
IMAGE_REASONS = {each for each in NEVER_STARTS if "Image" in each or "Registry" in each}


def injector_name(occurrence: OccurrenceId, suffix: str) -> str:
    """``injector-<fault>-<number>-<suffix>``, a DNS label.

    ``suffix``: of one attempt of one experiment object, such as a digest of its uid and the action's id. The fault
        alone is not enough: a pod that outlives an experiment keeps its injectors, and meets the same fault when the
        experiment is run again; and a role that moved is resolved, and injected, again.
    Raises ValueError: the name is longer than 63 characters.
    """
    name = f"injector-{occurrence.fault}-{occurrence.number}-{suffix}"
    if len(name) > NAME_MAX:
        raise ValueError(f"the suffix `{suffix}` leaves no room for the fault's own name: `{name}` is too long")
    return name


def reset_container(
    name: str,
    image: str,
    peers: Sequence[str],
    ports: Sequence[int],
    *,
    for_ms: int = 5000,
    quiet_ms: int = 300,
    at_least_ms: int = 500,
    pull_policy: str = "IfNotPresent",
) -> JsonObject:
    """Resets the pod's TCP connections with ``peers`` (IP addresses) on ``ports``, until none was seen for
    ``quiet_ms``, after ``at_least_ms`` at the earliest and ``for_ms`` at the latest.

    It needs NET_ADMIN in the pod's network namespace, for which it is root there, and has no other capability.

    ``at_least_ms``: longer than a policy that is created at the same time needs to be in force (0.25 s on Calico).
    Raises ValueError: no peer or no port: it would have nothing to reset.
    """
    if not peers or not ports:
        raise ValueError("connections are reset with some peers, on some ports")
    arguments = ["reset", "--peer", ",".join(peers), "--port", ",".join(str(port) for port in ports)]
    arguments += ["--for-ms", str(for_ms), "--quiet-ms", str(quiet_ms), "--at-least-ms", str(at_least_ms)]
    rights = {"runAsUser": 0, "runAsNonRoot": False, "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}
    return _container(name, image, pull_policy, arguments, rights)


def kill_container(
    name: str,
    image: str,
    target_container: str,
    run_as_user: int | None,
    *,
    signal: str = "KILL",
    not_after_s: int | None = None,
    hold: tuple[RestartHold, float] | None = None,
    pull_policy: str = "IfNotPresent",
) -> JsonObject:
    """Signals the broker's process from within its container's PID namespace. The same uid is all it needs.

    ``not_after_s``: of the wall clock; one that starts later does nothing. An image may take minutes to come, and
        nobody can take an ephemeral container back.
    ``hold``: how a container that the kubelet restarts in place is kept from starting (`BrokerSet.restart_hold`), and
        until which second of the wall clock. None: it is not kept down.
    ``run_as_user``: None: whatever the injector's image says; if that is not the broker's, it fails, and says so.
    """
    rights: JsonObject = {"runAsNonRoot": run_as_user != 0, "capabilities": {"drop": ["ALL"]}}
    if run_as_user is not None:
        rights["runAsUser"] = run_as_user
    arguments = ["kill", "--signal", signal, *([] if not_after_s is None else ["--not-after", str(not_after_s)])]
    mounts = []
    if hold is not None:
        names, until_s = hold
        arguments += ["--hold-file", names.file, "--hold-until", f"{until_s:.3f}"]
        mounts = [{"name": names.volume, "mountPath": names.path}]
    container = _container(name, image, pull_policy, arguments, rights)
    return {**container, "targetContainerName": target_container, "volumeMounts": mounts}


def _container(name: str, image: str, pull_policy: str, arguments: list[str], rights: JsonObject) -> JsonObject:
    """The program is the image's entrypoint. An ephemeral container may have no resources, ports or probes. What it
    says of wrong arguments goes to its log only, so that the log stands in for the message then."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": pull_policy,
        "args": arguments,
        "securityContext": {
            **rights,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def patch_of(container: JsonObject) -> JsonObject:
    """The strategic merge patch of pods/ephemeralcontainers that adds it beside those that are there."""
    return {"spec": {"ephemeralContainers": [container]}}


class InjectorEnd(msgspec.Struct, frozen=True):
    """What became of one injector."""

    exit_code: int | None = None
    """None: it never ran."""
    message: JsonObject = {}
    """What it says that it did; empty: nothing that could be read."""
    error: str = ""
    """One sentence; empty: it did its work. (One that dies with its target has the exit code 137, and did.)"""
    started_wall_ns: int = 0
    """Whole seconds, by the node's clock; 0: unknown."""
    finished_wall_ns: int = 0


def ended(pod: JsonObject, name: str) -> InjectorEnd | None:
    """How the injector of this name ended; None: it is under way, or not seen by the kubelet yet."""
    status = pod.get("status") or {}
    statuses: list[JsonObject] = status.get("ephemeralContainerStatuses") or []
    found = next((each for each in statuses if each["name"] == name), JsonObject())
    state: JsonObject = found.get("state") or {}
    if terminated := state.get("terminated"):
        return _end_of(name, terminated)
    if "running" in state:
        return None
    where = f"injector `{name}` in pod {pod['metadata']['name']}"
    waiting = state.get("waiting") or {}
    if waiting.get("reason") in NEVER_STARTS:
        return InjectorEnd(error=_never_starts(where, _image(pod, found, name), waiting))
    if pod["metadata"].get("deletionTimestamp"):
        return InjectorEnd(error=f"{where} did not start: the pod is being deleted")
    if status.get("phase") in ("Failed", "Succeeded"):
        return InjectorEnd(
            error=f"{where} did not start: the pod has ended ({status.get('reason') or status['phase']})"
        )
    return None


def overdue(pod: JsonObject, name: str, timeout_s: float) -> str:
    """One sentence about an injector that has not ended in time. A missing image looks like this, too: the kubelet may
    take a minute to say that it cannot be had."""
    statuses: list[JsonObject] = (pod.get("status") or {}).get("ephemeralContainerStatuses") or []
    found = next((each for each in statuses if each["name"] == name), JsonObject())
    where = f"injector `{name}` in pod {pod['metadata']['name']}"
    if "running" in (found.get("state") or {}):
        return f"{where} was still running after {timeout_s:g} s"
    image = _image(pod, found, name)
    return (
        f"{where} did not start within {timeout_s:g} s: see whether its image `{image}` is on that node, or can be had"
    )


def _end_of(name: str, terminated: JsonObject) -> InjectorEnd:
    exit_code, text = int(terminated.get("exitCode", -1)), str(terminated.get("message") or "").strip()
    message = _parsed(text)
    what, error = f"injector `{name}`", ""
    if message.get("error"):
        error = f"{what}: {message['error']}"
    elif exit_code and not _signalled(message):
        said = text[:MESSAGE_SHOWN_MAX] or "without a word"
        error = f"{what} ended with exit code {exit_code} ({terminated.get('reason') or 'no reason'}): {said}"
    elif not message:
        error = f"{what} ended without saying what it did: {text[:MESSAGE_SHOWN_MAX] or 'no message'}"
    return InjectorEnd(
        exit_code, message, error, wall_ns(terminated.get("startedAt")), wall_ns(terminated.get("finishedAt"))
    )


def _signalled(message: JsonObject) -> bool:
    """It sent the signal, and did not see it fail. Its own exit code says nothing then: when the target's init ends,
    the whole PID namespace does, before or after this program could look at the effect."""
    return message.get("did") == "kill" and bool(message.get("sent_wall_ns")) and message.get("seen") != ""


def _parsed(text: str) -> JsonObject:
    try:
        message: Any = json.loads(text)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _image(pod: JsonObject, found: JsonObject, name: str) -> str:
    entries = (pod.get("spec") or {}).get("ephemeralContainers") or []
    return str(next((each["image"] for each in entries if each["name"] == name), found.get("image", "")))


def _never_starts(where: str, image: str, waiting: JsonObject) -> str:
    reason, message = waiting["reason"], str(waiting.get("message") or "").strip()
    said = f" ({reason}: {message[:MESSAGE_SHOWN_MAX]})" if message else f" ({reason})"
    if reason in IMAGE_REASONS:
        return (
            f"{where} did not start: its image `{image}` cannot be had on that node{said}; load it, or correct its name"
        )
    return f"{where} (image `{image}`) did not start{said}"
