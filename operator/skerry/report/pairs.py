"""What was measured of every fault, pair by pair: what each broker saw of each other while it was on. Pure.

Everything here is read from link samples and the steps of faults; what else comes to be recorded of a fault shows by
itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

import msgspec

from skerry.experiment.document import Experiment
from skerry.faults.registry import FAULTS
from skerry.history.records import LinkSample
from skerry.history.run import History
from skerry.report.intervals import SILENCE_NS, Interval, Links, intervals, pairs_meant, planes_meant, series_of
from skerry.report.occurrences import Occurrence, occurrences

FAULTS_MAX = 12
MATRICES_MAX = 24


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
    """The pairs of one occurrence, one plane, one kind of connection (kept or new). ``cells[source][target]``."""

    fault: str
    plane: str
    connection: str
    cells: tuple[tuple[PairCell, ...], ...]


class MeasuredFault(msgspec.Struct, frozen=True):
    """One occurrence of a fault, and everything that was measured of it."""

    occurrence: Occurrence
    interval: Interval
    matrices: tuple[PairMatrix, ...]


def measured_faults(history: History, brokers: int, experiment: Experiment | None = None) -> list[MeasuredFault]:
    """Every occurrence that took effect, the first `FAULTS_MAX`; of their matrices the first `MATRICES_MAX`."""
    happened = [each for each in occurrences(history.faults) if each.effective_ns >= 0]
    series = series_of(history)
    told: list[MeasuredFault] = []
    room = MATRICES_MAX
    for each, interval in zip(happened[:FAULTS_MAX], intervals(history, brokers, experiment), strict=False):
        matrices = _matrices(each, series, brokers, experiment)[:room]
        room -= len(matrices)
        told.append(MeasuredFault(each, interval, matrices))
    return told


def _matrices(each: Occurrence, series: Links, brokers: int, experiment: Experiment | None) -> tuple[PairMatrix, ...]:
    """All pairs, from when it could be measured until its heal: one matrix a plane and kind of connection."""
    planes = planes_meant(each, frozenset(wire.plane for wire in series), experiment)
    measured: dict[tuple[str, str], dict[tuple[int, int], list[LinkSample]]] = defaultdict(dict)
    for wire, samples in series.items():
        seen = [link for link in samples if _while_on(each, link)]
        if seen:
            measured[wire.plane, wire.connection][wire.source, wire.target] = seen
    matrices = []
    for (plane, connection), pairs in sorted(measured.items()):
        meant = pairs_meant(each, brokers) if plane in planes else frozenset()
        cells = tuple(
            tuple(
                _cell(pairs.get((source, target), ()), (source, target) in meant, _slows(each))
                for target in range(brokers)
            )
            for source in range(brokers)
        )
        matrices.append(PairMatrix(each.name, plane, connection, cells))
    return tuple(matrices)


def _while_on(each: Occurrence, link: LinkSample) -> bool:
    since_ns = each.effective_ns + (SILENCE_NS if link.connection == "kept" else 0)
    return link.before_ns >= since_ns and (each.heal_ns < 0 or link.after_ns <= each.heal_ns)


def _slows(each: Occurrence) -> bool:
    known = FAULTS.get(each.kind)
    return known is not None and known.slows


def _cell(links: Sequence[LinkSample], meant: bool, slow: bool) -> PairCell:
    rtts = [link.rtt_ns for link in links if link.ok and link.rtt_ns >= 0] if slow else []
    return PairCell(
        sum(not link.ok for link in links), len(links), meant and bool(links), int(median(rtts)) if rtts else -1
    )
