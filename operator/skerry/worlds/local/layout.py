"""Where everything listens: the ports of every node, and the ports of the proxy in between.

On planes between nodes a node is told the proxy's port instead of its peer's: one for every ordered pair, so that the
proxy knows by its port who speaks, and to which node. A target whose nodes are known by one address has one for every
node.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from skerry.targets.port import NodePlace, Target
from skerry.worlds.local.proxy import Link
from skerry.worlds.local.rules import CLIENTS

ANYBODY = CLIENTS
"""The source of a link whose port all nodes share."""


def ports_needed(target: Target, nodes: int) -> int:
    proxied = nodes if target.one_address else nodes * (nodes - 1)
    return nodes * len(target.planes) + proxied * len(target.peer_planes)


class Layout(NamedTuple):
    """Invariant: no port appears twice, and no node knows a port of another between nodes but through the proxy."""

    nodes: tuple[Mapping[str, int], ...]
    """Plane -> port, of each node."""
    links: tuple[Link, ...]

    def place(self, ordinal: int, data_directory: Path, timing: str) -> NodePlace:
        """Where one node runs, and how it reaches the others."""
        peers: dict[int, dict[str, int]] = {}
        for link in self.links:
            if link.source in (ordinal, ANYBODY):
                ports = peers.setdefault(link.target, dict(self.nodes[link.target]))
                ports[link.plane] = link.listen_port
        return NodePlace(ordinal, self.nodes[ordinal], peers, data_directory, timing)


def lay_out(target: Target, nodes: int, ports: list[int]) -> Layout:
    """``ports``: as many as `ports_needed` says."""
    free = iter(ports)
    own = tuple({plane.name: next(free) for plane in target.planes} for _ in range(nodes))
    pairs = [
        (source, node)
        for source in ([ANYBODY] if target.one_address else range(nodes))
        for node in range(nodes)
        if source != node
    ]
    links = tuple(
        Link(source, node, plane, next(free), own[node][plane])
        for source, node in pairs
        for plane in target.peer_planes
    )
    return Layout(own, links)
