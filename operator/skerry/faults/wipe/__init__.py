"""`wipe`: a broker loses its volume."""

from __future__ import annotations

from skerry.faults.port import Absence, Ending, FaultType, Relies
from skerry.faults.wipe import proof
from skerry.faults.wipe.fault import FEATURES, Wipe, concrete, needs
from skerry.faults.wipe.model import WipeFault

FAULT = FaultType(
    body=WipeFault,
    resolved=Wipe,
    features=FEATURES,
    concrete=concrete,
    needs=needs,
    read=proof.read,
    proven=proof.proven,
    healed=proof.healed,
    relies=frozenset({Relies.EMPTY_REJOIN}),
    absence=lambda body: Absence.ALWAYS,
    ends_processes=True,
    may_lose_disk=lambda body, flush: True,
    ending=Ending("downFor", "wipe"),
)

__all__ = ["FAULT", "Wipe", "WipeFault"]
