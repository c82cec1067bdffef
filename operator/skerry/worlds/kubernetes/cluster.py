"""The brokers under test, as their StatefulSet describes them."""

from __future__ import annotations

from typing import Any

import msgspec

from skerry.schema.base import JsonObject
from skerry.schema.vocabulary import Plane
from skerry.worlds.kubernetes.names import hold_name

CONTAINER = "broker"
RESTART_HOLD_VOLUME = "hold-restart"
RESTART_HOLD_PATH = "/run/skerry"
RESTART_HOLD_FILE = f"{RESTART_HOLD_PATH}/hold"
"""What a broker's container that is restarted in place reads before it starts; in an emptyDir of its pod."""
HOLD_CONTAINER = "hold"
"""The init container that keeps a broker down until the second that the hold ConfigMap names."""
ADMIN_PORT = "admin"
ADMIN_PLANE = "Admin"
PORT_NAMES = {Plane.CLIENT: "client", Plane.RAFT: "raft", Plane.REPLICATION: "replication"}


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
    ports: dict[Plane, int]
    """TCP, one per plane."""
    admin_port: int
    container: str = CONTAINER
    run_as_user: int | None = None
    """The uid of the broker's process; None: whatever its image says."""
    selector: str = ""
    """The label selector of its pods, as the API writes it."""
    hold: bool = False
    """Its pods have the init container that can keep a broker down."""
    restart_hold: bool = False
    """A container that is restarted in place can be kept down, too."""
    pod_labels: dict[str, str] = {}
    """The labels of the pod template."""

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
        return self._address(ordinal, self.ports[Plane.CLIENT])

    def admin_address(self, ordinal: int) -> str:
        return self._address(ordinal, self.admin_port)

    def addresses(self, ordinal: int) -> dict[str, str]:
        """Plane -> host:port, of every plane on which a run reaches the broker."""
        return {Plane.CLIENT: self.client_address(ordinal), ADMIN_PLANE: self.admin_address(ordinal)}

    def _address(self, ordinal: int, port: int) -> str:
        return f"{self.pod_name(ordinal)}.{self.service}:{port}"


def broker_set(stateful_set: JsonObject) -> BrokerSet:
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
    container = _container(name, pod)
    ports = {plane: _port(name, container, port_name) for plane, port_name in PORT_NAMES.items()}
    admin_port = _port(name, container, ADMIN_PORT)
    if len({admin_port, *ports.values()}) < len(ports) + 1:
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
        ports=ports,
        admin_port=admin_port,
        container=str(container["name"]),
        run_as_user=of_container.get("runAsUser", of_pod.get("runAsUser")),
        selector=",".join(f"{key}={value}" for key, value in sorted(match_labels.items())),
        hold=_can_hold(name, pod),
        restart_hold=_can_hold_restart(pod, container),
        pod_labels=dict((spec["template"].get("metadata") or {}).get("labels") or {}),
    )


def _container(name: str, pod: JsonObject) -> dict[str, Any]:
    """The one called `broker`, else the only one there is."""
    containers: list[dict[str, Any]] = pod["containers"]
    named = [each for each in containers if each["name"] == CONTAINER]
    if named or len(containers) == 1:
        return (named or containers)[0]
    found = ", ".join(f"`{each['name']}`" for each in containers)
    raise ClusterProblem(
        f"StatefulSet `{name}` has the containers {found}, and none is named `{CONTAINER}`: name the broker's so"
    )


def _port(name: str, container: dict[str, Any], port_name: str) -> int:
    for port in container.get("ports") or []:
        if port.get("name") == port_name and port.get("protocol", "TCP") == "TCP":
            return int(port["containerPort"])
    raise ClusterProblem(
        f"StatefulSet `{name}`: container `{container['name']}` has no TCP port named `{port_name}` (it has "
        f"{_listed(container)}): name the ports of the planes `client`, `raft`, `replication` and `admin`"
    )


def _listed(container: dict[str, Any]) -> str:
    ports = [f"`{port.get('name', '')}` {port['containerPort']}" for port in container.get("ports") or []]
    return ", ".join(ports) or "none"


def _can_hold_restart(pod: JsonObject, container: dict[str, Any]) -> bool:
    """The broker is told of the file, and it lies in a volume of the pod that an ephemeral container can write to."""
    empty = {volume["name"] for volume in pod.get("volumes") or [] if volume.get("emptyDir") is not None}
    mounted = any(
        mount["name"] == RESTART_HOLD_VOLUME and mount["mountPath"] == RESTART_HOLD_PATH
        for mount in container.get("volumeMounts") or []
    )
    told = any(each.get("value") == RESTART_HOLD_FILE for each in container.get("env") or [])
    return RESTART_HOLD_VOLUME in empty and mounted and told


def _can_hold(name: str, pod: JsonObject) -> bool:
    """The init container is there and mounts the ConfigMap by the name under which it will be written."""
    volumes = {
        volume["name"]
        for volume in pod.get("volumes") or []
        if (volume.get("configMap") or {}).get("name") == hold_name(name)
    }
    return any(
        container["name"] == HOLD_CONTAINER
        and any(mount["name"] in volumes for mount in container.get("volumeMounts") or [])
        for container in pod.get("initContainers") or []
    )
