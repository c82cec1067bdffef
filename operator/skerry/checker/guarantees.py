"""What is owed to the writes of one run: the table of its target, and the facts of the run that choose the rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from skerry.experiment import Experiment
from skerry.faults.port import FaultBody
from skerry.faults.registry import may_lose_disk
from skerry.history import History
from skerry.history.records import FaultStep, Header, Produce
from skerry.targets import registry
from skerry.targets.guarantees import ACKS, Guarantee, GuaranteeTable, Row

_HAPPENED = (FaultStep.INJECTING, FaultStep.EFFECTIVE, FaultStep.VERIFIED)

NOBODY_KNOWS = GuaranteeTable(
    rows=(Row("the system is not known, so nothing is owed", frozenset()),), copies=lambda _: 1, replicas=lambda _: 0
)
"""The table of a recording whose system this version does not know."""


@dataclass(frozen=True)
class Guarantees:
    """``copies``: on how many disks what was acknowledged as durable lies for certain. ``disks_lost``: nodes whose
    acknowledged records a fault took away: wiped, corrupted, or (unless the flush is ``group``) cut off from power
    before the flush."""

    table: GuaranteeTable
    copies: int = 1
    disks_lost: frozenset[int] = frozenset()
    replicas: int = 0
    """On how many disks it lies in the end; 0: nobody knows."""

    @property
    def within_budget(self) -> bool:
        """At least one disk that held the record at its acknowledgement still does."""
        return len(self.disks_lost) < self.copies

    @cached_property
    def _rows(self) -> dict[tuple[str, bool], Row]:
        """The row of every request: asked once per operation, so looked up once."""
        within = self.within_budget
        return {(acks, once): self.table.row(acks, once, within) for acks in ACKS for once in (True, False)}

    def row(self, acks: str = "All", idempotent: bool = False) -> Row:
        """A model whose clients cannot ask for less asks without arguments."""
        return self._rows[acks, idempotent]

    def row_of(self, operation: Produce) -> Row:
        return self._rows[operation.acks, operation.idempotent]

    def owes(self, operation: Produce, guarantee: Guarantee) -> bool:
        return guarantee in self._rows[operation.acks, operation.idempotent].guarantees


def guarantees_of_run(history: History, experiment: Experiment | None) -> Guarantees:
    """Without a document the least is assumed: one copy, so that a single lost disk ends what is owed."""
    header = history.header
    table = experiment.target.owes if experiment else _table_of(header)
    return Guarantees(
        table,
        copies=table.copies(experiment.spec) if experiment else 1,
        disks_lost=_disks_lost(history, experiment, header.flush if header else "group"),
        replicas=table.replicas(experiment.spec) if experiment else 0,
    )


def _table_of(header: Header | None) -> GuaranteeTable:
    """What the system owes that the recording names, unless its clients do something else than what is recorded."""
    if header is None:
        return NOBODY_KNOWS
    try:
        target = registry.target(header.target)
    except (registry.UnknownTarget, ImportError, TypeError):
        return NOBODY_KNOWS
    return target.owes if target.model == header.model else NOBODY_KNOWS


def _disks_lost(history: History, experiment: Experiment | None, flush: str) -> frozenset[int]:
    """Nodes whose acknowledged records a fault took: wiped, bit-flipped or, without group flush, without power."""
    return frozenset(
        node
        for event in history.faults
        if event.step in _HAPPENED and may_lose_disk(event.kind, _body(experiment, event.fault), flush)
        for group in event.groups
        for node in group
    )


def _body(experiment: Experiment | None, name: str) -> FaultBody | None:
    """What the document says of the fault; None: the document is not known."""
    found = (fault.body for fault in experiment.spec.faults if fault.name == name) if experiment else ()
    return next(iter(found), None)
