"""Proofs about brokers: what is missing at one of them, as words; empty: nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from skerry.faults.proof import Before, Proof
from skerry.faults.samples import BrokerView, Samples

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
    return Proof(True, said_of(ordinals, said))


def said_of(ordinals: Iterable[int], said: str) -> str:
    """``said`` of all of these brokers."""
    return f"broker {', '.join(str(ordinal) for ordinal in sorted(ordinals))}: {said}"


def stopped_in_order(ordinals: Iterable[int], samples: Samples) -> str:
    """Who registered as after a clean shutdown although it was to crash, as words; empty: nobody."""
    for ordinal in ordinals:
        view = samples.broker(ordinal)
        if view is not None and view.registered_clean:
            return f"broker {ordinal} registered as after a clean shutdown: it was not killed"
    return ""


def crashed(ordinals: Iterable[int], samples: Samples) -> str:
    """Who registered as after a crash although it was to stop in order, as words; empty: nobody."""
    for ordinal in ordinals:
        view = samples.broker(ordinal)
        if view is not None and view.registered_clean is False:
            return f"broker {ordinal} registered as after a crash: it was not stopped in order"
    return ""


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
