"""How a cut is seen on the wire, and its end.

Each ordered pair that is cut must fail on new connections and, when those were to be cut too, on the kept one, and by
numbered datagrams in its own direction: a round trip fails whichever way is cut, so that it proves neither. The whole
direction of a one-way cut must let datagrams through. Every pair that is not cut must answer, so that a fault that
takes more than it should is not proven either.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from skerry.faults.network_partition.fault import Cut
from skerry.faults.network_partition.model import Connections
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import Before, Link, Proof, expected_links, fresh_link, link_name
from skerry.faults.readings import HIDDEN, Cover, Reading, cover_of, in_sight, of_direction, of_kept, of_new, sample_of
from skerry.faults.samples import LinkKind, Samples


def read(fault: Cut, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...] = ()) -> Iterator[Reading]:
    """Every pair of brokers on every plane; one that another fault cuts, or one of whose ends it took, is hidden."""
    pairs = set(fault.links)
    cover = cover_of(others, (view.ordinal for view in samples.brokers if view.exited))
    ordinals = sorted(view.ordinal for view in samples.brokers)
    for plane in dict.fromkeys((*earlier.planes, *fault.planes)):
        for source, target in permutations(ordinals, 2):
            link = source, target, plane
            cut, back = (source, target) in pairs, (target, source) in pairs
            if plane not in fault.planes or not (cut or back):
                yield from _left_alone(link, samples, cover)
            elif cut and back:
                yield from _cut_both_ways(fault, link, samples, cover)
            else:
                at_target = sample_of(samples, (target, source, plane), LinkKind.KEPT)
                yield of_direction(link, at_target, cut, cover.hides_cut(link))


def proven(fault: Cut) -> str:
    """What was seen, when it is."""
    kinds = "new connections" if fault.connections is Connections.NEW else "new and kept connections"
    planes = " and ".join(fault.planes)
    return f"{len(set(fault.links))} ordered pairs fail on {planes} ({kinds}); no other pair does"


def _left_alone(link: Link, samples: Samples, cover: Cover) -> Iterator[Reading]:
    hidden = cover.hides_whole(link)
    yield of_new(link, sample_of(samples, link, LinkKind.NEW), False, hidden)
    yield of_kept(link, sample_of(samples, link, LinkKind.KEPT), False, hidden)


def _cut_both_ways(fault: Cut, link: Link, samples: Samples, cover: Cover) -> Iterator[Reading]:
    source, target, plane = link
    hidden = cover.hides_cut(link)
    yield of_new(link, sample_of(samples, link, LinkKind.NEW), True, hidden)
    if fault.connections is Connections.ALL:
        yield of_kept(link, sample_of(samples, link, LinkKind.KEPT), True, hidden)
        yield of_direction(link, sample_of(samples, (target, source, plane), LinkKind.KEPT), True, hidden)


def healed(fault: Cut, since_ns: int, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...]) -> Proof:
    links = in_sight(expected_links(fault.links, fault.planes, both_ways=True), samples, others)
    if links is None:
        return HIDDEN
    for link in links:
        missing = _whole(link, since_ns, samples)
        if missing:
            return Proof(False, missing)
    return Proof(True, "every pair that was cut answers again")


def _whole(link: Link, since_ns: int, samples: Samples) -> str:
    """What a healed pair still lacks. Both kinds count: a cut of new connections never touched the kept ones."""
    for kind in (LinkKind.NEW, LinkKind.KEPT):
        found = fresh_link(samples, *link, kind, since_ns)
        if found is None or not found.ok:
            return f"a {kind.value} connection {link_name(*link)} does not answer yet"
    return ""
