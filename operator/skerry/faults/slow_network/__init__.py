"""`slow`: a bad network between brokers."""

from __future__ import annotations

from skerry.faults.port import FaultType, Relies
from skerry.faults.slow_network import proof
from skerry.faults.slow_network.fault import FEATURES, Slow, concrete, needs
from skerry.faults.slow_network.model import RULES, SlowFault

FAULT = FaultType(
    body=SlowFault,
    resolved=Slow,
    features=FEATURES,
    concrete=concrete,
    needs=needs,
    read=proof.read,
    proven=proof.proven,
    weigh=proof.weigh,
    healed=proof.healed,
    relies=frozenset({Relies.LINK_REPORTS}),
    slows=True,
    rules=RULES,
)

__all__ = ["FAULT", "Slow", "SlowFault"]
