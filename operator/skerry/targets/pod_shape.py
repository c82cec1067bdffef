"""What the pods of a target look like, by the names of their parts: its optional Kubernetes part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from skerry.targets.port import Reported


class RestartHold(NamedTuple):
    """How a container that the kubelet restarts in place is kept from starting: it waits for what a file says."""

    volume: str
    """An emptyDir of the pod."""
    path: str
    """Where the node's container mounts it."""
    file: str
    """What it reads before it starts. The container is told of it in its environment."""


class PodShape(NamedTuple):
    """Pods of a StatefulSet, one node each."""

    container: str
    """The node's own, where a pod has several."""
    ports: Mapping[str, str]
    """Plane -> the name of its port, in the order in which they are told."""
    usual_ports: Mapping[str, int]
    """Plane -> the port that it has in the charts: to look for what is left of a cluster that is gone."""
    admin: str
    """The plane on which nodes are looked at, and which no fault takes."""
    client: str
    """The plane on which clients reach them."""
    status_path: str
    """What a GET on that plane asks for."""
    read_status: Callable[[bytes], Reported]
    """Its answer. Raises msgspec.DecodeError."""
    hold: str = ""
    """The init container that keeps a node down until the second that a ConfigMap names; empty: there is none."""
    restart_hold: RestartHold | None = None
