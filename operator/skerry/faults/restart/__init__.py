"""`restart`: brokers stop and start again, one by one or together."""

from __future__ import annotations

from skerry.faults.port import Absence, Ending, FaultType
from skerry.faults.restart import proof
from skerry.faults.restart.fault import FEATURES, Restart, concrete, needs
from skerry.faults.restart.model import RULES, RestartFault, RestartHow, RestartOrder

FAULT = FaultType(
    body=RestartFault,
    resolved=Restart,
    features=FEATURES,
    concrete=concrete,
    needs=needs,
    read=proof.read,
    proven=proof.proven,
    healed=proof.healed,
    disproof=proof.disproof,
    absence=lambda body: Absence.AT_TIMES,
    ends_processes=True,
    rules=RULES,
    ending=Ending("pauseBetween", "restart", counts=False),
)

__all__ = ["FAULT", "Restart", "RestartFault", "RestartHow", "RestartOrder"]
