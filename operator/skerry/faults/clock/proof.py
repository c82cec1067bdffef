"""How a wrong clock is measured: against the runner's, before and after."""

from __future__ import annotations

from skerry.faults.broker_proofs import answers, each_broker
from skerry.faults.clock.fault import ClockShift
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import Before, Proof
from skerry.faults.samples import BrokerView, Samples


def verify(
    fault: ClockShift,
    since_ns: int,
    samples: Samples,
    earlier: Before,
    others: tuple[ResolvedFault, ...] = (),
    elapsed_ns: int = 0,
) -> Proof:
    """Is it off as asked?"""
    return each_broker(
        fault.ordinals,
        samples,
        "the clock is off as asked",
        lambda view: _off(view, fault, since_ns, earlier, elapsed_ns),
    )


def healed(fault: ClockShift, since_ns: int, samples: Samples, earlier: Before, excused: frozenset[int]) -> Proof:
    """Does the broker answer?"""
    return each_broker(fault.ordinals, samples, "it answers", lambda view: answers(view, since_ns))


def _off(view: BrokerView, fault: ClockShift, since_ns: int, earlier: Before, elapsed_ns: int) -> str:
    old = earlier.brokers.get(view.ordinal)
    if view.clock_offset_ns is None or view.sampled_ns < since_ns or old is None or old.clock_offset_ns is None:
        return f"the clock of broker {view.ordinal} was not measured"
    moved_ns = view.clock_offset_ns - old.clock_offset_ns
    asked_ns = fault.jump_ns + elapsed_ns * fault.drift_ppm // 1_000_000
    if asked_ns == 0 or moved_ns * 10 // asked_ns < 8:
        return f"the clock of broker {view.ordinal} moved by {moved_ns // 10**6} ms only"
    return ""
