"""`disk`: a disk that lies, fails, or is slow."""

from __future__ import annotations

from skerry.faults.disk import proof
from skerry.faults.disk.fault import FEATURES, Disk, concrete, may_lose_disk, needs
from skerry.faults.disk.model import LASTING, POWER_CUT, RULES, DiskFault
from skerry.faults.port import Absence, Ending, FaultType

FAULT = FaultType(
    body=DiskFault,
    resolved=Disk,
    features=FEATURES,
    concrete=concrete,
    needs=needs,
    read=proof.read,
    proven=proof.proven,
    healed=proof.healed,
    absence=lambda body: Absence.ALWAYS if body.power_cut else Absence.NEVER,
    ends_processes=True,
    may_lose_disk=may_lose_disk,
    rules=RULES,
    lasting=LASTING,
    ending=Ending("downFor", "power cuts", POWER_CUT),
)

__all__ = ["FAULT", "Disk", "DiskFault"]
