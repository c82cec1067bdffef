"""How a wrong clock is measured: against the runner's, before and since."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.faults.broker_proofs import answers, each_broker, said_of
from skerry.faults.clock.fault import ClockShift
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import Before, Proof
from skerry.faults.readings import NEVER_NS, Reading, of_broker, of_others
from skerry.faults.samples import BrokerView, Samples

MS = 1_000_000
RESOLUTION_NS = 2 * MS
"""A drift shows when it has come to this."""
STOPPED_WITHIN_NS = 30_000 * MS
"""Whether a drift has ended is looked at for no longer than this."""


def read(
    fault: ClockShift, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...] = ()
) -> Iterator[Reading]:
    """Each clock has moved by what was asked for: 80 to 125 % of it, and in its direction."""
    for ordinal in fault.ordinals:
        yield _off(fault, samples.broker(ordinal), ordinal, earlier)
    yield from of_others(samples, fault.victims, others)


def proven(fault: ClockShift) -> str:
    """What was seen, when it is."""
    return said_of(fault.ordinals, "the clock is off as asked")


def _off(fault: ClockShift, view: BrokerView | None, ordinal: int, earlier: Before) -> Reading:
    reading = of_broker(
        view, ordinal, whole=f"the clock of broker {ordinal} was not measured", lazy=bool(fault.drift_ppm)
    )
    old = earlier.brokers.get(ordinal)
    if view is None or not view.reachable or view.clock_offset_ns is None or old is None:
        return reading
    if old.clock_offset_ns is None:
        return reading
    moved_ns = view.clock_offset_ns - old.clock_offset_ns
    asked_ns = fault.jump_ns + max(0, view.sampled_ns - earlier.at_ns) * fault.drift_ppm // 1_000_000
    if fault.drift_ppm and abs(asked_ns) < RESOLUTION_NS:
        return reading
    if 80 <= moved_ns * 100 // asked_ns <= 125:
        # A drift has come to at least 80 % of what it would be had it begun at once: so late may it have begun.
        since_ns = (view.sampled_ns - earlier.at_ns) // 4 if fault.drift_ppm else view.sampled_ns - earlier.at_ns
        return reading._replace(taken_ns=earlier.at_ns + since_ns)
    said = f"the clock of broker {ordinal} moved by {moved_ns // MS} ms, and {asked_ns // MS} ms were asked for"
    return reading._replace(whole=said, well_ns=view.sampled_ns if moved_ns * 100 // asked_ns < 80 else NEVER_NS)


def healed(fault: ClockShift, since_ns: int, samples: Samples, earlier: Before, excused: frozenset[int]) -> Proof:
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
    """It would go on to add twice what can be measured, and what it may lack because it began late, which is a fifth
    of all it should have come to."""
    lasted_ns, healed_for_ns = since_ns - earlier.at_ns, view.sampled_ns - since_ns
    shows_ns = max(2 * RESOLUTION_NS * 1_000_000 // abs(fault.drift_ppm), lasted_ns * 2 // 5)
    if healed_for_ns < min(shows_ns, STOPPED_WITHIN_NS):
        return f"whether the clock of broker {view.ordinal} still drifts does not show yet"
    moved_ns = _moved_ns(view, earlier)
    if moved_ns is None:
        return ""
    most_ns = (lasted_ns + healed_for_ns // 2) * abs(fault.drift_ppm) // 1_000_000
    if abs(moved_ns) <= most_ns:
        return ""
    return f"the clock of broker {view.ordinal} still drifts: it moved by {moved_ns // MS} ms"
