"""When nodes are asked to try new connections to each other, and to look closely at those that they keep open.

Kept connections are watched all the time and need no asking; new ones are tried as long as a fault of links may be in
effect. Around the moment at which such a fault begins the kept ones are watched closely, from shortly before it is due,
so that the moment is known to less than 100 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from skerry.engine.actions import CheckLinks
from skerry.engine.bounds import Bounds
from skerry.engine.fault_instance import FaultInstance
from skerry.engine.stage import Stage
from skerry.engine.step_context import StepContext
from skerry.faults.registry import FAULTS

SOON_NS = 1_000_000_000
UNANSWERED = 4
"""One request that is not answered is waited for so many times as long."""


class LinkChecks:
    """At most one request is under way, unless its answer does not come."""

    def __init__(self, bounds: Bounds, instances: Sequence[FaultInstance]) -> None:
        self._every_ns = bounds.links_every_ns
        self._instances = instances
        self._shown_by_kept = [each for each in instances if FAULTS[each.occurrence.fault.kind].shows_on_kept_links]
        self._id: int | None = None
        self._sent_ns = -(10**18)

    def step(self, context: StepContext, base_ns: Callable[[FaultInstance], int | None]) -> None:
        """``base_ns``: the moment that an occurrence counts from; None: not there yet."""
        closely = any(begins_soon(each, base_ns, context.now_ns) for each in self._shown_by_kept)
        if not (closely or any(each.wants_links for each in self._instances)):
            return
        answered = self._id is None or context.done(self._id) or context.failed(self._id)
        if context.now_ns >= self._sent_ns + self._every_ns * (1 if answered else UNANSWERED):
            self._id = context.send(CheckLinks(context.new_id(), closely=closely))
            self._sent_ns = context.now_ns


def begins_soon(instance: FaultInstance, base_ns: Callable[[FaultInstance], int | None], now_ns: int) -> bool:
    """It is about to begin, or has not been seen to have begun yet."""
    if instance.stage is Stage.WAITING:
        since_ns = base_ns(instance)
        return since_ns is not None and now_ns >= since_ns + instance.occurrence.offset_ns - SOON_NS
    return instance.stage in (Stage.INJECTING, Stage.VERIFYING) and instance.effective is None
