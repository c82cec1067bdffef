"""How a restart is seen: every process is another one, and all have registered."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.faults.broker_proofs import BACK, GONE, crashed, each_broker, registered, said_of, stopped_in_order
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import Before, Proof
from skerry.faults.readings import Reading, of_others, of_process
from skerry.faults.restart.fault import Restart
from skerry.faults.restart.model import RestartHow
from skerry.faults.samples import Samples


def read(
    fault: Restart, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...] = ()
) -> Iterator[Reading]:
    """Each of its victims was gone, or is another process."""
    asked_to_stop = fault.how is RestartHow.GRACEFUL
    for ordinal in fault.ordinals:
        yield of_process(samples.broker(ordinal), ordinal, earlier, lasts=False, acts_first=asked_to_stop)
    yield from of_others(samples, fault.victims, others)


def proven(fault: Restart) -> str:
    """What was seen, when it is."""
    return said_of(fault.ordinals, GONE)


def healed(
    fault: Restart, since_ns: int, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...]
) -> Proof:
    """Are all of them back?"""
    return each_broker(fault.ordinals, samples, BACK, lambda view: registered(view, since_ns, earlier))


def disproof(fault: Restart, samples: Samples, gone_after_ns: int) -> str:
    """A clean registration was no crash, and one after a crash no stop in order. Empty: nothing to object."""
    ask = stopped_in_order if fault.how is RestartHow.KILL else crashed
    return ask(fault.ordinals, samples)
