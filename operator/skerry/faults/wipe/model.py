"""`wipe`: a broker loses its volume."""

from __future__ import annotations

from skerry.faults.port import FaultBody
from skerry.schema.base import Duration
from skerry.schema.selectors import Selector


class WipeFault(FaultBody):
    """The process is killed and comes back with an empty data directory, hence as another voter."""

    target: Selector
    down_for_ns: Duration = 0
    """How long it is kept away after it took effect."""

    def target_groups(self) -> tuple[tuple[Selector, ...], ...]:
        return ((self.target,),)

    def lasts_ns(self) -> int:
        return self.down_for_ns
