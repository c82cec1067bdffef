"""How a kill is seen, and the return of the victim."""

from __future__ import annotations

from skerry.faults.broker_proofs import BACK, GONE, each_broker, gone, registered
from skerry.faults.kill.fault import Kill
from skerry.faults.kill.model import KillHow
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import Before, Proof
from skerry.faults.samples import Samples


def verify(
    fault: Kill,
    since_ns: int,
    samples: Samples,
    earlier: Before,
    others: tuple[ResolvedFault, ...] = (),
    elapsed_ns: int = 0,
) -> Proof:
    """Is the process gone?"""
    return each_broker(fault.ordinals, samples, GONE, lambda view: gone(view, since_ns, earlier))


def healed(fault: Kill, since_ns: int, samples: Samples, earlier: Before, excused: frozenset[int]) -> Proof:
    """Are all of them back?"""
    return each_broker(fault.ordinals, samples, BACK, lambda view: registered(view, since_ns, earlier))


def disproof(fault: Kill, samples: Samples) -> Proof | None:
    """A registration after a *clean* shutdown was no crash. None: nothing to object."""
    if fault.how is not KillHow.PROCESS:
        return None
    for ordinal in fault.ordinals:
        view = samples.broker(ordinal)
        if view is not None and view.registered_clean:
            return Proof(False, f"broker {ordinal} registered as after a clean shutdown: it was not killed")
    return None
