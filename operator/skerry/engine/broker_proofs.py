"""Proofs about brokers: what is missing at one of them, as words; empty: nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from skerry.engine.faults import ClockShift, Disk, ResolvedFault, Wipe
from skerry.engine.observation import BrokerView, Observation, ProcessState
from skerry.engine.proof import Before, Proof

MissingOf = Callable[[BrokerView], str]


def each_broker(ordinals: Iterable[int], observation: Observation, said: str, missing_of: MissingOf) -> Proof:
    """``said``: of what nothing is missing, for all of the ordinals."""
    for ordinal in sorted(ordinals):
        view = observation.broker(ordinal)
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


def registered(view: BrokerView, fault: ResolvedFault, since_ns: int, earlier: Before) -> str:
    old = earlier.brokers.get(view.ordinal)
    if not view.reachable or view.sampled_ns < since_ns:
        return f"broker {view.ordinal} does not answer yet"
    if old is not None and (view.incarnation == old.incarnation or view.broker_epoch <= old.broker_epoch):
        return f"broker {view.ordinal} has not registered yet"
    if view.broker_epoch < 0:
        return f"broker {view.ordinal} has not registered yet"
    if isinstance(fault, Wipe) and old is not None and view.directory_id == old.directory_id:
        return f"broker {view.ordinal} came back with its old data directory"
    return ""


def paused(view: BrokerView, since_ns: int) -> str:
    if view.process is not ProcessState.STOPPED or view.process_sampled_ns < since_ns:
        return f"the process of broker {view.ordinal} is not in state T"
    if view.sampled_ns < since_ns or view.reachable:
        return f"broker {view.ordinal} still answers"
    return ""


def runs(view: BrokerView, since_ns: int) -> str:
    if view.process is ProcessState.STOPPED:
        return f"the process of broker {view.ordinal} is still in state T"
    return answers(view, since_ns)


def answers(view: BrokerView, since_ns: int) -> str:
    fresh = view.reachable and view.sampled_ns >= since_ns
    return "" if fresh else f"broker {view.ordinal} does not answer yet"


def disk_damaged(view: BrokerView, fault: Disk, since_ns: int, earlier: Before) -> str:
    if fault.power_cut:
        return gone(view, since_ns, earlier)
    if view.sampled_ns < since_ns:
        return f"broker {view.ordinal} was not looked at"
    if fault.fsync_error and not view.log_offline:
        return f"broker {view.ordinal} has not taken its log offline"
    if fault.slow_by_ns and view.fsync_ns < fault.slow_by_ns:
        return f"no fsync of broker {view.ordinal} was seen to take that long"
    return ""


def disk_whole(view: BrokerView, fault: Disk, since_ns: int) -> str:
    slow = fault.slow_by_ns and view.fsync_ns >= fault.slow_by_ns
    return f"an fsync of broker {view.ordinal} still takes that long" if slow else answers(view, since_ns)


def clock_off(view: BrokerView, fault: ClockShift, since_ns: int, earlier: Before, elapsed_ns: int) -> str:
    old = earlier.brokers.get(view.ordinal)
    if view.clock_offset_ns is None or view.sampled_ns < since_ns or old is None or old.clock_offset_ns is None:
        return f"the clock of broker {view.ordinal} was not measured"
    moved_ns = view.clock_offset_ns - old.clock_offset_ns
    asked_ns = fault.jump_ns + elapsed_ns * fault.drift_ppm // 1_000_000
    if asked_ns == 0 or moved_ns * 10 // asked_ns < 8:
        return f"the clock of broker {view.ordinal} moved by {moved_ns // 10**6} ms only"
    return ""
