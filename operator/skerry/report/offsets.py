"""What everybody says of the offsets that findings convict: one table a partition. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from skerry.history.run import History, PartitionKey, PartitionOperations
from skerry.report.causes import name_of
from skerry.report.witnesses import short_value
from skerry.schema.verdict import Finding, Verdict

OFFSETS_AROUND = 3
OFFSETS_MAX = 12
"""What fits on a sheet of paper."""
ROWS_MAX = 24
GRIDS_MAX = 4


class GridCell(msgspec.Struct, frozen=True):
    text: str = ""
    """Empty: says nothing about this offset."""
    odd_one: bool = False
    """It contradicts: the final read (or, without one, another row) says something else of this offset, or the same of
    another offset."""


class GridRow(msgspec.Struct, frozen=True):
    label: str
    cells: tuple[GridCell, ...]
    """One per offset of the grid."""


class OffsetGrid(msgspec.Struct, frozen=True):
    """Everything that was said about the convicted offsets of one partition, and those around them."""

    partition: str
    findings: tuple[tuple[str, str], ...]
    """(rule, message) of all that convict offsets of this partition."""
    offsets: tuple[int, ...]
    convicted: tuple[int, ...]
    rows: tuple[GridRow, ...]
    left_out: int
    """Rows that agree with the others, beyond `ROWS_MAX`."""


def offset_grids(history: History, findings: Sequence[Finding]) -> list[OffsetGrid]:
    """For failed findings that name offsets: one grid a partition, the first `GRIDS_MAX`."""
    places: dict[PartitionKey, list[Finding]] = {}
    for finding in findings:
        key = PartitionKey(finding.topic, finding.partition)
        if finding.verdict is Verdict.FAIL and finding.offsets and key in history.partitions:
            places.setdefault(key, []).append(finding)
    return [_grid(history.partitions[key], named) for key, named in list(places.items())[:GRIDS_MAX]]


class _Row(msgspec.Struct):
    at_ns: int
    label: str
    values: dict[int, int]
    dump: bool = False
    final: bool = False


def _grid(operations: PartitionOperations, findings: Sequence[Finding]) -> OffsetGrid:
    convicted = tuple(dict.fromkeys(offset for finding in findings for offset in finding.offsets))
    offsets = _window(convicted)
    rows = _rows(operations, offsets)
    odd = _contradictions(rows)
    shown = [
        GridRow(
            row.label,
            tuple(
                GridCell(short_value(row.values[offset]), (offset, row.values[offset]) in odd)
                if offset in row.values
                else GridCell()
                for offset in offsets
            ),
        )
        for row in rows
    ]
    # The operations that contradict, and the disks, stay; of the others the first.
    ranked = sorted(
        range(len(rows)),
        key=lambda index: (not any(cell.odd_one for cell in shown[index].cells), not rows[index].dump, index),
    )
    kept = sorted(ranked[:ROWS_MAX])
    return OffsetGrid(
        str(operations.key),
        tuple((name_of(finding), finding.message) for finding in findings),
        offsets,
        tuple(sorted(convicted)),
        tuple(shown[index] for index in kept),
        len(shown) - len(kept),
    )


def _window(convicted: Sequence[int]) -> tuple[int, ...]:
    """Around the convicted offsets, of many the first named; where they are far apart (a record that is there twice),
    around each of them."""
    wanted: set[int] = set()
    each_side = OFFSETS_AROUND
    while each_side >= 0:
        wanted = {
            offset
            for middle in convicted[:OFFSETS_MAX]
            for offset in range(max(0, middle - each_side), middle + each_side + 1)
        }
        if len(wanted) <= OFFSETS_MAX:
            break
        each_side -= 1
    return tuple(sorted(wanted))


def _rows(operations: PartitionOperations, offsets: Sequence[int]) -> list[_Row]:
    """Who says something about these offsets, in order of time; disks last, even those that say nothing."""
    rows = []
    for produce in operations.acked:
        values = _within(offsets, produce.base_offset, range(produce.first_value, produce.first_value + produce.count))
        if values:
            who = f"{produce.invoked_ns / 1e9:.3f} s  write, broker {produce.leader} epoch {produce.leader_epoch}"
            rows.append(_Row(produce.invoked_ns, who, values))
    for fetch in operations.fetched:
        values = _within(offsets, fetch.base_offset, fetch.values)
        if values:
            who = f"{fetch.invoked_ns / 1e9:.3f} s  {'final read' if fetch.final else f'read by {fetch.process}'}"
            rows.append(_Row(fetch.invoked_ns, who, values, final=fetch.final))
    rows.sort(key=lambda row: row.at_ns)
    for dump in operations.dumps:
        values = {}
        for batch in dump.batches:
            held = range(batch.first_value, batch.first_value + batch.count)
            values.update(_within(offsets, batch.base_offset, held))
        unread = f" (unreadable: {dump.error})" if dump.error else ""
        rows.append(_Row(0, f"disk of broker {dump.broker}{unread}", values, dump=True))
    return rows


def _within(offsets: Sequence[int], base_offset: int, values: Sequence[int]) -> dict[int, int]:
    if base_offset < 0 or base_offset > offsets[-1] or base_offset + len(values) <= offsets[0]:
        return {}
    return {offset: values[offset - base_offset] for offset in offsets if 0 <= offset - base_offset < len(values)}


def _contradictions(rows: Sequence[_Row]) -> set[tuple[int, int]]:
    """(offset, value) of what cannot be true together with the final read; where that says nothing, with each other."""
    values_at: dict[int, set[int]] = defaultdict(set)
    offsets_of: dict[int, set[int]] = defaultdict(set)
    settled: dict[int, int] = {}
    for row in rows:
        for offset, value in row.values.items():
            values_at[offset].add(value)
            offsets_of[value].add(offset)
            if row.final:
                settled.setdefault(offset, value)
    return {
        (offset, value)
        for offset, values in values_at.items()
        for value in values
        if (len(values) > 1 and settled.get(offset) != value) or (len(offsets_of[value]) > 1 and _twice(value, settled))
    }


def _twice(value: int, settled: dict[int, int]) -> bool:
    """A record that was acknowledged at one offset and settled at another is told apart by the first rule already."""
    return sum(held == value for held in settled.values()) != 1
