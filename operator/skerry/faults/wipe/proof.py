"""How the loss of a volume is seen: the process is gone, and comes back as another voter."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.faults.broker_proofs import BACK, GONE, each_broker, registered, said_of
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import Before, Proof
from skerry.faults.readings import Reading, of_others, of_process
from skerry.faults.samples import BrokerView, Samples
from skerry.faults.wipe.fault import Wipe


def read(fault: Wipe, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...] = ()) -> Iterator[Reading]:
    """Its victims are gone, and stay so for as long as they are to be kept away."""
    for ordinal in fault.ordinals:
        yield of_process(samples.broker(ordinal), ordinal, earlier, lasts=fault.down_for_ns > 0)
    yield from of_others(samples, fault.victims, others)


def proven(fault: Wipe) -> str:
    """What was seen, when it is."""
    return said_of(fault.ordinals, GONE)


def healed(fault: Wipe, since_ns: int, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...]) -> Proof:
    """Are all of them back, as others?"""
    return each_broker(fault.ordinals, samples, BACK, lambda view: _back_empty(view, since_ns, earlier))


def _back_empty(view: BrokerView, since_ns: int, earlier: Before) -> str:
    missing = registered(view, since_ns, earlier)
    old = earlier.brokers.get(view.ordinal)
    if not missing and old is not None and view.directory_id == old.directory_id:
        return f"broker {view.ordinal} came back with its old data directory"
    return missing
