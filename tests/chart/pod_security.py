"""What the Pod Security Standard `restricted` asks of a pod, and a read-only root file system on top.

Written from the standard's text, not from the chart: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from collections.abc import Iterator
from typing import Any

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
MAY_ADD = {"NET_BIND_SERVICE"}
SECCOMP = {"RuntimeDefault", "Localhost"}
APPARMOR = {"RuntimeDefault", "Localhost"}
SYSCTLS: set[str] = set()
"""The standard names some that are safe; we need none."""


def violations(pod: dict[str, Any]) -> list[str]:
    """One line for each thing in a pod's spec that `restricted` does not admit; none: it passes."""
    return [*_of_the_pod(pod), *_of_its_containers(pod)]


def _of_the_pod(pod: dict[str, Any]) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield f"the pod sets {field}"
    for volume in pod.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES:
            yield f"volume {volume['name']} is a {', '.join(sorted(kinds - VOLUMES))}"
    security = pod.get("securityContext", {})
    for sysctl in security.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            yield f"the pod sets the sysctl {sysctl['name']}"
    yield from _same_at_both_levels("the pod", security)


def _of_its_containers(pod: dict[str, Any]) -> Iterator[str]:
    of_pod = pod.get("securityContext", {})
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in pod.get(kind, []):
            for problem in _of_a_container(container, of_pod):
                yield f"container {container['name']}: {problem}"


def _of_a_container(container: dict[str, Any], of_pod: dict[str, Any]) -> Iterator[str]:
    security = container.get("securityContext", {})
    capabilities = security.get("capabilities", {})
    if security.get("privileged"):
        yield "is privileged"
    if security.get("allowPrivilegeEscalation") is not False:
        yield "may escalate its privileges"
    if "ALL" not in capabilities.get("drop", []):
        yield "keeps capabilities"
    if added := set(capabilities.get("add", [])) - MAY_ADD:
        yield f"adds {', '.join(sorted(added))}"
    if security.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True:
        yield "may run as root"
    if security.get("seccompProfile", of_pod.get("seccompProfile", {})).get("type") not in SECCOMP:
        yield "has no seccomp profile"
    if security.get("procMount", "Default") != "Default":
        yield "sees more of /proc"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "can write to its root file system"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "takes a port of the host"
    yield from _same_at_both_levels("it", security)


def _same_at_both_levels(who: str, security: dict[str, Any]) -> Iterator[str]:
    if security.get("runAsUser") == 0:
        yield f"{who} runs as user 0"
    if "seLinuxOptions" in security and {"user", "role"} & set(security["seLinuxOptions"]):
        yield f"{who} chooses an SELinux user or role"
    if security.get("windowsOptions", {}).get("hostProcess"):
        yield f"{who} is a process of the host"
    if security.get("appArmorProfile", {"type": "RuntimeDefault"}).get("type") not in APPARMOR:
        yield f"{who} is unconfined by AppArmor"
