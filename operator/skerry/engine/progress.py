"""How far a run has come, for those who show it: a status, a live display. The history tells the same, and more."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from skerry.history.records import FaultEvent


class Phase(StrEnum):
    PREFLIGHT = "Preflight"
    STEADY_STATE = "SteadyState"
    INJECTING = "Injecting"
    VERIFYING = "Verifying"
    HOLDING = "Holding"
    HEALING = "Healing"
    RECOVERING = "Recovering"
    DRAINING = "Draining"
    CHECKING = "Checking"
    COMPLETE = "Complete"


class Progress(msgspec.Struct, frozen=True):
    phase: Phase
    steady: bool
    """The steady state was reached."""
    waiting_for: str
    """What the phase still misses; empty: nothing."""
    fault_events: tuple[FaultEvent, ...] = ()
    """Every step of every occurrence so far, in order. It only grows."""
