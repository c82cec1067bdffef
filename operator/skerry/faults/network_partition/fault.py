"""A partition with concrete brokers: which ordered pairs lose which packets."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from skerry.faults.network_partition.model import Connections, CutAction, PartitionFault
from skerry.faults.pairs import between, ends, holds_of
from skerry.faults.port import Effect, Feature, Groups, Hold, ResolvedFault

PARTITION = Feature("partition")
ONE_WAY = Feature("partition, one way")
ESTABLISHED = Feature("partition, connections: All")
REJECT = Feature("partition, action: Reject")
FEATURES = (PARTITION, ONE_WAY, ESTABLISHED, REJECT)


class Cut(ResolvedFault, frozen=True, tag="partition"):
    """No packet goes from source to target on these planes. A two-way cut holds both ordered pairs."""

    links: tuple[tuple[int, int], ...]
    """Ordered pairs (source, target) of broker ordinals, sorted."""
    planes: tuple[str, ...]
    connections: Connections
    action: CutAction
    groups: tuple[tuple[int, ...], ...] = ()
    """The sides, for reports; empty for one-way links."""

    @property
    def one_way(self) -> bool:
        """At least one pair is cut in one direction only."""
        pairs = set(self.links)
        return any((target, source) not in pairs for source, target in pairs)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        return self.links

    @property
    def victims(self) -> frozenset[int]:
        return ends(self.links)

    @property
    def holds(self) -> frozenset[Hold]:
        return holds_of(self.links, self.planes)

    def effects(self) -> tuple[Effect, ...]:
        return (Effect(cut=frozenset((a, b, plane) for a, b in self.links for plane in self.planes)),)

    def shortened(self) -> Cut:
        return msgspec.structs.replace(self, links=(), groups=())


def concrete(body: PartitionFault, groups: Groups) -> Cut:
    if body.links is None:
        return Cut(between(groups), body.planes, body.connections, body.action, groups)
    pairs = [(groups[i], groups[i + 1]) for i in range(0, len(groups), 2)]
    links = {(a, b) for sources, targets in pairs for a in sources for b in targets if a != b}
    return Cut(tuple(sorted(links)), body.planes, body.connections, body.action)


def needs(body: PartitionFault) -> Iterator[Feature]:
    yield PARTITION
    if body.links is not None and not _both_ways(body):
        yield ONE_WAY
    if body.connections is Connections.ALL:
        yield ESTABLISHED
    if body.action is CutAction.REJECT:
        yield REJECT


def _both_ways(body: PartitionFault) -> bool:
    pairs = {(str(link.from_), str(link.to)) for link in body.links or ()}
    return all((to, from_) in pairs for from_, to in pairs)
