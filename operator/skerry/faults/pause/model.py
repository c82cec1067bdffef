"""`pause`: a broker stands still and knows nothing of it (SIGSTOP)."""

from __future__ import annotations

from skerry.faults.port import FaultBody
from skerry.schema.selectors import Selector


class PauseFault(FaultBody):
    """The process is stopped for the fault's `duration` and goes on where it was: a long garbage collection, a frozen
    virtual machine."""

    target: Selector

    def target_groups(self) -> tuple[tuple[Selector, ...], ...]:
        return ((self.target,),)
