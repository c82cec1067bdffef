"""Did the fault bite, and is it gone? Judged only by what brokers and the kernel report after the action.

Every function here answers with a `Proof`: proven, or what is still missing, as the words that the report will use if
it never comes. Samples asked before the action (plus 300 ms where a ping is involved: a kept connection counts as
failed after that long without an answer) prove nothing and are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable

from skerry.engine.broker_proofs import (
    answers,
    clock_off,
    disk_damaged,
    disk_whole,
    each_broker,
    gone,
    paused,
    registered,
    runs,
)
from skerry.engine.faults import ClockShift, Cut, Disk, Kill, Pause, ResolvedFault, Restart, Slow, Wipe, victims
from skerry.engine.link_proofs import cut_healed, cut_proof, slow_healed, slow_proof
from skerry.engine.observation import Observation
from skerry.engine.proof import Before, Proof
from skerry.schema.vocabulary import KillHow

GONE = "the process is gone, or another one in its place"
BACK = "registered again"


def verify(
    fault: ResolvedFault,
    since_ns: int,
    observation: Observation,
    earlier: Before,
    others: Iterable[ResolvedFault] = (),
    elapsed_ns: int = 0,
) -> Proof:
    """Is the fault in effect?

    :param since_ns: when its injection was complete.
    :param others: the other faults that are active; what they touch says nothing about this one.
    :param elapsed_ns: time since it took effect (for a drifting clock).
    """
    seen = observation
    match fault:
        case Cut():
            return cut_proof(fault, since_ns, observation, tuple(others))
        case Slow():
            return slow_proof(fault, since_ns, observation, earlier)
        case Pause():
            said = "the process is in state T, and silent"
            return each_broker(fault.ordinals, seen, said, lambda view: paused(view, since_ns))
        case Kill() | Wipe() | Restart():
            return each_broker(fault.ordinals, seen, GONE, lambda view: gone(view, since_ns, earlier))
        case Disk():
            said = GONE if fault.power_cut else "the damage shows"
            return each_broker(fault.ordinals, seen, said, lambda view: disk_damaged(view, fault, since_ns, earlier))
        case ClockShift():
            said = "the clock is off as asked"
            return each_broker(
                fault.ordinals, seen, said, lambda view: clock_off(view, fault, since_ns, earlier, elapsed_ns)
            )


def healed(
    fault: ResolvedFault,
    since_ns: int,
    observation: Observation,
    earlier: Before,
    others: Iterable[ResolvedFault] = (),
) -> Proof:
    """Is the fault gone, as measured after ``since_ns`` (when the heal was complete)?"""
    excused = frozenset(ordinal for other in others for ordinal in victims(other))
    excused |= frozenset(view.ordinal for view in observation.brokers if view.exited)
    seen = observation
    match fault:
        case Cut():
            return cut_healed(fault, since_ns, observation, excused)
        case Slow():
            return slow_healed(fault, since_ns, observation, earlier, excused)
        case Pause():
            return each_broker(fault.ordinals, seen, "it runs, and answers", lambda view: runs(view, since_ns))
        case Kill() | Restart() | Wipe():
            return each_broker(fault.ordinals, seen, BACK, lambda view: registered(view, fault, since_ns, earlier))
        case Disk() if fault.power_cut:
            return each_broker(fault.ordinals, seen, BACK, lambda view: registered(view, fault, since_ns, earlier))
        case Disk():
            said = "the damage is gone"
            return each_broker(fault.ordinals, seen, said, lambda view: disk_whole(view, fault, since_ns))
        case ClockShift():
            return each_broker(fault.ordinals, seen, "it answers", lambda view: answers(view, since_ns))


def was_crash(fault: ResolvedFault, observation: Observation) -> Proof | None:
    """The final word on a kill: a registration after a *clean* shutdown was no crash. None: nothing to object."""
    if not isinstance(fault, Kill) or fault.how is not KillHow.PROCESS:
        return None
    for ordinal in fault.ordinals:
        view = observation.broker(ordinal)
        if view is not None and view.registered_clean:
            return Proof(False, f"broker {ordinal} registered as after a clean shutdown: it was not killed")
    return None
