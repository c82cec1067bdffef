"""How a cut is seen on the wire, and its end.

A pair that is cut both ways must fail on new connections, and on the kept one too when those were to be cut; one that
is cut one way is judged by numbered datagrams, because a round trip fails whichever way is cut; and every pair that is
not cut must answer, so that a fault that takes more than it should is not proven either.
"""

from __future__ import annotations

from skerry.faults.network_partition.fault import Cut
from skerry.faults.network_partition.model import Connections
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import (
    PEER_PLANES,
    PING_FAILED_AFTER_NS,
    Before,
    Link,
    Proof,
    expected_links,
    fresh_link,
    link_name,
)
from skerry.faults.samples import LinkKind, Samples


def verify(
    fault: Cut,
    since_ns: int,
    samples: Samples,
    earlier: Before,
    others: tuple[ResolvedFault, ...] = (),
    elapsed_ns: int = 0,
) -> Proof:
    """Is it in effect? What ``others`` touch says nothing about it."""
    pairs = set(fault.links)
    ordinals = sorted(view.ordinal for view in samples.brokers)
    excused_pairs = {pair for other in others for pair in other.pairs}
    excused_brokers = {o for other in others if not other.pairs for o in other.victims}
    for plane in dict.fromkeys((*PEER_PLANES, *fault.planes)):
        for source in ordinals:
            for target in ordinals:
                link = source, target, plane
                reverse = target, source
                excused = {source, target} & excused_brokers or {link[:2], reverse} & excused_pairs
                if source == target or excused:
                    continue
                cut_here = plane in fault.planes and (link[:2] in pairs or reverse in pairs)
                if not cut_here:
                    missing = _answering(link, since_ns, samples)
                elif link[:2] in pairs and reverse in pairs:
                    missing = _silent(link, since_ns, samples, fault.connections)
                elif link[:2] in pairs:
                    missing = _one_way(link, since_ns, samples)
                else:
                    continue  # the whole direction of a one-way cut, judged with the cut one
                if missing:
                    return Proof(False, missing)
    kinds = "new connections" if fault.connections is Connections.NEW else "new and kept connections"
    return Proof(True, f"{len(pairs)} ordered pairs fail on {' and '.join(fault.planes)} ({kinds}); no other pair does")


def healed(fault: Cut, since_ns: int, samples: Samples, earlier: Before, excused: frozenset[int]) -> Proof:
    """``excused``: brokers that another fault holds."""
    for link in expected_links(fault.links, fault.planes, both_ways=True):
        if excused & set(link[:2]):
            continue
        missing = _whole(link, since_ns, samples)
        if missing:
            return Proof(False, missing)
    return Proof(True, "every pair that was cut answers again")


def _silent(link: Link, since_ns: int, samples: Samples, connections: Connections) -> str:
    new = fresh_link(samples, *link, LinkKind.NEW, since_ns)
    if new is None:
        return f"no new connection {link_name(*link)} was tried"
    if new.ok:
        return f"a new connection {link_name(*link)} still succeeds"
    if connections is Connections.NEW:
        return ""
    kept = fresh_link(samples, *link, LinkKind.KEPT, since_ns + PING_FAILED_AFTER_NS)
    if kept is None:
        return f"the kept connection {link_name(*link)} was not looked at"
    return f"the kept connection {link_name(*link)} still answers" if kept.ok else ""


def _answering(link: Link, since_ns: int, samples: Samples) -> str:
    """What is wrong with a pair that nobody cut; nothing when it answers (or this plane is not pinged at all)."""
    new = fresh_link(samples, *link, LinkKind.NEW, since_ns)
    kept = fresh_link(samples, *link, LinkKind.KEPT, since_ns + PING_FAILED_AFTER_NS)
    for found, kind in ((new, "new"), (kept, "kept")):
        if found is None:
            return f"the {kind} connection {link_name(*link)}, which nobody cut, was not looked at"
        if not found.ok:
            return f"the {kind} connection {link_name(*link)} fails, although nobody cut it"
    return ""


def _whole(link: Link, since_ns: int, samples: Samples) -> str:
    """What a healed pair still lacks. Both kinds count: a cut of new connections never touched the kept ones."""
    for kind in (LinkKind.NEW, LinkKind.KEPT):
        found = fresh_link(samples, *link, kind, since_ns)
        if found is None or not found.ok:
            return f"a {kind.value} connection {link_name(*link)} does not answer yet"
    return ""


def _one_way(link: Link, since_ns: int, samples: Samples) -> str:
    """A round trip fails whichever way is cut, so one-way cuts are proven by numbered datagrams."""
    source, target, plane = link
    at_target = fresh_link(samples, target, source, plane, LinkKind.KEPT, since_ns)
    at_source = fresh_link(samples, source, target, plane, LinkKind.KEPT, since_ns)
    if at_target is None or at_source is None or at_target.received_one_way < 0 or at_source.received_one_way < 0:
        return f"one-way datagrams between {source} and {target} on {plane} were not measured"
    if at_target.received_one_way > 0:
        return f"datagrams {link_name(*link)} still arrive"
    return (
        "" if at_source.received_one_way > 0 else f"datagrams {link_name(target, source, plane)} do not arrive either"
    )
