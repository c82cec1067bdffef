"""Proofs about links: cuts, slow networks, and their end.

Tolerances of `slow`, stated because "measured" needs them: the round trip of a kept connection must lie between 80 % of
what the added latency makes it at least, and what it makes it at most plus 50 % and 50 ms over the round trip before.
Loss: measured at least half of what was asked. Rate: measured at most 125 % of it. Loss below 5 % is too rare to be
seen during a fault: it is accepted on the strength of the latency beside it, and named as unmeasured.
"""

from __future__ import annotations

from skerry.engine.faults import Cut, ResolvedFault, Slow, victims
from skerry.engine.observation import LinkKind, Observation
from skerry.engine.proof import Before, Link, Proof, expected_links, fresh_link, link_name
from skerry.schema.vocabulary import Connections, Plane

PING_FAILED_AFTER_NS = 300_000_000
PEER_PLANES = (Plane.RAFT, Plane.REPLICATION)
"""Brokers ping each other on these; on the client plane only when a fault names it."""
RARE_LOSS_PERCENT = 5


def cut_proof(fault: Cut, since_ns: int, observation: Observation, others: tuple[ResolvedFault, ...]) -> Proof:
    pairs = set(fault.links)
    ordinals = sorted(view.ordinal for view in observation.brokers)
    excused_pairs = {link for other in others if isinstance(other, Cut | Slow) for link in other.links}
    excused_brokers = {o for other in others if not isinstance(other, Cut | Slow) for o in victims(other)}
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
                    missing = _answering(link, since_ns, observation)
                elif link[:2] in pairs and reverse in pairs:
                    missing = _silent(link, since_ns, observation, fault.connections)
                elif link[:2] in pairs:
                    missing = _one_way(link, since_ns, observation)
                else:
                    continue  # the whole direction of a one-way cut, judged with the cut one
                if missing:
                    return Proof(False, missing)
    kinds = "new connections" if fault.connections is Connections.NEW else "new and kept connections"
    return Proof(True, f"{len(pairs)} ordered pairs fail on {' and '.join(fault.planes)} ({kinds}); no other pair does")


def cut_healed(fault: Cut, since_ns: int, observation: Observation, excused: frozenset[int]) -> Proof:
    """:param excused: brokers that another fault holds."""
    for link in expected_links(fault.links, fault.planes, both_ways=True):
        if excused & set(link[:2]):
            continue
        missing = _whole(link, since_ns, observation)
        if missing:
            return Proof(False, missing)
    return Proof(True, "every pair that was cut answers again")


def slow_healed(
    fault: Slow, since_ns: int, observation: Observation, earlier: Before, excused: frozenset[int]
) -> Proof:
    for link in expected_links(fault.links, fault.planes):
        if excused & set(link[:2]):
            continue
        found = fresh_link(observation, *link, LinkKind.KEPT, since_ns + PING_FAILED_AFTER_NS)
        limit_ns = earlier.rtt_ns.get(link, 0) + fault.latency_ns // 2 + 50_000_000
        if found is None or not found.ok or found.rtt_ns > limit_ns:
            return Proof(False, f"{link_name(*link)} is not back to its usual round trip yet")
    return Proof(True, "round trips are as before")


def slow_proof(fault: Slow, since_ns: int, observation: Observation, earlier: Before) -> Proof:
    unmeasured = set()
    for link in expected_links(fault.links, fault.planes):
        # A ping must have made the round trip under the fault, so the sample is younger than that.
        seen = fresh_link(observation, *link, LinkKind.KEPT, since_ns + PING_FAILED_AFTER_NS + 2 * fault.latency_ns)
        if seen is None:
            return Proof(False, f"no round trip {link_name(*link)} was measured")
        if fault.latency_ns:
            low_ns = (fault.latency_ns - fault.jitter_ns) * 2 * 8 // 10
            high_ns = (earlier.rtt_ns.get(link, 0) + 2 * (fault.latency_ns + fault.jitter_ns)) * 3 // 2 + 50_000_000
            if not low_ns <= seen.rtt_ns <= high_ns:
                span = f"{low_ns // 10**6} to {high_ns // 10**6} ms expected"
                return Proof(False, f"the round trip {link_name(*link)} is {seen.rtt_ns // 10**6} ms ({span})")
        if fault.loss_percent and seen.lost_percent * 2 < fault.loss_percent:
            if fault.loss_percent >= RARE_LOSS_PERCENT or not fault.latency_ns:
                return Proof(False, f"a loss of {fault.loss_percent} % {link_name(*link)} was not measured")
            unmeasured.add("loss")
        if fault.rate_kbps and not 0 <= seen.rate_kbps * 4 <= fault.rate_kbps * 5:
            if seen.rate_kbps >= 0:
                return Proof(False, f"{link_name(*link)} still carries {seen.rate_kbps} kbit/s")
            if not fault.latency_ns:
                return Proof(False, f"the rate {link_name(*link)} was not measured")
            unmeasured.add("rate")
    note = f"; not measured: {', '.join(sorted(unmeasured))}" if unmeasured else ""
    return Proof(True, f"round trips are as slow as asked{note}")


def _silent(link: Link, since_ns: int, observation: Observation, connections: Connections) -> str:
    new = fresh_link(observation, *link, LinkKind.NEW, since_ns)
    if new is None:
        return f"no new connection {link_name(*link)} was tried"
    if new.ok:
        return f"a new connection {link_name(*link)} still succeeds"
    if connections is Connections.NEW:
        return ""
    kept = fresh_link(observation, *link, LinkKind.KEPT, since_ns + PING_FAILED_AFTER_NS)
    if kept is None:
        return f"the kept connection {link_name(*link)} was not looked at"
    return f"the kept connection {link_name(*link)} still answers" if kept.ok else ""


def _answering(link: Link, since_ns: int, observation: Observation) -> str:
    """What is wrong with a pair that nobody cut; nothing when it answers (or this plane is not pinged at all)."""
    new = fresh_link(observation, *link, LinkKind.NEW, since_ns)
    kept = fresh_link(observation, *link, LinkKind.KEPT, since_ns + PING_FAILED_AFTER_NS)
    for found, kind in ((new, "new"), (kept, "kept")):
        if found is None:
            return f"the {kind} connection {link_name(*link)}, which nobody cut, was not looked at"
        if not found.ok:
            return f"the {kind} connection {link_name(*link)} fails, although nobody cut it"
    return ""


def _whole(link: Link, since_ns: int, observation: Observation) -> str:
    """What a healed pair still lacks. Both kinds count: a cut of new connections never touched the kept ones."""
    for kind in (LinkKind.NEW, LinkKind.KEPT):
        found = fresh_link(observation, *link, kind, since_ns)
        if found is None or not found.ok:
            return f"a {kind.value} connection {link_name(*link)} does not answer yet"
    return ""


def _one_way(link: Link, since_ns: int, observation: Observation) -> str:
    """A round trip fails whichever way is cut, so one-way cuts are proven by numbered datagrams."""
    source, target, plane = link
    at_target = fresh_link(observation, target, source, plane, LinkKind.KEPT, since_ns)
    at_source = fresh_link(observation, source, target, plane, LinkKind.KEPT, since_ns)
    if at_target is None or at_source is None or at_target.received_one_way < 0 or at_source.received_one_way < 0:
        return f"one-way datagrams between {source} and {target} on {plane} were not measured"
    if at_target.received_one_way > 0:
        return f"datagrams {link_name(*link)} still arrive"
    return (
        "" if at_source.received_one_way > 0 else f"datagrams {link_name(target, source, plane)} do not arrive either"
    )
