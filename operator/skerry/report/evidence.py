"""The two tables of evidence: which pairs were really cut, and what everybody says of the guilty offsets. Pure."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from skerry.experiment.verdict import Finding, Verdict
from skerry.history.records import FaultEvent, FaultStep, Outcome
from skerry.history.run import History, PartitionKey

OFFSETS_AROUND = 4
OFFSETS_MAX = 24
ROWS_MAX = 24


class PairCell(msgspec.Struct, frozen=True):
    """What `source` measured towards `target` while the fault was on: failed of all samples."""

    failed: int = 0
    samples: int = 0

    @property
    def word(self) -> str:
        if not self.samples:
            return "-"
        return "ok" if not self.failed else "cut" if self.failed == self.samples else f"{self.failed}/{self.samples}"


class PairMatrix(msgspec.Struct, frozen=True):
    """Of one occurrence, one plane, one kind of connection (kept or new). ``cells[source][target]``."""

    fault: str
    plane: str
    connection: str
    cells: tuple[tuple[PairCell, ...], ...]


def pair_matrices(history: History, brokers: int) -> list[PairMatrix]:
    """For every occurrence that was verified (or not): all pairs, while it was on."""
    matrices = []
    for fault, occurrence, from_ns, to_ns in _windows(history.faults):
        counts: dict[tuple[str, str], dict[tuple[int, int], list[int]]] = defaultdict(dict)
        for link in history.links:
            if from_ns <= link.before_ns and link.after_ns <= to_ns:
                cell = counts[link.plane, link.connection].setdefault((link.source, link.target), [0, 0])
                cell[0] += not link.ok
                cell[1] += 1
        name = fault if occurrence == 0 else f"{fault}#{occurrence}"
        for (plane, connection), pairs in sorted(counts.items()):
            cells = tuple(
                tuple(PairCell(*pairs.get((source, target), (0, 0))) for target in range(brokers))
                for source in range(brokers)
            )
            matrices.append(PairMatrix(name, plane, connection, cells))
    return matrices


def _windows(events: list[FaultEvent]) -> list[tuple[str, int, int, int]]:
    """(fault, occurrence, from, to): from the measured effect to the heal."""
    begun: dict[tuple[str, int], int] = {}
    windows = []
    for event in events:
        key = (event.fault, event.occurrence)
        if event.step in (FaultStep.VERIFIED, FaultStep.UNVERIFIED):
            begun[key] = event.before_ns - 1_000_000_000
        elif event.step is FaultStep.HEALING and key in begun:
            windows.append((*key, begun.pop(key), event.before_ns))
    return windows


class GridRow(msgspec.Struct, frozen=True):
    label: str
    outcome: str
    cells: tuple[str, ...]
    """One per offset of the grid; empty: says nothing about it."""


class OffsetGrid(msgspec.Struct, frozen=True):
    """Everything that was said about the offsets around a finding; values that contradict stand in one column."""

    partition: str
    finding: str
    offsets: tuple[int, ...]
    guilty: tuple[int, ...]
    rows: tuple[GridRow, ...]


def offset_grids(history: History, findings: tuple[Finding, ...]) -> list[OffsetGrid]:
    """One per failed finding that names offsets, for the guilty partitions only."""
    grids = []
    for finding in findings:
        key = PartitionKey(finding.topic, finding.partition)
        if finding.verdict is Verdict.FAIL and finding.offsets and key in history.partitions:
            grids.append(_grid(history, finding, key))
    return grids


def _grid(history: History, finding: Finding, key: PartitionKey) -> OffsetGrid:
    first = max(0, min(finding.offsets) - OFFSETS_AROUND)
    last = min(max(finding.offsets) + OFFSETS_AROUND, first + OFFSETS_MAX - 1)
    offsets = tuple(range(first, last + 1))
    operations = history.partitions[key]
    rows = []
    for produce in operations.acked:
        values = {produce.base_offset + i: produce.first_value + i for i in range(produce.count)}
        rows.append((produce.invoked_ns, f"write by {produce.process}", str(produce.outcome), values))
    for fetch in operations.fetched:
        values = {fetch.base_offset + i: value for i, value in enumerate(fetch.values)}
        what = "final read" if fetch.final else "read"
        rows.append((fetch.invoked_ns, f"{what} by {fetch.process}", str(Outcome.OK), values))
    for dump in operations.dumps:
        values = {}
        for batch in dump.batches:
            if batch.base_offset <= last and batch.base_offset + batch.count > first:
                values.update({batch.base_offset + i: batch.first_value + i for i in range(batch.count)})
        rows.append((1 << 62, f"disk of broker {dump.broker}", "dump", values))
    shown = []
    for at_ns, who, outcome, values in sorted(rows, key=lambda row: row[:2]):
        cells = tuple(short_value(values[offset]) if offset in values else "" for offset in offsets)
        if any(cells) or outcome == "dump":
            label = who if outcome == "dump" else f"{at_ns / 1e9:.3f} s {who}"
            shown.append(GridRow(label, outcome, cells))
    return OffsetGrid(str(key), finding.message, offsets, finding.offsets, tuple(shown[-ROWS_MAX:]))


def short_value(value: int) -> str:
    """Process and sequence: `3:118` is the 118th record of producer 3."""
    return f"{value >> 40}:{value & (1 << 40) - 1}"
