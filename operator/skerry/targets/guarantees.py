"""What a target owes to a write, as a table: the words of it. Part of the port; every target says its own.

A table is read from top to bottom; the first row that fits is the one, and findings quote its name. No field of a
document turns a check off: it only changes the row. What is owed to every write, whatever was asked for, stands in no
table: it is what the model of the target's clients means (``skerry.checker.models``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skerry.experiment.document import Spec

ACKS = ("All", "Leader", "None")
"""How many nodes a write can wait for, as documents and recordings say it."""


class Guarantee(StrEnum):
    DURABLE = "durable"
    """Acknowledged means there, at its place, unchanged, for ever."""
    LINEARIZABLE = "linearizable"
    """Its place agrees with real time, and with every read of the newest."""
    ONCE = "once"
    """At one place, however often it was retried."""
    ORDERED = "ordered"
    """Behind everything that its client wrote before, and whole batches only."""


@dataclass(frozen=True)
class Row:
    """``acks``, ``idempotent``: what the write asked for. ``within_budget``: enough disks kept what they had. None:
    whatever it is."""

    name: str
    guarantees: frozenset[Guarantee]
    acks: str | None = None
    idempotent: bool | None = None
    within_budget: bool | None = None

    def fits(self, acks: str, idempotent: bool, within_budget: bool) -> bool:
        return (
            self.acks in (None, acks)
            and self.idempotent in (None, idempotent)
            and self.within_budget in (None, within_budget)
        )


@dataclass(frozen=True)
class GuaranteeTable:
    """What one system owes. Invariant: every request finds a row."""

    rows: tuple[Row, ...]
    copies: Callable[[Spec], int]
    """On how many disks what was acknowledged as durable lies for certain. A run is within its budget while it has
    taken fewer of them than that."""
    replicas: Callable[[Spec], int]
    """On how many disks it lies in the end."""
    budget: str = ""
    """When a run is within its budget, for people; empty: no row asks for it."""

    def __post_init__(self) -> None:
        """Raises ValueError: some request finds no row."""
        for request in product(ACKS, (True, False), (True, False)):
            self.row(*request)

    def row(self, acks: str, idempotent: bool, within_budget: bool) -> Row:
        for row in self.rows:
            if row.fits(acks, idempotent, within_budget):
                return row
        raise ValueError(
            f"the table of what is owed has no row for acks={acks}, idempotent={idempotent}, "
            f"within_budget={within_budget}: add one, and let it owe nothing if that is so"
        )
