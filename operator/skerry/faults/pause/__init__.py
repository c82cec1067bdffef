"""`pause`: a broker stands still and knows nothing of it (SIGSTOP)."""

from __future__ import annotations

from skerry.faults.pause import proof
from skerry.faults.pause.fault import FEATURES, Pause, concrete, needs
from skerry.faults.pause.model import PauseFault
from skerry.faults.port import Absence, FaultType

FAULT = FaultType(
    body=PauseFault,
    resolved=Pause,
    features=FEATURES,
    concrete=concrete,
    needs=needs,
    read=proof.read,
    proven=proof.proven,
    healed=proof.healed,
    absence=lambda body: Absence.ALWAYS,
    silenced=lambda body, planes: planes,  # a victim that is gone answers on none
)

__all__ = ["FAULT", "Pause", "PauseFault"]
