"""What every workload is to its driver: one machine for all that clients do in a run, whatever their model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from skerry.engine.actions import Action
from skerry.engine.observation import ActionReport, WorkloadView
from skerry.workload.operations import Answer, Operation


class Workload(Protocol):
    """Used once. Every operation that ``step`` returns is answered exactly once, by a later ``step`` or `abandon`."""

    def perform(self, action: Action, now_ns: int, wall_ns: int) -> bool:
        """Begin it; False: it is none of the workload's. What it leads to comes with the next ``step``."""
        ...

    def step(self, now_ns: int, answers: Iterable[Answer] = ()) -> list[Operation]:
        """Take the answers, and return what is to be begun now."""
        ...

    @property
    def next_due_ns(self) -> int:
        """When ``step`` is wanted again even if no answer comes."""
        ...

    def abandon(self, now_ns: int) -> None:
        """The run is over in the middle: what is under way is recorded as unknown, and nothing follows."""
        ...

    def fail(self, why: str) -> None:
        """The driver cannot go on; the sentence says why."""
        ...

    def view(self, now_ns: int) -> WorkloadView: ...

    def take_reports(self) -> tuple[ActionReport, ...]:
        """New ones since the last call."""
        ...
