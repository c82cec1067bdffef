"""How a pause is seen: the kernel shows the process as stopped, and nobody answers for it."""

from __future__ import annotations

from skerry.faults.broker_proofs import answers, each_broker
from skerry.faults.pause.fault import Pause
from skerry.faults.port import ResolvedFault
from skerry.faults.proof import Before, Proof
from skerry.faults.samples import BrokerView, ProcessState, Samples


def verify(
    fault: Pause,
    since_ns: int,
    samples: Samples,
    earlier: Before,
    others: tuple[ResolvedFault, ...] = (),
    elapsed_ns: int = 0,
) -> Proof:
    """Does it stand still?"""
    said = "the process is in state T, and silent"
    return each_broker(fault.ordinals, samples, said, lambda view: _paused(view, since_ns))


def healed(fault: Pause, since_ns: int, samples: Samples, earlier: Before, excused: frozenset[int]) -> Proof:
    """Does it run again?"""
    return each_broker(fault.ordinals, samples, "it runs, and answers", lambda view: _runs(view, since_ns))


def _paused(view: BrokerView, since_ns: int) -> str:
    if view.process is not ProcessState.STOPPED or view.process_sampled_ns < since_ns:
        return f"the process of broker {view.ordinal} is not in state T"
    if view.sampled_ns < since_ns or view.reachable:
        return f"broker {view.ordinal} still answers"
    return ""


def _runs(view: BrokerView, since_ns: int) -> str:
    if view.process is ProcessState.STOPPED:
        return f"the process of broker {view.ordinal} is still in state T"
    return answers(view, since_ns)
