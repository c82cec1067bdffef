"""What the simulated world does with one fault: apply it, lift it, and what of it cannot be done, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from skerry.faults.port import AnyFaultType, Feature, OccurrenceId, ResolvedFault
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.invariants.truth import Truth
from skerry.worlds.sim.tasks import Work

F = TypeVar("F", bound=ResolvedFault)


class Machines(NamedTuple):
    """What a handler may touch."""

    cluster: Cluster
    truth: Truth
    """What the invariants have to know of a disk that was taken."""


@dataclass(frozen=True)
class Handler(Generic[F]):
    """``apply`` is over when the fault is in force; ``lift`` makes it absent, whether it was ever there or not."""

    fault: AnyFaultType
    apply: Callable[[Machines, OccurrenceId, F], Work]
    lift: Callable[[Machines, OccurrenceId, F], None]
    cannot: Mapping[Feature, str] = field(default_factory=dict)

    @property
    def can(self) -> frozenset[Feature]:
        return frozenset(self.fault.features) - frozenset(self.cannot)


AnyHandler = Handler[Any]
