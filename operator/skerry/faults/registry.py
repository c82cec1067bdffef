"""Every fault there is, by its word in the document; in the order of the reference page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from skerry.faults import clock, disk, kill, network_partition, pause, restart, slow_network, wipe
from skerry.faults.port import Absence, AnyFaultType, FaultBody, Feature, ResolvedFault
from skerry.schema.registry import by_word

GROUP = "skerry.faults"
"""Entry points of this group name the ``FAULT`` of a fault that is installed beside Skerry."""
BUILT_IN: tuple[AnyFaultType, ...] = (
    network_partition.FAULT,
    slow_network.FAULT,
    kill.FAULT,
    restart.FAULT,
    pause.FAULT,
    wipe.FAULT,
    disk.FAULT,
    clock.FAULT,
)

FAULTS = by_word(GROUP, BUILT_IN, lambda fault: fault.kind)

if TYPE_CHECKING:
    AnyFault = ResolvedFault
else:  # msgspec decodes by the tag, and needs to know every struct
    AnyFault = Union[tuple(fault.resolved for fault in FAULTS.values())]  # noqa: UP007 (made at run time)


def fault_type(fault: ResolvedFault) -> AnyFaultType:
    """What is known of a concrete fault's kind."""
    return FAULTS[fault.kind]


def features() -> tuple[Feature, ...]:
    """Everything that some fault can need of a world."""
    return tuple(feature for fault in FAULTS.values() for feature in fault.features)


def absence(kind: str, body: FaultBody) -> Absence:
    """Whether the victims of such a fault are there; one that is not known takes nobody away."""
    known = FAULTS.get(kind)
    return Absence.NEVER if known is None else known.absence(body)


def ends_processes(kind: str) -> bool:
    """Whether such a fault may end its victims' processes; one that is not known ends none."""
    known = FAULTS.get(kind)
    return known is not None and known.ends_processes


def may_lose_disk(kind: str, body: FaultBody | None, flush: str) -> bool:
    """Whether such a fault may take what was acknowledged.

    ``body``: None: the document is not known; then the worst is assumed.
    ``flush``: the brokers' policy, `group` or another.
    """
    known = FAULTS.get(kind)
    return known is not None and known.may_lose_disk(body, flush)
