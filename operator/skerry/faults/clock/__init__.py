"""`clock`: a broker's wall clock is wrong."""

from __future__ import annotations

from skerry.faults.clock import proof
from skerry.faults.clock.fault import FEATURES, ClockShift, concrete, needs
from skerry.faults.clock.model import RULES, ClockFault
from skerry.faults.port import FaultType

FAULT = FaultType(
    body=ClockFault,
    resolved=ClockShift,
    features=FEATURES,
    concrete=concrete,
    needs=needs,
    read=proof.read,
    proven=proof.proven,
    healed=proof.healed,
    rules=RULES,
)

__all__ = ["FAULT", "ClockFault", "ClockShift"]
