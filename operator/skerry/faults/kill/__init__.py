"""`kill`: a broker dies, and comes back."""

from __future__ import annotations

from skerry.faults.kill import proof
from skerry.faults.kill.fault import FEATURES, Kill, concrete, needs
from skerry.faults.kill.model import RULES, KillFault, KillHow
from skerry.faults.port import Absence, Ending, FaultType

FAULT = FaultType(
    body=KillFault,
    resolved=Kill,
    features=FEATURES,
    concrete=concrete,
    needs=needs,
    read=proof.read,
    proven=proof.proven,
    healed=proof.healed,
    disproof=proof.disproof,
    absence=lambda body: Absence.ALWAYS,
    ends_processes=True,
    stops_leader=lambda body, replicating: True,
    silenced=lambda body, planes: planes,  # a victim that is gone answers on none
    rules=RULES,
    ending=Ending("downFor", "kill"),
)

__all__ = ["FAULT", "Kill", "KillFault", "KillHow"]
