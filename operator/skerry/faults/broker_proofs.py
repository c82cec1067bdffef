"""Proofs about brokers: what is missing at one of them, as words; empty: nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from skerry.faults.proof import Before, Proof
from skerry.faults.samples import BrokerView, ProcessState, Samples

GONE = "the process is gone, or another one in its place"
BACK = "registered again"
MissingOf = Callable[[BrokerView], str]


def each_broker(ordinals: Iterable[int], samples: Samples, said: str, missing_of: MissingOf) -> Proof:
    """``said``: of what nothing is missing, for all of the ordinals."""
    for ordinal in sorted(ordinals):
        view = samples.broker(ordinal)
        missing = f"nothing is known of broker {ordinal}" if view is None else missing_of(view)
        if missing:
            return Proof(False, missing)
    shown = ", ".join(str(ordinal) for ordinal in sorted(ordinals))
    return Proof(True, f"broker {shown}: {said}")


def gone(view: BrokerView, since_ns: int, earlier: Before) -> str:
    if view.process is ProcessState.GONE and view.process_sampled_ns >= since_ns:
        return ""
    old = earlier.brokers.get(view.ordinal)
    # It may be back before anybody looked: another incarnation is as good as an absence.
    if view.incarnation and old is not None and view.sampled_ns >= since_ns and view.incarnation != old.incarnation:
        return ""
    return f"the process of broker {view.ordinal} is not gone"


def registered(view: BrokerView, since_ns: int, earlier: Before) -> str:
    old = earlier.brokers.get(view.ordinal)
    if not view.reachable or view.sampled_ns < since_ns:
        return f"broker {view.ordinal} does not answer yet"
    if old is not None and (view.incarnation == old.incarnation or view.broker_epoch <= old.broker_epoch):
        return f"broker {view.ordinal} has not registered yet"
    if view.broker_epoch < 0:
        return f"broker {view.ordinal} has not registered yet"
    return ""


def answers(view: BrokerView, since_ns: int) -> str:
    fresh = view.reachable and view.sampled_ns >= since_ns
    return "" if fresh else f"broker {view.ordinal} does not answer yet"
