"""How the damage of a disk is seen, and its end."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.faults.broker_proofs import BACK, GONE, answers, each_broker, registered, said_of
from skerry.faults.disk.fault import Disk
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import Before, Proof
from skerry.faults.readings import Reading, cover_of, of_broker, of_others, of_process
from skerry.faults.samples import BrokerView, Samples


def read(fault: Disk, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...] = ()) -> Iterator[Reading]:
    """A power cut takes the process; damage that lasts shows when the broker uses its disk."""
    down = cover_of(others).down
    for ordinal in fault.ordinals:
        view = samples.broker(ordinal)
        if fault.power_cut:
            yield of_process(view, ordinal, earlier, lasts=fault.down_for_ns > 0)
        else:
            yield _damaged(fault, view, ordinal, earlier, ordinal in down)
    yield from of_others(samples, fault.victims, others)


def proven(fault: Disk) -> str:
    """What was seen, when it is."""
    return said_of(fault.ordinals, GONE if fault.power_cut else "the damage shows")


def _damaged(fault: Disk, view: BrokerView | None, ordinal: int, earlier: Before, hidden: bool) -> Reading:
    reading = of_broker(view, ordinal, whole=f"broker {ordinal} was not looked at", lazy=True, hidden=hidden)
    if view is None or not view.reachable:
        return reading
    missing = ""
    if fault.fsync_error and not view.log_offline:
        missing = f"broker {ordinal} has not taken its log offline"
    elif fault.slow_by_ns and view.fsync_ns < fault.slow_by_ns:
        missing = f"no fsync of broker {ordinal} was seen to take that long"
    if missing:
        return reading._replace(whole=missing, well_ns=view.sampled_ns)
    # An fsync that has taken so long was slow from its beginning on.
    began_ns = view.sampled_ns - (view.fsync_ns if fault.slow_by_ns else 0)
    return reading._replace(taken_ns=max(began_ns, earlier.at_ns))


def healed(fault: Disk, since_ns: int, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...]) -> Proof:
    """Is the damage gone?"""
    if fault.power_cut:
        return each_broker(fault.ordinals, samples, BACK, lambda view: registered(view, since_ns, earlier))
    return each_broker(fault.ordinals, samples, "the damage is gone", lambda view: _whole(view, fault, since_ns))


def _whole(view: BrokerView, fault: Disk, since_ns: int) -> str:
    slow = fault.slow_by_ns and view.fsync_ns >= fault.slow_by_ns
    return f"an fsync of broker {view.ordinal} still takes that long" if slow else answers(view, since_ns)
