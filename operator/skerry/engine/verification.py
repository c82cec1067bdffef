"""Did the fault bite, and is it gone? Judged only by what brokers and the kernel report after the action.

Every function here answers with a `Proof`: proven, or what is still missing, as the words that the report will use if
it never comes. Samples asked before the action (plus 300 ms where a ping is involved: a kept connection counts as
failed after that long without an answer) prove nothing and are passed over.

Tolerances of `slow`, stated because "measured" needs them: the round trip of a kept connection must lie between 80 % of
what the added latency makes it at least, and what it makes it at most plus 50 % and 50 ms over the round trip before.
Loss: measured at least half of what was asked. Rate: measured at most 125 % of it. Loss below 5 % is too rare to be
seen during a fault: it is accepted on the strength of the latency beside it, and named as unmeasured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from skerry.engine.faults import ClockShift, Cut, Disk, Kill, Pause, ResolvedFault, Restart, Slow, Wipe, victims
from skerry.engine.observation import BrokerView, LinkKind, LinkView, Observation, ProcessState
from skerry.experiment.vocabulary import Connections, KillHow, Plane

PING_FAILED_AFTER_NS = 300_000_000
PEER_PLANES = (Plane.RAFT, Plane.REPLICATION)
"""Brokers ping each other on these; on the client plane only when a fault names it."""
RARE_LOSS_PERCENT = 5
GONE = "the process is gone, or another one in its place"
BACK = "registered again"


_MissingOf = Callable[[BrokerView], str]
"""What is missing at one broker; empty: nothing."""


class Proof(msgspec.Struct, frozen=True):
    proven: bool
    detail: str
    """Proven: by what. Not (yet): what is missing."""


class Before(msgspec.Struct, frozen=True):
    """How things were before the fault, to compare with."""

    brokers: Mapping[int, BrokerView]
    rtt_ns: Mapping[tuple[int, int, Plane], int]


def before(observation: Observation) -> Before:
    return Before(
        {view.ordinal: view for view in observation.brokers},
        {
            (link.source, link.target, link.plane): link.rtt_ns
            for link in observation.links
            if link.kind is LinkKind.KEPT and link.rtt_ns >= 0
        },
    )


def verify(
    fault: ResolvedFault,
    since_ns: int,
    observation: Observation,
    earlier: Before,
    others: Iterable[ResolvedFault] = (),
    elapsed_ns: int = 0,
) -> Proof:
    """Is the fault in effect?

    :param since_ns: when its injection was complete.
    :param others: the other faults that are active; what they touch says nothing about this one.
    :param elapsed_ns: time since it took effect (for a drifting clock).
    """
    match fault:
        case Cut():
            return _cut(fault, since_ns, observation, tuple(others))
        case Slow():
            return _slow(fault, since_ns, observation, earlier)
        case Pause():
            said = "the process is in state T, and silent"
            return _each(fault.ordinals, observation, said, lambda view: _paused(view, since_ns))
        case Kill() | Wipe() | Restart():
            return _each(fault.ordinals, observation, GONE, lambda view: _gone(view, since_ns, earlier))
        case Disk():
            said = GONE if fault.power_cut else "the damage shows"
            return _each(fault.ordinals, observation, said, lambda view: _disk(view, fault, since_ns, earlier))
        case ClockShift():
            said = "the clock is off as asked"
            return _each(
                fault.ordinals, observation, said, lambda view: _clock(view, fault, since_ns, earlier, elapsed_ns)
            )


def healed(
    fault: ResolvedFault,
    since_ns: int,
    observation: Observation,
    earlier: Before,
    others: Iterable[ResolvedFault] = (),
) -> Proof:
    """Is the fault gone, as measured after ``since_ns`` (when the heal was complete)?"""
    excused = frozenset(ordinal for other in others for ordinal in victims(other))
    match fault:
        case Cut():
            for link in _expected(fault.links, fault.planes, both_ways=True):
                if excused & set(link[:2]):
                    continue  # another fault holds it
                missing = _whole(link, since_ns, observation)
                if missing:
                    return Proof(False, missing)
            return Proof(True, "every pair that was cut answers again")
        case Slow():
            for link in _expected(fault.links, fault.planes):
                if excused & set(link[:2]):
                    continue
                found = _fresh(observation, *link, LinkKind.KEPT, since_ns + PING_FAILED_AFTER_NS)
                limit_ns = earlier.rtt_ns.get(link, 0) + fault.latency_ns // 2 + 50_000_000
                if found is None or not found.ok or found.rtt_ns > limit_ns:
                    return Proof(False, f"{_name(*link)} is not back to its usual round trip yet")
            return Proof(True, "round trips are as before")
        case Pause():
            return _each(fault.ordinals, observation, "it runs, and answers", lambda view: _runs(view, since_ns))
        case Kill() | Restart() | Wipe():
            return _each(fault.ordinals, observation, BACK, lambda view: _registered(view, fault, since_ns, earlier))
        case Disk() if fault.power_cut:
            return _each(fault.ordinals, observation, BACK, lambda view: _registered(view, fault, since_ns, earlier))
        case Disk():
            said = "the damage is gone"
            return _each(fault.ordinals, observation, said, lambda view: _disk_whole(view, fault, since_ns))
        case ClockShift():
            return _each(fault.ordinals, observation, "it answers", lambda view: _answers(view, since_ns))


def was_crash(fault: ResolvedFault, observation: Observation) -> Proof | None:
    """The final word on a kill: a registration after a *clean* shutdown was no crash. None: nothing to object."""
    if not isinstance(fault, Kill) or fault.how is not KillHow.PROCESS:
        return None
    for ordinal in fault.ordinals:
        view = observation.broker(ordinal)
        if view is not None and view.registered_clean:
            return Proof(False, f"broker {ordinal} registered as after a clean shutdown: it was not killed")
    return None


# --- cuts -----------------------------------------------------------------------------------------------


def _cut(fault: Cut, since_ns: int, observation: Observation, others: tuple[ResolvedFault, ...]) -> Proof:
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


Link = tuple[int, int, Plane]


def _silent(link: Link, since_ns: int, observation: Observation, connections: Connections) -> str:
    new = _fresh(observation, *link, LinkKind.NEW, since_ns)
    if new is None:
        return f"no new connection {_name(*link)} was tried"
    if new.ok:
        return f"a new connection {_name(*link)} still succeeds"
    if connections is Connections.NEW:
        return ""
    kept = _fresh(observation, *link, LinkKind.KEPT, since_ns + PING_FAILED_AFTER_NS)
    if kept is None:
        return f"the kept connection {_name(*link)} was not looked at"
    return f"the kept connection {_name(*link)} still answers" if kept.ok else ""


def _answering(link: Link, since_ns: int, observation: Observation) -> str:
    """What is wrong with a pair that nobody cut; nothing when it answers (or this plane is not pinged at all)."""
    new = _fresh(observation, *link, LinkKind.NEW, since_ns)
    kept = _fresh(observation, *link, LinkKind.KEPT, since_ns + PING_FAILED_AFTER_NS)
    for found, kind in ((new, "new"), (kept, "kept")):
        if found is None:
            return f"the {kind} connection {_name(*link)}, which nobody cut, was not looked at"
        if not found.ok:
            return f"the {kind} connection {_name(*link)} fails, although nobody cut it"
    return ""


def _whole(link: Link, since_ns: int, observation: Observation) -> str:
    """What a healed pair still lacks. Both kinds count: a cut of new connections never touched the kept ones."""
    for kind in (LinkKind.NEW, LinkKind.KEPT):
        found = _fresh(observation, *link, kind, since_ns)
        if found is None or not found.ok:
            return f"a {kind.value} connection {_name(*link)} does not answer yet"
    return ""


def _one_way(link: Link, since_ns: int, observation: Observation) -> str:
    """A round trip fails whichever way is cut, so one-way cuts are proven by numbered datagrams."""
    source, target, plane = link
    at_target = _fresh(observation, target, source, plane, LinkKind.KEPT, since_ns)
    at_source = _fresh(observation, source, target, plane, LinkKind.KEPT, since_ns)
    if at_target is None or at_source is None or at_target.received_one_way < 0 or at_source.received_one_way < 0:
        return f"one-way datagrams between {source} and {target} on {plane} were not measured"
    if at_target.received_one_way > 0:
        return f"datagrams {_name(*link)} still arrive"
    return "" if at_source.received_one_way > 0 else f"datagrams {_name(target, source, plane)} do not arrive either"


# --- slow networks --------------------------------------------------------------------------------------


def _slow(fault: Slow, since_ns: int, observation: Observation, earlier: Before) -> Proof:
    unmeasured = set()
    for link in _expected(fault.links, fault.planes):
        # A ping must have made the round trip under the fault, so the sample is younger than that.
        seen = _fresh(observation, *link, LinkKind.KEPT, since_ns + PING_FAILED_AFTER_NS + 2 * fault.latency_ns)
        if seen is None:
            return Proof(False, f"no round trip {_name(*link)} was measured")
        if fault.latency_ns:
            low_ns = (fault.latency_ns - fault.jitter_ns) * 2 * 8 // 10
            high_ns = (earlier.rtt_ns.get(link, 0) + 2 * (fault.latency_ns + fault.jitter_ns)) * 3 // 2 + 50_000_000
            if not low_ns <= seen.rtt_ns <= high_ns:
                span = f"{low_ns // 10**6} to {high_ns // 10**6} ms expected"
                return Proof(False, f"the round trip {_name(*link)} is {seen.rtt_ns // 10**6} ms ({span})")
        if fault.loss_percent and seen.lost_percent * 2 < fault.loss_percent:
            if fault.loss_percent >= RARE_LOSS_PERCENT or not fault.latency_ns:
                return Proof(False, f"a loss of {fault.loss_percent} % {_name(*link)} was not measured")
            unmeasured.add("loss")
        if fault.rate_kbps and not 0 <= seen.rate_kbps * 4 <= fault.rate_kbps * 5:
            if seen.rate_kbps >= 0:
                return Proof(False, f"{_name(*link)} still carries {seen.rate_kbps} kbit/s")
            if not fault.latency_ns:
                return Proof(False, f"the rate {_name(*link)} was not measured")
            unmeasured.add("rate")
    note = f"; not measured: {', '.join(sorted(unmeasured))}" if unmeasured else ""
    return Proof(True, f"round trips are as slow as asked{note}")


# --- brokers --------------------------------------------------------------------------------------------


def _gone(view: BrokerView, since_ns: int, earlier: Before) -> str:
    if view.process is ProcessState.GONE and view.process_sampled_ns >= since_ns:
        return ""
    old = earlier.brokers.get(view.ordinal)
    # It may be back before anybody looked: another incarnation is as good as an absence.
    if view.incarnation and old is not None and view.sampled_ns >= since_ns and view.incarnation != old.incarnation:
        return ""
    return f"the process of broker {view.ordinal} is not gone"


def _registered(view: BrokerView, fault: ResolvedFault, since_ns: int, earlier: Before) -> str:
    old = earlier.brokers.get(view.ordinal)
    if not view.reachable or view.sampled_ns < since_ns:
        return f"broker {view.ordinal} does not answer yet"
    if old is not None and (view.incarnation == old.incarnation or view.broker_epoch <= old.broker_epoch):
        return f"broker {view.ordinal} has not registered yet"
    if view.broker_epoch < 0:
        return f"broker {view.ordinal} has not registered yet"
    if isinstance(fault, Wipe) and old is not None and view.directory_id == old.directory_id:
        return f"broker {view.ordinal} came back with its old data directory"
    return ""


def _paused(view: BrokerView, since_ns: int) -> str:
    if view.process is not ProcessState.STOPPED or view.process_sampled_ns < since_ns:
        return f"the process of broker {view.ordinal} is not in state T"
    if view.sampled_ns < since_ns or view.reachable:
        return f"broker {view.ordinal} still answers"
    return ""


def _runs(view: BrokerView, since_ns: int) -> str:
    if view.process is ProcessState.STOPPED:
        return f"the process of broker {view.ordinal} is still in state T"
    return _answers(view, since_ns)


def _answers(view: BrokerView, since_ns: int) -> str:
    fresh = view.reachable and view.sampled_ns >= since_ns
    return "" if fresh else f"broker {view.ordinal} does not answer yet"


def _disk(view: BrokerView, fault: Disk, since_ns: int, earlier: Before) -> str:
    if fault.power_cut:
        return _gone(view, since_ns, earlier)
    if view.sampled_ns < since_ns:
        return f"broker {view.ordinal} was not looked at"
    if fault.fsync_error and not view.log_offline:
        return f"broker {view.ordinal} has not taken its log offline"
    if fault.slow_by_ns and view.fsync_ns < fault.slow_by_ns:
        return f"no fsync of broker {view.ordinal} was seen to take that long"
    return ""


def _disk_whole(view: BrokerView, fault: Disk, since_ns: int) -> str:
    slow = fault.slow_by_ns and view.fsync_ns >= fault.slow_by_ns
    return f"an fsync of broker {view.ordinal} still takes that long" if slow else _answers(view, since_ns)


def _clock(view: BrokerView, fault: ClockShift, since_ns: int, earlier: Before, elapsed_ns: int) -> str:
    old = earlier.brokers.get(view.ordinal)
    if view.clock_offset_ns is None or view.sampled_ns < since_ns or old is None or old.clock_offset_ns is None:
        return f"the clock of broker {view.ordinal} was not measured"
    moved_ns = view.clock_offset_ns - old.clock_offset_ns
    asked_ns = fault.jump_ns + elapsed_ns * fault.drift_ppm // 1_000_000
    if asked_ns == 0 or moved_ns * 10 // asked_ns < 8:
        return f"the clock of broker {view.ordinal} moved by {moved_ns // 10**6} ms only"
    return ""


# --- helpers --------------------------------------------------------------------------------------------


def _each(ordinals: Iterable[int], observation: Observation, said: str, missing_of: _MissingOf) -> Proof:
    """``said``: of what nothing is missing, for all of the ordinals."""
    for ordinal in sorted(ordinals):
        view = observation.broker(ordinal)
        missing = f"nothing is known of broker {ordinal}" if view is None else missing_of(view)
        if missing:
            return Proof(False, missing)
    shown = ", ".join(str(ordinal) for ordinal in sorted(ordinals))
    return Proof(True, f"broker {shown}: {said}")


def _expected(
    links: Iterable[tuple[int, int]], planes: Iterable[Plane], both_ways: bool = False
) -> Iterator[tuple[int, int, Plane]]:
    pairs = set(links)
    pairs |= {(b, a) for a, b in pairs} if both_ways else set()
    for plane in planes:
        for source, target in sorted(pairs):
            yield source, target, plane


def _fresh(
    observation: Observation, source: int, target: int, plane: Plane, kind: LinkKind, since_ns: int
) -> LinkView | None:
    return next(
        (
            link
            for link in observation.links
            if link.source == source
            and link.target == target
            and link.plane == plane
            and link.kind is kind
            and link.sampled_ns >= since_ns
        ),
        None,
    )


def _name(source: int, target: int, plane: Plane) -> str:
    return f"{source} -> {target} on {plane}"
