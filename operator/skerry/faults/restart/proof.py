"""How a restart is seen: every process is another one, and all have registered."""

from __future__ import annotations

from skerry.faults.broker_proofs import BACK, GONE, each_broker, gone, registered
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import Before, Proof
from skerry.faults.restart.fault import Restart
from skerry.faults.samples import Samples


def verify(
    fault: Restart,
    since_ns: int,
    samples: Samples,
    earlier: Before,
    others: tuple[ResolvedFault, ...] = (),
    elapsed_ns: int = 0,
) -> Proof:
    """Is the process gone?"""
    return each_broker(fault.ordinals, samples, GONE, lambda view: gone(view, since_ns, earlier))


def healed(fault: Restart, since_ns: int, samples: Samples, earlier: Before, excused: frozenset[int]) -> Proof:
    """Are all of them back?"""
    return each_broker(fault.ordinals, samples, BACK, lambda view: registered(view, since_ns, earlier))
