"""`kill`: a broker dies, and comes back."""

from __future__ import annotations

from enum import StrEnum

from pydantic import model_validator

from skerry.faults.port import FaultBody
from skerry.schema.base import Duration, JsonObject
from skerry.schema.cel import rule
from skerry.schema.selectors import Selector


class KillHow(StrEnum):
    PROCESS = "Process"
    """A crash: SIGKILL, nothing is handed over."""
    POD_DELETE = "PodDelete"
    """SIGTERM, then SIGKILL after the grace period."""


GRACE_DEFAULT_NS = 10_000_000_000


class KillFault(FaultBody):
    """The broker's process ends, stays away for `downFor`, and starts again on the same data directory. Healed when it
    has registered."""

    target: Selector
    how: KillHow
    """Process: a crash (SIGKILL). PodDelete: SIGTERM, then SIGKILL after `gracePeriod`; a broker hands over first."""
    down_for_ns: Duration = 0
    """How long it is kept away after it took effect."""
    grace_period_ns: Duration | None = None
    """PodDelete only; default 10s."""

    @model_validator(mode="after")
    def _consistent(self) -> KillFault:
        if self.how is KillHow.PROCESS and self.grace_period_ns is not None:
            raise ValueError("`gracePeriod` has no meaning for `how: Process`, which is SIGKILL; remove it")
        return self

    def target_groups(self) -> tuple[tuple[Selector, ...], ...]:
        return ((self.target,),)

    def lasts_ns(self) -> int:
        return self.down_for_ns


RULES: dict[str, tuple[JsonObject, ...]] = {
    "KillFault": (
        rule(
            "self.how == 'PodDelete' || !has(self.gracePeriod)",
            "`gracePeriod` has no meaning for `how: Process`, which is SIGKILL; remove it",
        ),
    ),
}
