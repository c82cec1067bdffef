"""A kill with concrete brokers."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.faults.kill.model import GRACE_DEFAULT_NS, KillFault, KillHow
from skerry.faults.port import Effect, Feature, Groups, ResolvedFault

PROCESS = Feature("kill, how: Process")
POD_DELETE = Feature("kill, how: PodDelete")
DOWN_FOR = Feature("kill, downFor")
FEATURES = (PROCESS, POD_DELETE, DOWN_FOR)


class Kill(ResolvedFault, frozen=True, tag="kill"):
    """The process ends and is kept down. The conductor's ``Heal`` starts it again; so does the deadline."""

    ordinals: tuple[int, ...]
    how: KillHow
    down_for_ns: int
    grace_ns: int = 0
    """PodDelete: between SIGTERM and SIGKILL."""

    @property
    def victims(self) -> frozenset[int]:
        return frozenset(self.ordinals)

    def effects(self) -> tuple[Effect, ...]:
        return (Effect(down=frozenset(self.ordinals)),)

    @property
    def settling_ns(self) -> int:
        return self.grace_ns


def concrete(body: KillFault, groups: Groups) -> Kill:
    ordinals = tuple(ordinal for group in groups for ordinal in group)
    grace_ns = GRACE_DEFAULT_NS if body.grace_period_ns is None else body.grace_period_ns
    return Kill(ordinals, body.how, body.down_for_ns, grace_ns if body.how is KillHow.POD_DELETE else 0)


def needs(body: KillFault) -> Iterator[Feature]:
    yield PROCESS if body.how is KillHow.PROCESS else POD_DELETE
    if body.down_for_ns:
        yield DOWN_FOR
