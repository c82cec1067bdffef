"""A pause with concrete brokers."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.faults.pause.model import PauseFault
from skerry.faults.port import Effect, Feature, Groups, ResolvedFault

PAUSE = Feature("pause")
FEATURES = (PAUSE,)


class Pause(ResolvedFault, frozen=True, tag="pause"):
    """SIGSTOP; ``Heal`` is SIGCONT."""

    ordinals: tuple[int, ...]

    @property
    def victims(self) -> frozenset[int]:
        return frozenset(self.ordinals)

    def effects(self) -> tuple[Effect, ...]:
        return (Effect(down=frozenset(self.ordinals)),)


def concrete(body: PauseFault, groups: Groups) -> Pause:
    return Pause(tuple(ordinal for group in groups for ordinal in group))


def needs(body: PauseFault) -> Iterator[Feature]:
    yield PAUSE
