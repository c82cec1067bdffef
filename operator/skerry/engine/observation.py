"""What a world shows the conductor: one picture of the cluster, the workload, the links and the actions under way."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from skerry.faults.samples import BrokerView, LinkKind, LinkView, ProcessState, Samples
from skerry.history.records import Stall
from skerry.schema.verdict import Finding


class PartitionAcks(msgspec.Struct, frozen=True, array_like=True):
    partition: int
    acknowledged: int
    """Records, since the start."""
    last_ns: int
    """The moment of the last acknowledgement; -1: none yet."""


class WorkloadView(msgspec.Struct, frozen=True):
    started: bool = False
    acknowledged: int = 0
    """Records, since the start."""
    acks_per_second: int = 0
    """Over the last second."""
    partitions: tuple[PartitionAcks, ...] = ()
    drained: bool = False
    lost: str = ""
    """Why the workload is gone and cannot come back; the run is then Inconclusive."""
    partition_interval_ns: int = 0
    """The longest time that it means to leave between two writes to one partition."""


class ReportState(StrEnum):
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"


class ActionReport(msgspec.Struct, frozen=True):
    """How far an action has come. Repeating a report in later observations is harmless."""

    id: int
    state: ReportState
    before_ns: int
    """Read before its first side effect ..."""
    after_ns: int = -1
    """When the last reading was taken, after which it was so."""
    before_wall_ns: int = 0
    error: str = ""
    measured: bool = False
    """The two moments are those of what happened, as it was seen on the wire: of an injection, when all victims were
    whole yet, and when all were taken. Else they are those of the order and of its end."""


class InjectorView(msgspec.Struct, frozen=True):
    """What applies the faults (proxy process, injector container)."""

    alive: bool = True
    detail: str = ""
    essential: bool = False
    """The cluster cannot run without it: it carries the traffic between the brokers."""


class Observation(Samples, frozen=True):
    """The latest of everything."""

    workload: WorkloadView = WorkloadView()
    reports: tuple[ActionReport, ...] = ()
    """New ones since the last observation, or all."""
    injector: InjectorView = InjectorView()
    stalls: tuple[Stall, ...] = ()
    """New ones since the last observation."""
    findings: tuple[Finding, ...] | None = None
    """The answer to ``Check``: of properties and expectations. The conductor keeps its own findings itself."""
    abort: str = ""
    """Why the run is to be aborted (Ctrl-C, deletion, annotation); once set it stays set."""
    disproof: str = ""
    """Why a fault that was reported as done was not this world's doing, as was found out later; once set it stays set.
    All that is known of that fault by then is worth nothing, however far the run has come."""


__all__ = [
    "ActionReport",
    "BrokerView",
    "InjectorView",
    "LinkKind",
    "LinkView",
    "Observation",
    "PartitionAcks",
    "ProcessState",
    "ReportState",
    "WorkloadView",
]
