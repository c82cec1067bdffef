"""How a pause is seen: the kernel shows the process as stopped, and nobody answers for it."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.faults.broker_proofs import answers, each_broker, said_of
from skerry.faults.pause.fault import Pause
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import Before, Proof
from skerry.faults.readings import Reading, of_broker, of_others
from skerry.faults.samples import BrokerView, ProcessState, Samples


def read(fault: Pause, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...] = ()) -> Iterator[Reading]:
    """Its victims stand still."""
    for ordinal in fault.ordinals:
        yield _paused(samples.broker(ordinal), ordinal)
    yield from of_others(samples, fault.victims, others)


def proven(fault: Pause) -> str:
    """What was seen, when it is."""
    return said_of(fault.ordinals, "the process is in state T, and silent")


def _paused(view: BrokerView | None, ordinal: int) -> Reading:
    reading = of_broker(view, ordinal, whole=f"the process of broker {ordinal} is not in state T")
    if view is None:
        return reading
    stopped = view.process is ProcessState.STOPPED
    if view.reachable:
        said = f"broker {ordinal} still answers" if stopped else reading.whole
        return reading._replace(well_ns=view.sampled_ns, whole=said)
    return reading._replace(taken_ns=view.process_sampled_ns) if stopped else reading


def healed(fault: Pause, since_ns: int, samples: Samples, earlier: Before, others: tuple[ResolvedFault, ...]) -> Proof:
    """Does it run again?"""
    return each_broker(fault.ordinals, samples, "it runs, and answers", lambda view: _runs(view, since_ns))


def _runs(view: BrokerView, since_ns: int) -> str:
    if view.process is ProcessState.STOPPED:
        return f"the process of broker {view.ordinal} is still in state T"
    return answers(view, since_ns)
