"""How the loss of a volume is seen: the process is gone, and comes back as another voter."""

from __future__ import annotations

from skerry.faults.broker_proofs import BACK, GONE, each_broker, gone, registered
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import Before, Proof
from skerry.faults.samples import BrokerView, Samples
from skerry.faults.wipe.fault import Wipe


def verify(
    fault: Wipe,
    since_ns: int,
    samples: Samples,
    earlier: Before,
    others: tuple[ResolvedFault, ...] = (),
    elapsed_ns: int = 0,
) -> Proof:
    """Is the process gone?"""
    return each_broker(fault.ordinals, samples, GONE, lambda view: gone(view, since_ns, earlier))


def healed(fault: Wipe, since_ns: int, samples: Samples, earlier: Before, excused: frozenset[int]) -> Proof:
    """Are all of them back, as others?"""
    return each_broker(fault.ordinals, samples, BACK, lambda view: _back_empty(view, since_ns, earlier))


def _back_empty(view: BrokerView, since_ns: int, earlier: Before) -> str:
    missing = registered(view, since_ns, earlier)
    old = earlier.brokers.get(view.ordinal)
    if not missing and old is not None and view.directory_id == old.directory_id:
        return f"broker {view.ordinal} came back with its old data directory"
    return missing
