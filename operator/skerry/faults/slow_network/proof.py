"""How a slow network is measured, and its end.

Tolerances, stated because "measured" needs them: the round trip of a kept connection must lie between 80 % of what the
added latency makes it at least, and what it makes it at most plus 50 % and 50 ms over the round trip before. Loss:
measured at least half of what was asked. Rate: measured at most 125 % of it. Loss below 5 % is too rare to be seen
during a fault: it is accepted on the strength of the latency beside it, and named as unmeasured.
"""

from __future__ import annotations

from skerry.faults.port import ResolvedFault
from skerry.faults.proof import PING_FAILED_AFTER_NS, Before, Proof, expected_links, fresh_link, link_name
from skerry.faults.samples import LinkKind, Samples
from skerry.faults.slow_network.fault import RARE_LOSS_PERCENT, Slow


def verify(
    fault: Slow,
    since_ns: int,
    samples: Samples,
    earlier: Before,
    others: tuple[ResolvedFault, ...] = (),
    elapsed_ns: int = 0,
) -> Proof:
    """Is it in effect?"""
    unmeasured = set()
    for link in expected_links(fault.links, fault.planes):
        # A ping must have made the round trip under the fault, so the sample is younger than that.
        seen = fresh_link(samples, *link, LinkKind.KEPT, since_ns + PING_FAILED_AFTER_NS + 2 * fault.latency_ns)
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


def healed(fault: Slow, since_ns: int, samples: Samples, earlier: Before, excused: frozenset[int]) -> Proof:
    for link in expected_links(fault.links, fault.planes):
        if excused & set(link[:2]):
            continue
        found = fresh_link(samples, *link, LinkKind.KEPT, since_ns + PING_FAILED_AFTER_NS)
        limit_ns = earlier.rtt_ns.get(link, 0) + fault.latency_ns // 2 + 50_000_000
        if found is None or not found.ok or found.rtt_ns > limit_ns:
            return Proof(False, f"{link_name(*link)} is not back to its usual round trip yet")
    return Proof(True, "round trips are as before")
