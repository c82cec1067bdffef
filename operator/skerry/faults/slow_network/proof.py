"""How a slow network is measured, and its end.

Tolerances, stated because "measured" needs them. A round trip is compared with the quickest of the same connection
before the fault, because latency is added to that one too. Of what was asked for there and back,

* each sample must add at least 80 % less the jitter (the median of few pings wanders that far), and at most 150 % more
  than the jitter's worst and 50 ms,
* the median of all samples must add at least 80 %: half of the latency is not it, whatever the jitter,
* the machine itself may not have varied by half as much before: then nothing could be told from the noise.

Loss: measured at least half of what was asked. Rate: measured at most 125 % of it. Loss below 5 % is too rare to be
seen during a fault: it is accepted on the strength of the latency beside it, and named as unmeasured; so is a rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from skerry.faults.port import ResolvedFault
from skerry.faults.proof import (
    PING_FAILED_AFTER_NS,
    Before,
    Link,
    Proof,
    expected_links,
    fresh_link,
    link_name,
)
from skerry.faults.readings import HIDDEN, NEVER_NS, PING_EVERY_NS, Reading, cover_of, in_sight, of_kept, sample_of
from skerry.faults.samples import LinkKind, LinkView, Samples
from skerry.faults.slow_network.fault import RARE_LOSS_PERCENT, Slow

MS = 1_000_000
PINGS_BEHIND = 4
"""A round trip is the median of the last pings: how many of them may be older than it says."""


def read(fault: Slow, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...] = ()) -> Iterator[Reading]:
    """The round trip of every slowed pair, and that every other pair still answers."""
    pairs = set(fault.links)
    cover = cover_of(others, (view.ordinal for view in samples.brokers if view.exited))
    for link in expected_links(fault.links, fault.planes):
        yield _slowed(fault, link, samples, earlier, cover.hides_cut(link))
    ordinals = sorted(view.ordinal for view in samples.brokers)
    for plane in earlier.planes:
        for source in ordinals:
            for target in ordinals:
                link = source, target, plane
                touched = {(source, target), (target, source)} & pairs
                if source != target and (plane not in fault.planes or not touched):
                    view = sample_of(samples, link, LinkKind.KEPT)
                    yield _quick(fault, link, view, earlier, cover.hides_whole(link))


def proven(fault: Slow) -> str:
    """What was seen, when it is."""
    rare = fault.loss_percent and fault.latency_ns and fault.loss_percent < RARE_LOSS_PERCENT
    unmeasured = [*(["loss"] if rare else []), *(["rate"] if fault.rate_kbps and fault.latency_ns else [])]
    note = f"; not measured: {', '.join(unmeasured)}" if unmeasured else ""
    return f"round trips are as slow as asked{note}"


def weigh(fault: Slow, earlier: Before, measures: Mapping[str, Sequence[int]]) -> str:
    """Why all samples together do not show what was asked for, as words; empty: they do."""
    asked_ns = 2 * fault.latency_ns
    if not asked_ns:
        return ""
    for link in expected_links(fault.links, fault.planes):
        noise_ns = _noise_ns(earlier.rtts_ns.get(link, ()))
        if 2 * noise_ns > asked_ns:
            return (
                f"{asked_ns // MS} ms there and back cannot be told from what this machine does by itself: the round "
                f"trip {link_name(*link)} varied by {noise_ns // MS} ms before"
            )
        added = measures.get(_subject(link), ())
        if added and median(added) * 10 < asked_ns * 8:
            return (
                f"the round trip {link_name(*link)} grew by {int(median(added)) // MS} ms in the median of "
                f"{len(added)} samples ({asked_ns // MS} ms asked for there and back)"
            )
    return ""


def _slowed(fault: Slow, link: Link, samples: Samples, earlier: Before, hidden: bool) -> Reading:
    name = link_name(*link)
    reading = Reading(
        _subject(link), True, f"{name} is as quick as before", "", f"no round trip {name} was measured", hidden=hidden
    )
    view = sample_of(samples, link, LinkKind.KEPT)
    if view is None or (fault.latency_ns and view.rtt_ns < 0):
        return reading
    reading = reading._replace(looked_ns=view.sampled_ns)
    answered_ns = view.sampled_ns - view.silent_ns
    taken = reading._replace(taken_ns=answered_ns)
    behind_ns = PINGS_BEHIND * PING_EVERY_NS + 2 * (fault.latency_ns + fault.jitter_ns)
    if fault.latency_ns:
        added_ns = view.rtt_ns - _quickest_ns(earlier, link)
        low_ns = 2 * fault.latency_ns * 8 // 10 - fault.jitter_ns
        high_ns = 3 * (fault.latency_ns + fault.jitter_ns) + 50 * MS
        taken = taken._replace(measure=added_ns)
        if not low_ns <= added_ns <= high_ns:
            span = f"{low_ns // MS} to {high_ns // MS} ms more than before expected"
            said = f"the round trip {name} is {view.rtt_ns // MS} ms ({span})"
            quick = added_ns < low_ns
            return reading._replace(whole=said, well_ns=answered_ns - behind_ns if quick else NEVER_NS)
    missing = _unlike(fault, link, view)
    return reading._replace(whole=missing) if missing else taken


def _unlike(fault: Slow, link: Link, view: LinkView) -> str:
    """What of loss and rate is not as asked, where that must be seen."""
    must_be_seen = fault.loss_percent >= RARE_LOSS_PERCENT or not fault.latency_ns
    if fault.loss_percent and must_be_seen and view.lost_percent * 2 < fault.loss_percent:
        return f"a loss of {fault.loss_percent} % {link_name(*link)} was not measured"
    if fault.rate_kbps and not 0 <= view.rate_kbps * 4 <= fault.rate_kbps * 5:
        if view.rate_kbps >= 0:
            return f"{link_name(*link)} still carries {view.rate_kbps} kbit/s"
        if not fault.latency_ns:
            return f"the rate {link_name(*link)} was not measured"
    return ""


def _quick(fault: Slow, link: Link, view: LinkView | None, earlier: Before, hidden: bool) -> Reading:
    """A pair that is to be left alone answers, and is not slowed too."""
    reading = of_kept(link, view, False, hidden)
    if view is None or not fault.latency_ns or view.rtt_ns < 0:
        return reading
    if view.rtt_ns - _quickest_ns(earlier, link) < 2 * fault.latency_ns * 8 // 10 - fault.jitter_ns:
        return reading
    said = f"the round trip {link_name(*link)} is {view.rtt_ns // MS} ms, although nobody slowed it"
    return reading._replace(taken=said, taken_ns=view.sampled_ns, well_ns=NEVER_NS)


def _subject(link: Link) -> str:
    return f"the round trip {link_name(*link)}"


def _quickest_ns(earlier: Before, link: Link) -> int:
    known = earlier.rtts_ns.get(link)
    return min(known) if known else earlier.rtt_ns.get(link, 0)


def _noise_ns(rtts_ns: Sequence[int]) -> int:
    """What nine of ten round trips stayed below, over the quickest."""
    if not rtts_ns:
        return 0
    ordered = sorted(rtts_ns)
    return ordered[len(ordered) * 9 // 10 - (1 if len(ordered) % 10 == 0 else 0)] - ordered[0]


def healed(fault: Slow, since_ns: int, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...]) -> Proof:
    links = in_sight(expected_links(fault.links, fault.planes), samples, others)
    if links is None:
        return HIDDEN
    for link in links:
        found = fresh_link(samples, *link, LinkKind.KEPT, since_ns + PING_FAILED_AFTER_NS)
        # Half of what was added there and back, or 50 ms where nothing was: more is what it was to be rid of.
        limit_ns = _quickest_ns(earlier, link) + (fault.latency_ns or 50 * MS)
        if found is None or not found.ok or found.rtt_ns > limit_ns:
            return Proof(False, f"{link_name(*link)} is not back to its usual round trip yet")
    return Proof(True, "round trips are as before")
