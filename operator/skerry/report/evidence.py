"""The two tables of evidence: which pairs were really cut, and what everybody says of the guilty offsets. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

import msgspec

from skerry.experiment.document import Experiment
from skerry.history.records import LinkSample
from skerry.history.run import History, PartitionKey, PartitionOperations
from skerry.report.guilty import short_value
from skerry.report.occurrences import Occurrence, occurrences
from skerry.schema.verdict import Finding, Verdict

OFFSETS_AROUND = 4
OFFSETS_MAX = 18
ROWS_MAX = 24
GRIDS_MAX = 4
MATRICES_MAX = 24
SILENCE_NS = 300_000_000
"""A kept connection has failed when nothing was answered for so long: before that, a cut cannot show."""
ALL_PLANES = ("Client", "Raft", "Replication", "Admin")


class PairCell(msgspec.Struct, frozen=True):
    """What `source` measured towards `target` while the fault was on."""

    failed: int = 0
    samples: int = 0
    meant: bool = False
    """The fault was to cut this pair."""
    rtt_ns: int = -1
    """Median of what was measured; only for a fault that slows."""

    @property
    def word(self) -> str:
        if not self.samples:
            return ""
        if self.failed:
            return "cut" if self.failed == self.samples else f"{self.failed} of {self.samples}"
        return f"{self.rtt_ns / 1e6:.0f} ms" if self.rtt_ns >= 0 else "ok"

    @property
    def css(self) -> str:
        """Whether it is as it was meant to be."""
        if not self.samples:
            return "none"
        if self.meant:
            return "cut" if self.failed == self.samples else "leak"
        return "ok" if not self.failed else "leak" if self.failed == self.samples else "none"


class PairMatrix(msgspec.Struct, frozen=True):
    """Of one occurrence, one plane, one kind of connection (kept or new). ``cells[source][target]``."""

    fault: str
    plane: str
    connection: str
    cells: tuple[tuple[PairCell, ...], ...]


def pair_matrices(history: History, brokers: int, experiment: Experiment | None = None) -> list[PairMatrix]:
    """For every occurrence that took effect: all pairs, from when it could be measured until its heal. The first
    `MATRICES_MAX`."""
    matrices: list[PairMatrix] = []
    for each in occurrences(history.faults):
        if each.effective_ns < 0 or len(matrices) >= MATRICES_MAX:
            continue
        measured: dict[tuple[str, str], dict[tuple[int, int], list[LinkSample]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for link in history.links:
            if _while_on(each, link):
                measured[link.plane, link.connection][link.source, link.target].append(link)
        planes = _planes(each, experiment)
        for (plane, connection), pairs in sorted(measured.items()):
            meant = _meant(each, brokers) if plane in planes else frozenset()
            cells = tuple(
                tuple(
                    _cell(pairs.get((source, target), ()), (source, target) in meant, each.kind == "slow")
                    for target in range(brokers)
                )
                for source in range(brokers)
            )
            matrices.append(PairMatrix(each.name, plane, connection, cells))
    return matrices[:MATRICES_MAX]


def _while_on(each: Occurrence, link: LinkSample) -> bool:
    since_ns = each.effective_ns + (SILENCE_NS if link.connection == "kept" else 0)
    return link.before_ns >= since_ns and (each.heal_ns < 0 or link.after_ns <= each.heal_ns)


def _planes(each: Occurrence, experiment: Experiment | None) -> tuple[str, ...]:
    """Those that the fault was to take; a victim that is gone answers on none."""
    if each.kind != "partition":
        return ALL_PLANES if each.kind in ("kill", "pause") else ()
    asked = next((fault for fault in experiment.spec.faults if fault.name == each.fault), None) if experiment else None
    return tuple(str(plane) for plane in asked.partition.planes) if asked is not None and asked.partition else ()


def _meant(each: Occurrence, brokers: int) -> frozenset[tuple[int, int]]:
    """A round trip fails when either direction is cut."""
    if each.kind == "partition":
        return frozenset(each.links) | frozenset((target, source) for source, target in each.links)
    gone = {ordinal for group in each.groups for ordinal in group}
    return frozenset((source, target) for source in range(brokers) for target in gone if source not in gone)


def _cell(links: Sequence[LinkSample], meant: bool, slow: bool) -> PairCell:
    rtts = [link.rtt_ns for link in links if link.ok and link.rtt_ns >= 0] if slow else []
    return PairCell(
        sum(not link.ok for link in links), len(links), meant and bool(links), int(median(rtts)) if rtts else -1
    )


# --- offset by offset -----------------------------------------------------------------------------------------------


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
    """Everything that was said about the offsets around a finding."""

    partition: str
    findings: tuple[tuple[str, str], ...]
    """(rule, message) of all that name the same offsets."""
    offsets: tuple[int, ...]
    guilty: tuple[int, ...]
    rows: tuple[GridRow, ...]
    left_out: int
    """Rows that agree with the others, beyond `ROWS_MAX`."""


def offset_grids(history: History, findings: Sequence[Finding]) -> list[OffsetGrid]:
    """For failed findings that name offsets, and the guilty partitions only; the first `GRIDS_MAX`."""
    places: dict[tuple[PartitionKey, tuple[int, ...]], list[tuple[str, str]]] = {}
    for finding in findings:
        key = PartitionKey(finding.topic, finding.partition)
        if finding.verdict is Verdict.FAIL and finding.offsets and key in history.partitions:
            places.setdefault((key, finding.offsets), []).append((finding.rule, finding.message))
    return [
        _grid(history.partitions[key], offsets, tuple(named))
        for (key, offsets), named in list(places.items())[:GRIDS_MAX]
    ]


class _Row(msgspec.Struct):
    at_ns: int
    label: str
    values: dict[int, int]
    dump: bool = False
    final: bool = False


def _grid(
    operations: PartitionOperations, guilty: tuple[int, ...], findings: tuple[tuple[str, str], ...]
) -> OffsetGrid:
    offsets = _window(guilty)
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
    # Whoever contradicts, and the disks, stay; of the others the first.
    ranked = sorted(
        range(len(rows)),
        key=lambda index: (not any(cell.odd_one for cell in shown[index].cells), not rows[index].dump, index),
    )
    kept = sorted(ranked[:ROWS_MAX])
    return OffsetGrid(
        str(operations.key),
        findings,
        offsets,
        guilty,
        tuple(shown[index] for index in kept),
        len(shown) - len(kept),
    )


def _window(guilty_offsets: Sequence[int]) -> tuple[int, ...]:
    """Around the guilty offsets; where they are far apart (a record that is there twice), around each of them."""
    wanted: set[int] = set()
    each_side = OFFSETS_AROUND
    while each_side >= 0:
        wanted = {
            offset
            for guilty in guilty_offsets[:OFFSETS_MAX]
            for offset in range(max(0, guilty - each_side), guilty + each_side + 1)
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
