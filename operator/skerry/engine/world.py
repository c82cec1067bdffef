"""The World port: what the engine needs of a world, and nothing else. `skerry.engine` tells how the two work together.

Everything a world implements or receives can be imported from here.
"""

from __future__ import annotations

from typing import Protocol

from skerry.engine.actions import (
    Action,
    Check,
    CheckLinks,
    Drain,
    Finish,
    Heal,
    HealAll,
    Inject,
    Prepare,
    Record,
    Recorded,
    StartProbe,
    StartWorkload,
    StopProbe,
)
from skerry.engine.capabilities import Capabilities
from skerry.engine.observation import (
    ActionReport,
    BrokerView,
    InjectorView,
    LinkKind,
    LinkView,
    Observation,
    PartitionAcks,
    ProcessState,
    ReportState,
    WorkloadView,
)
from skerry.faults.port import Feature, OccurrenceId, ResolvedFault


class World(Protocol):
    """A place where experiments happen. All methods return at once; none raises for a failure of the cluster.

    How its turns go: `skerry.engine.loop`.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    def now_ns(self) -> int:
        """The run's clock: nanoseconds since the start of the run."""
        ...

    def observe(self) -> Observation:
        """The latest picture; sampling goes on in the background."""
        ...

    def perform(self, action: Action) -> None:
        """Begin the action; its reports appear in later observations."""
        ...

    def report(self, report: ActionReport) -> None:
        """Show this report in a later observation: the loop's own word on an action that it did not perform."""
        ...


class Steps(Protocol):
    """The conductor, as a world sees it."""

    @property
    def finished(self) -> bool: ...

    def step(self, now_ns: int, observation: Observation) -> list[Action]: ...


__all__ = [
    "Action",
    "ActionReport",
    "BrokerView",
    "Capabilities",
    "Check",
    "CheckLinks",
    "Drain",
    "Feature",
    "Finish",
    "Heal",
    "HealAll",
    "Inject",
    "InjectorView",
    "LinkKind",
    "LinkView",
    "Observation",
    "OccurrenceId",
    "PartitionAcks",
    "Prepare",
    "ProcessState",
    "Record",
    "Recorded",
    "ReportState",
    "ResolvedFault",
    "StartProbe",
    "StartWorkload",
    "Steps",
    "StopProbe",
    "WorkloadView",
    "World",
]
