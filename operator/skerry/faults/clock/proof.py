"""How a wrong clock is measured: against the runner's, before and since."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.faults.broker_proofs import answers, each_broker, said_of
from skerry.faults.clock.fault import LATE_SHARE, ClockShift
from skerry.faults.clock.model import MS, RESOLUTION_NS
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import Before, Proof
from skerry.faults.readings import NEVER_NS, Reading, cover_of, of_broker, of_others
from skerry.faults.samples import BrokerView, Samples


def read(
    fault: ClockShift, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...] = ()
) -> Iterator[Reading]:
    """Each clock has moved by what was asked for: 80 to 125 % of it, and in its direction."""
    down = cover_of(others).down
    for ordinal in fault.ordinals:
        yield _off(fault, samples.broker(ordinal), ordinal, earlier, ordinal in down)
    yield from of_others(samples, fault.victims, others)


def proven(fault: ClockShift) -> str:
    """What was seen, when it is."""
    return said_of(fault.ordinals, "the clock is off as asked")


def _off(fault: ClockShift, view: BrokerView | None, ordinal: int, earlier: Before, hidden: bool) -> Reading:
    whole = f"the clock of broker {ordinal} was not measured"
    reading = of_broker(view, ordinal, whole=whole, lazy=bool(fault.drift_ppm), hidden=hidden)
    old = earlier.brokers.get(ordinal)
    if view is None or not view.reachable or view.clock_offset_ns is None or old is None:
        return reading
    if old.clock_offset_ns is None:
        return reading
    moved_ns = view.clock_offset_ns - old.clock_offset_ns
    since_ns = max(0, view.sampled_ns - earlier.at_ns)
    drifted_ns = since_ns * fault.drift_ppm // 1_000_000
    if fault.drift_ppm and abs(drifted_ns) < RESOLUTION_NS:
        said = f"the clock of broker {ordinal} was to drift by less than {RESOLUTION_NS // MS} ms, which does not show"
        return reading._replace(whole=said)
    # A jump and a drift are each what is left when the other is taken away: a large one must not hide a small one.
    asked = [(fault.jump_ns, drifted_ns), (drifted_ns, fault.jump_ns)]
    shares = [(moved_ns - other_ns) * 100 // part_ns for part_ns, other_ns in asked if part_ns]
    if all(80 <= share <= 125 for share in shares):
        return reading._replace(taken_ns=earlier.at_ns + (since_ns // LATE_SHARE if fault.drift_ppm else since_ns))
    asked_ns = fault.jump_ns + drifted_ns
    said = f"the clock of broker {ordinal} moved by {moved_ns // MS} ms, and {asked_ns // MS} ms were asked for"
    return reading._replace(whole=said, well_ns=view.sampled_ns if min(shares) < 80 else NEVER_NS)


def healed(
    fault: ClockShift, since_ns: int, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...]
) -> Proof:
    """Is the clock where it was before? Of a drift, that nothing is added any more: what it has come to stays."""
    said = "the clock does not drift any more" if fault.drift_ppm else "the clock is right again"
    still = _still_drifts if fault.drift_ppm else _still_off
    return each_broker(
        fault.ordinals, samples, said, lambda view: answers(view, since_ns) or still(fault, since_ns, view, earlier)
    )


def _moved_ns(view: BrokerView, earlier: Before) -> int | None:
    old = earlier.brokers.get(view.ordinal)
    if old is None or old.clock_offset_ns is None or view.clock_offset_ns is None:
        return None
    return view.clock_offset_ns - old.clock_offset_ns


def _still_off(fault: ClockShift, since_ns: int, view: BrokerView, earlier: Before) -> str:
    moved_ns = _moved_ns(view, earlier)
    if moved_ns is None or abs(moved_ns) * 100 <= abs(fault.jump_ns) * 20:
        return ""
    return f"the clock of broker {view.ordinal} is still off by {moved_ns // MS} ms"


def _still_drifts(fault: ClockShift, since_ns: int, view: BrokerView, earlier: Before) -> str:
    """It would have gone on meanwhile, and come to more than it may have."""
    lasted_ns, healed_for_ns = since_ns - earlier.at_ns, view.sampled_ns - since_ns
    if healed_for_ns < fault.gone_shows_after_ns(lasted_ns):
        return f"whether the clock of broker {view.ordinal} still drifts does not show yet"
    moved_ns = _moved_ns(view, earlier)
    if moved_ns is None:
        return ""
    most_ns = (lasted_ns + healed_for_ns // 2) * abs(fault.drift_ppm) // 1_000_000
    if abs(moved_ns) <= most_ns:
        return ""
    return f"the clock of broker {view.ordinal} still drifts: it moved by {moved_ns // MS} ms"
