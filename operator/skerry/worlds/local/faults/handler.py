"""What the local world does with one fault: apply it, lift it, and what of it cannot be done, and why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from skerry.engine.world import Inject
from skerry.faults.port import AnyFaultType, Feature, OccurrenceId, ResolvedFault
from skerry.worlds.local.machines import Machines

F = TypeVar("F", bound=ResolvedFault)


async def _cannot(machines: Machines, action: Inject, fault: ResolvedFault) -> None:
    raise OSError(f"the local world cannot do `{fault.kind}`")


async def _nothing(machines: Machines, occurrence: OccurrenceId, fault: ResolvedFault) -> None:
    return


@dataclass(frozen=True)
class Handler(Generic[F]):
    """``apply`` is over when the fault is in force, and raises OSError, ProxyError or TimeoutError; ``lift`` makes it
    absent, whether it was ever there or not."""

    fault: AnyFaultType
    apply: Callable[[Machines, Inject, F], Awaitable[None]] = _cannot
    lift: Callable[[Machines, OccurrenceId, F], Awaitable[None]] = _nothing
    cannot: Mapping[Feature, str] = field(default_factory=dict)
    own_deadline: bool = False
    """What it set up ends by itself at the deadline; else the world lifts it then."""

    @property
    def can(self) -> frozenset[Feature]:
        return frozenset(self.fault.features) - frozenset(self.cannot)


AnyHandler = Handler[Any]
