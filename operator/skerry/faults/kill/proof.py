"""How a kill is seen, and the return of the victim."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.faults.broker_proofs import BACK, GONE, crashed, each_broker, registered, said_of, stopped_in_order
from skerry.faults.kill.fault import Kill
from skerry.faults.kill.model import KillHow
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import Before, Proof
from skerry.faults.readings import Reading, of_others, of_process
from skerry.faults.samples import Samples


def read(fault: Kill, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...] = ()) -> Iterator[Reading]:
    """Its victims are gone, and stay so for as long as they are to be kept away."""
    asked_to_stop = fault.how is KillHow.POD_DELETE
    for ordinal in fault.ordinals:
        yield of_process(samples.broker(ordinal), ordinal, earlier, fault.down_for_ns > 0, asked_to_stop)
    yield from of_others(samples, fault.victims, others)


def proven(fault: Kill) -> str:
    """What was seen, when it is."""
    return said_of(fault.ordinals, GONE)


def healed(fault: Kill, since_ns: int, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...]) -> Proof:
    """Are all of them back?"""
    return each_broker(fault.ordinals, samples, BACK, lambda view: registered(view, since_ns, earlier))


def disproof(fault: Kill, samples: Samples, gone_after_ns: int) -> str:
    """A registration after a *clean* shutdown was no crash; one after a crash, within the grace period, was no stop in
    order. Empty: nothing to object."""
    if fault.how is KillHow.PROCESS:
        return stopped_in_order(fault.ordinals, samples)
    return crashed(fault.ordinals, samples) if 0 <= gone_after_ns < fault.grace_ns else ""
