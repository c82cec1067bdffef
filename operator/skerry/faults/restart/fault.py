"""A restart with concrete brokers."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from skerry.faults.port import Effect, Feature, Groups, ResolvedFault
from skerry.faults.restart.model import RestartFault, RestartHow, RestartOrder

GRACEFUL = Feature("restart, how: Graceful")
KILL = Feature("restart, how: Kill")
FEATURES = (GRACEFUL, KILL)


class Restart(ResolvedFault, frozen=True, tag="restart"):
    """Stopped and started again, by the world; ``DONE`` is reported when the last one was started."""

    ordinals: tuple[int, ...]
    """In this order."""
    how: RestartHow
    together: bool
    pause_between_ns: int = 0
    """OneByOne: after a broker has registered again, before the next one stops."""

    @property
    def victims(self) -> frozenset[int]:
        return frozenset(self.ordinals)

    def effects(self) -> tuple[Effect, ...]:
        if self.together:
            return (Effect(down=frozenset(self.ordinals)),)
        return tuple(Effect(down=frozenset({ordinal})) for ordinal in self.ordinals)

    @property
    def gradual(self) -> bool:
        return True

    def without(self, spared: frozenset[int]) -> Restart:
        return msgspec.structs.replace(self, ordinals=tuple(each for each in self.ordinals if each not in spared))

    def injection_bound_ns(self, inject_ns: int, heal_ns: int) -> int:
        return (heal_ns + self.pause_between_ns) * len(self.ordinals)


def concrete(body: RestartFault, groups: Groups) -> Restart:
    ordinals = tuple(ordinal for group in groups for ordinal in group)
    return Restart(ordinals, body.how, body.order is RestartOrder.TOGETHER, body.pause_between_ns)


def needs(body: RestartFault) -> Iterator[Feature]:
    yield GRACEFUL if body.how is RestartHow.GRACEFUL else KILL
