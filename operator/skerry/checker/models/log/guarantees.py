"""What is owed to a write, as a table: the weaker the request, the less the broker owes.

The table is read from top to bottom; the first row that fits is the one, and findings quote its name.
No field of a document turns a check off: it only changes the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from skerry.history.records import Produce


class Guarantee(StrEnum):
    DURABLE = "durable"
    """Acknowledged means there, at its offset, unchanged, for ever."""
    LINEARIZABLE = "linearizable"
    """Its place in the log agrees with real time, and with every tail read."""
    ONCE = "once"
    """At one offset, however often it was retried."""
    ORDERED = "ordered"
    """Behind everything that its producer wrote before, and whole batches only."""


ALWAYS = (
    "nothing that was never sent or definitely failed is ever read; no second value at an offset of one leader epoch; "
    "no acknowledgement for an operation invoked after one of a higher epoch completed"
)
"""Owed to every write, whatever was asked for."""


@dataclass(frozen=True)
class Row:
    """``acks``, ``idempotent``: what the write asked for (None: any). ``budget``: only while enough disks remain."""

    name: str
    acks: str | None
    idempotent: bool | None
    budget: bool
    guarantees: frozenset[Guarantee]


_D, _L, _1, _O = Guarantee.DURABLE, Guarantee.LINEARIZABLE, Guarantee.ONCE, Guarantee.ORDERED

TABLE: tuple[Row, ...] = (
    Row("acks=All, idempotent, disks within budget", "All", True, True, frozenset({_D, _L, _1, _O})),
    Row("acks=All, disks within budget", "All", False, True, frozenset({_D, _L})),
    Row("acks=All, idempotent, disks lost beyond budget", "All", True, False, frozenset()),
    Row("acks=All, disks lost beyond budget", "All", False, False, frozenset()),
    Row("acks=Leader, idempotent, disks within budget", "Leader", True, True, frozenset({_1})),
    Row("acks=Leader, disks within budget", "Leader", False, True, frozenset()),
    Row("acks=Leader, disks lost beyond budget", "Leader", None, False, frozenset()),
    Row("acks=None", "None", None, True, frozenset()),
    Row("acks=None, disks lost beyond budget", "None", None, False, frozenset()),
)


@dataclass(frozen=True)
class Guarantees:
    """The facts of a run that choose the rows.

    ``min_in_sync_replicas``: how many replicas hold an acks=All record for certain when it is acknowledged.
    ``disks_lost``: brokers whose acknowledged records a fault took away: wiped, corrupted, or (unless ``flush`` is
    ``group``) cut off from power before the flush.
    """

    min_in_sync_replicas: int = 1
    flush: str = "group"
    disks_lost: frozenset[int] = frozenset()
    replicas: int = 0
    """How many replicas a partition has; 0: nobody knows."""

    @property
    def within_budget(self) -> bool:
        """At least one disk that held the record at its acknowledgement still does."""
        return len(self.disks_lost) < self.min_in_sync_replicas

    @cached_property
    def _rows(self) -> dict[tuple[str, bool], Row]:
        """The row of every request: asked once per operation, so looked up once."""
        return {(acks, once): self._find(acks, once) for acks in ("All", "Leader", "None") for once in (True, False)}

    def row(self, acks: str, idempotent: bool) -> Row:
        return self._rows[acks, idempotent]

    def _find(self, acks: str, idempotent: bool) -> Row:
        for row in TABLE:
            if row.acks in (None, acks) and row.idempotent in (None, idempotent) and row.budget == self.within_budget:
                return row
        raise LookupError(f"the table of what is owed has no row for acks={acks}, idempotent={idempotent}")

    def row_of(self, operation: Produce) -> Row:
        return self._rows[operation.acks, operation.idempotent]

    def owes(self, operation: Produce, guarantee: Guarantee) -> bool:
        return guarantee in self._rows[operation.acks, operation.idempotent].guarantees
