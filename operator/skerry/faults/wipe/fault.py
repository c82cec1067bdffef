"""The loss of a volume, with concrete brokers."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.faults.port import Effect, Feature, Groups, ResolvedFault
from skerry.faults.wipe.model import WipeFault

WIPE = Feature("wipe")
FEATURES = (WIPE,)


class Wipe(ResolvedFault, frozen=True, tag="wipe"):
    """The process is killed, its data directory emptied, and it is kept down until ``Heal``."""

    ordinals: tuple[int, ...]
    down_for_ns: int = 0

    @property
    def victims(self) -> frozenset[int]:
        return frozenset(self.ordinals)

    def effects(self) -> tuple[Effect, ...]:
        return (Effect(down=frozenset(self.ordinals)),)


def concrete(body: WipeFault, groups: Groups) -> Wipe:
    return Wipe(tuple(ordinal for group in groups for ordinal in group), body.down_for_ns)


def needs(body: WipeFault) -> Iterator[Feature]:
    yield WIPE
