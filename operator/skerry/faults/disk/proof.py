"""How the damage of a disk is seen, and its end."""

from __future__ import annotations

from skerry.faults.broker_proofs import BACK, GONE, answers, each_broker, gone, registered
from skerry.faults.disk.fault import Disk
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import Before, Proof
from skerry.faults.samples import BrokerView, Samples


def verify(
    fault: Disk,
    since_ns: int,
    samples: Samples,
    earlier: Before,
    others: tuple[ResolvedFault, ...] = (),
    elapsed_ns: int = 0,
) -> Proof:
    """Does the damage show?"""
    said = GONE if fault.power_cut else "the damage shows"
    return each_broker(fault.ordinals, samples, said, lambda view: _damaged(view, fault, since_ns, earlier))


def healed(fault: Disk, since_ns: int, samples: Samples, earlier: Before, excused: frozenset[int]) -> Proof:
    """Is the damage gone?"""
    if fault.power_cut:
        return each_broker(fault.ordinals, samples, BACK, lambda view: registered(view, since_ns, earlier))
    return each_broker(fault.ordinals, samples, "the damage is gone", lambda view: _whole(view, fault, since_ns))


def _damaged(view: BrokerView, fault: Disk, since_ns: int, earlier: Before) -> str:
    if fault.power_cut:
        return gone(view, since_ns, earlier)
    if view.sampled_ns < since_ns:
        return f"broker {view.ordinal} was not looked at"
    if fault.fsync_error and not view.log_offline:
        return f"broker {view.ordinal} has not taken its log offline"
    if fault.slow_by_ns and view.fsync_ns < fault.slow_by_ns:
        return f"no fsync of broker {view.ordinal} was seen to take that long"
    return ""


def _whole(view: BrokerView, fault: Disk, since_ns: int) -> str:
    slow = fault.slow_by_ns and view.fsync_ns >= fault.slow_by_ns
    return f"an fsync of broker {view.ordinal} still takes that long" if slow else answers(view, since_ns)
