"""Who listens where: four ports a broker, and a port of the proxy for every ordered pair on every plane between."""

from __future__ import annotations

from typing import NamedTuple

from skerry.schema.vocabulary import Plane
from skerry.targets.skerry.process import BrokerPorts, broker_arguments
from skerry.worlds.local.proxy import Link

PROXIED_PLANES = (Plane.RAFT, Plane.REPLICATION)
PORTS_OF_A_BROKER = 4


def ports_needed(brokers: int) -> int:
    return brokers * (PORTS_OF_A_BROKER + len(PROXIED_PLANES) * (brokers - 1))


class Layout(NamedTuple):
    """Invariant: no port appears twice, and no broker knows a port of another but through the proxy."""

    brokers: tuple[BrokerPorts, ...]
    links: tuple[Link, ...]

    def arguments(self, ordinal: int, timing: str) -> list[str]:
        """The flags of one broker: its peers are where the proxy listens for them."""
        through = {(link.target, link.plane): link.listen_port for link in self.links if link.source == ordinal}
        peers = {
            peer: BrokerPorts(
                ports.client, through[peer, str(Plane.RAFT)], through[peer, str(Plane.REPLICATION)], ports.admin
            )
            for peer, ports in enumerate(self.brokers)
            if peer != ordinal
        }
        return broker_arguments(ordinal, self.brokers[ordinal], peers, timing)


def lay_out(brokers: int, ports: list[int]) -> Layout:
    """``ports``: as many as `ports_needed` says."""
    free = iter(ports)
    own = tuple(BrokerPorts(next(free), next(free), next(free), next(free)) for _ in range(brokers))
    links = tuple(
        Link(source, target, str(plane), next(free), own[target].of(plane))
        for source in range(brokers)
        for target in range(brokers)
        if source != target
        for plane in PROXIED_PLANES
    )
    return Layout(own, links)
