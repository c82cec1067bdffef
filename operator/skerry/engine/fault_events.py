"""What is recorded of a fault, step by step."""

from __future__ import annotations

from skerry.engine.interval import Bracket
from skerry.engine.step_context import StepContext
from skerry.engine.timeline import Occurrence
from skerry.faults.port import Groups, ResolvedFault
from skerry.history.records import FaultEvent, FaultStep


def fault_event(
    context: StepContext,
    occurrence: Occurrence,
    fault: ResolvedFault | None,
    groups: Groups,
    step: FaultStep,
    happened: Bracket,
    detail: str,
) -> FaultEvent:
    """The record of one step; ``fault`` is None while it is not known which brokers it hits."""
    return FaultEvent(
        fault=occurrence.fault.name,
        occurrence=occurrence.id.number,
        step=step,
        before_ns=happened.before_ns,
        after_ns=happened.after_ns,
        wall_ns=context.wall_ns(happened.before_ns),
        kind=occurrence.fault.kind,
        groups=groups,
        links=fault.pairs if fault is not None else (),
        detail=detail,
    )
