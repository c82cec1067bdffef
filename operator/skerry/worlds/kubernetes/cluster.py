"""The brokers under test, as their StatefulSet describes them."""

from __future__ import annotations

from typing import Any

import msgspec

from skerry.schema.base import JsonObject
from skerry.targets import registry
from skerry.targets.pod_shape import PodShape, RestartHold
from skerry.worlds.kubernetes.names import hold_name


class ClusterProblem(Exception):
    """This StatefulSet cannot be experimented on; the text is one sentence that says what to change."""


class BrokerSet(msgspec.Struct, frozen=True):
    """The pods of a StatefulSet, ordinals 0 to replicas - 1. Addresses are short DNS names: they hold in the
    namespace."""

    name: str
    namespace: str
    service: str
    """The headless Service that gives each pod its name."""
    replicas: int
    ports: dict[str, int]
    """TCP, one per plane."""
    admin_port: int
    admin_plane: str = "Admin"
    client_plane: str = "Client"
    container: str = ""
    """The broker's, in each pod."""
    run_as_user: int | None = None
    """The uid of the broker's process; None: whatever its image says."""
    selector: str = ""
    """The label selector of its pods, as the API writes it."""
    hold: str = ""
    """The init container of its pods that can keep a broker down until the second that the hold ConfigMap names; empty:
    they have none."""
    restart_hold: RestartHold | None = None
    """How a container that is restarted in place can be kept down, too; None: it cannot."""

    @property
    def ordinals(self) -> range:
        return range(self.replicas)

    def pod_name(self, ordinal: int) -> str:
        return f"{self.name}-{ordinal}"

    def ordinal(self, pod_name: str) -> int | None:
        """None: it is not a pod of these brokers."""
        head, _, digits = pod_name.rpartition("-")
        if head != self.name or not digits.isascii() or not digits.isdigit() or str(int(digits)) != digits:
            return None
        return int(digits) if int(digits) < self.replicas else None

    def client_address(self, ordinal: int) -> str:
        return self._address(ordinal, self.ports[self.client_plane])

    def admin_address(self, ordinal: int) -> str:
        return self._address(ordinal, self.admin_port)

    def addresses(self, ordinal: int) -> dict[str, str]:
        """Plane -> host:port, of every plane on which a run reaches the broker."""
        return {self.client_plane: self.client_address(ordinal), self.admin_plane: self.admin_address(ordinal)}

    def _address(self, ordinal: int, port: int) -> str:
        return f"{self.pod_name(ordinal)}.{self.service}:{port}"


def pod_shape(target: str) -> PodShape:
    """What the pods of this system look like. Raises ClusterProblem: nobody knows."""
    pods = registry.target(target).pods
    if pods is None:
        raise ClusterProblem(f"it is not known what the pods of `{target}` look like: choose another world")
    return pods()


def broker_set(stateful_set: JsonObject, shape: PodShape) -> BrokerSet:
    """Read the StatefulSet.

    Raises ClusterProblem: it lacks something that experiments need.
    """
    metadata, spec = stateful_set["metadata"], stateful_set["spec"]
    name = str(metadata["name"])
    if not spec.get("serviceName"):
        raise ClusterProblem(
            f"StatefulSet `{name}` has no `serviceName`, so its pods have no names of their own: "
            "give it a headless Service"
        )
    if (spec.get("ordinals") or {}).get("start"):
        raise ClusterProblem(
            f"StatefulSet `{name}` counts its pods from {spec['ordinals']['start']}: experiments name brokers from 0 "
            "on, so remove `ordinals.start`"
        )
    pod: JsonObject = spec["template"]["spec"]
    if pod.get("hostNetwork"):
        raise ClusterProblem(
            f"StatefulSet `{name}` uses the network of its nodes (`hostNetwork`): NetworkPolicies do not hold there, "
            "and what is done in that network hits others; give its pods a network of their own"
        )
    container = _container(name, pod, shape.container)
    ports = {plane: _port(name, container, port, shape) for plane, port in shape.ports.items()}
    if len({*ports.values()}) < len(ports):
        raise ClusterProblem(
            f"StatefulSet `{name}` serves two planes on one port ({_listed(container)}): a fault could not take one "
            "and leave the other, so give each its own"
        )
    of_pod, of_container = pod.get("securityContext") or {}, container.get("securityContext") or {}
    match_labels: dict[str, str] = (spec.get("selector") or {}).get("matchLabels") or {}
    return BrokerSet(
        name=name,
        namespace=str(metadata["namespace"]),
        service=str(spec["serviceName"]),
        replicas=int(spec.get("replicas", 1)),
        ports={plane: port for plane, port in ports.items() if plane != shape.admin},
        admin_port=ports[shape.admin],
        admin_plane=shape.admin,
        client_plane=shape.client,
        container=str(container["name"]),
        run_as_user=of_container.get("runAsUser", of_pod.get("runAsUser")),
        selector=",".join(f"{key}={value}" for key, value in sorted(match_labels.items())),
        hold=shape.hold if _can_hold(name, pod, shape.hold) else "",
        restart_hold=shape.restart_hold if _can_hold_restart(pod, container, shape.restart_hold) else None,
    )


def _container(name: str, pod: JsonObject, wanted: str) -> dict[str, Any]:
    """The one of this name, else the only one there is."""
    containers: list[dict[str, Any]] = pod["containers"]
    named = [each for each in containers if each["name"] == wanted]
    if named or len(containers) == 1:
        return (named or containers)[0]
    found = ", ".join(f"`{each['name']}`" for each in containers)
    raise ClusterProblem(
        f"StatefulSet `{name}` has the containers {found}, and none is named `{wanted}`: name the broker's so"
    )


def _port(name: str, container: dict[str, Any], port_name: str, shape: PodShape) -> int:
    *others, last = (f"`{each}`" for each in shape.ports.values())
    for port in container.get("ports") or []:
        if port.get("name") == port_name and port.get("protocol", "TCP") == "TCP":
            return int(port["containerPort"])
    raise ClusterProblem(
        f"StatefulSet `{name}`: container `{container['name']}` has no TCP port named `{port_name}` (it has "
        f"{_listed(container)}): name the ports of the planes {', '.join(others)} and {last}"
    )


def _listed(container: dict[str, Any]) -> str:
    ports = [f"`{port.get('name', '')}` {port['containerPort']}" for port in container.get("ports") or []]
    return ", ".join(ports) or "none"


def _can_hold_restart(pod: JsonObject, container: dict[str, Any], names: RestartHold | None) -> bool:
    """The broker is told of the file, and it lies in a volume of the pod that an ephemeral container can write to."""
    if names is None:
        return False
    empty = {volume["name"] for volume in pod.get("volumes") or [] if volume.get("emptyDir") is not None}
    mounted = any(
        mount["name"] == names.volume and mount["mountPath"] == names.path
        for mount in container.get("volumeMounts") or []
    )
    told = any(each.get("value") == names.file for each in container.get("env") or [])
    return names.volume in empty and mounted and told


def _can_hold(name: str, pod: JsonObject, init_container: str) -> bool:
    """The init container is there and mounts the ConfigMap by the name under which it will be written."""
    volumes = {
        volume["name"]
        for volume in pod.get("volumes") or []
        if (volume.get("configMap") or {}).get("name") == hold_name(name)
    }
    return any(
        container["name"] == init_container
        and any(mount["name"] in volumes for mount in container.get("volumeMounts") or [])
        for container in pod.get("initContainers") or []
    )
