"""The checker of pods, against pods with one fault each."""

import copy
from typing import Any

import pytest
from pod_security import violations

GOOD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
    "initContainers": [],
    "containers": [
        {
            "name": "broker",
            "ports": [{"containerPort": 9092}],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    ],
    "volumes": [{"name": "hold", "configMap": {"name": "broker-hold"}}],
}


def changed(path: str, value: object) -> dict[str, Any]:
    """GOOD with one field set; ``path`` such as ``containers.0.securityContext.privileged``."""
    pod = copy.deepcopy(GOOD)
    at: Any = pod
    *steps, last = path.split(".")
    for step in steps:
        at = at[int(step)] if isinstance(at, list) else at[step]
    at[last] = value
    return pod


def test_a_good_pod_passes() -> None:
    assert violations(GOOD) == []


OF_CONTAINER = "containers.0.securityContext"


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("hostNetwork", True, "the pod sets hostNetwork"),
        ("hostPID", True, "the pod sets hostPID"),
        ("volumes", [{"name": "run", "hostPath": {"path": "/run"}}], "volume run is a hostPath"),
        ("securityContext.runAsNonRoot", False, "container broker: may run as root"),
        ("securityContext.runAsUser", 0, "the pod runs as user 0"),
        ("securityContext.seccompProfile", {"type": "Unconfined"}, "container broker: has no seccomp profile"),
        ("securityContext.sysctls", [{"name": "net.core.somaxconn"}], "the pod sets the sysctl net.core.somaxconn"),
        (f"{OF_CONTAINER}.privileged", True, "container broker: is privileged"),
        (f"{OF_CONTAINER}.allowPrivilegeEscalation", True, "container broker: may escalate its privileges"),
        (f"{OF_CONTAINER}.capabilities", {}, "container broker: keeps capabilities"),
        (f"{OF_CONTAINER}.capabilities", {"drop": ["ALL"], "add": ["NET_ADMIN"]}, "container broker: adds NET_ADMIN"),
        (f"{OF_CONTAINER}.runAsNonRoot", False, "container broker: may run as root"),
        (f"{OF_CONTAINER}.runAsUser", 0, "container broker: it runs as user 0"),
        (f"{OF_CONTAINER}.readOnlyRootFilesystem", False, "container broker: can write to its root file system"),
        (f"{OF_CONTAINER}.procMount", "Unmasked", "container broker: sees more of /proc"),
        (f"{OF_CONTAINER}.appArmorProfile", {"type": "Unconfined"}, "container broker: it is unconfined by AppArmor"),
        (
            "containers.0.ports",
            [{"containerPort": 9092, "hostPort": 9092}],
            "container broker: takes a port of the host",
        ),
    ],
)
def test_each_fault_is_found(path: str, value: object, says: str) -> None:
    assert violations(changed(path, value)) == [says]


@pytest.mark.parametrize("kind", ["initContainers", "ephemeralContainers"])
def test_no_kind_of_container_is_forgotten(kind: str) -> None:
    found = violations(changed(kind, [{"name": "bare"}]))
    assert "container bare: may escalate its privileges" in found
    assert "container bare: keeps capabilities" in found
