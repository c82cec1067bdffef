"""What was measured of every fault, pair by pair: since when and until when it held, and what each broker saw of each
other meanwhile. Pure.

Everything here is read from link samples and the steps of faults; what else comes to be recorded of a fault shows by
itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

import msgspec

from skerry.experiment.document import Experiment
from skerry.faults.registry import FAULTS
from skerry.history.records import LinkSample
from skerry.history.run import History
from skerry.report.occurrences import Occurrence, occurrences

FAULTS_MAX = 12
MATRICES_MAX = 24
SILENCE_NS = 300_000_000
"""A kept connection has failed when nothing was answered for so long: before that, a cut cannot show."""

Links = Mapping["Wire", Sequence[LinkSample]]


class Wire(NamedTuple):
    """One direction between two brokers, on one plane, over one kind of connection."""

    source: int
    target: int
    plane: str
    connection: str

    def __str__(self) -> str:
        return f"{self.source} -> {self.target} on {self.plane} ({self.connection})"


class Bracket(msgspec.Struct, frozen=True):
    """A moment that lies between two others, in nanoseconds on the run's clock."""

    from_ns: int
    to_ns: int

    def __str__(self) -> str:
        first, last = f"{self.from_ns / 1e9:.2f}", f"{self.to_ns / 1e9:.2f}"
        return f"{first} s" if first == last else f"{first}-{last} s"


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


class MeasuredFault(msgspec.Struct, frozen=True):
    """One occurrence of a fault, and everything that was measured of it."""

    occurrence: Occurrence
    began: Bracket | None
    """When all of it was in effect; None: it never was."""
    ended: Bracket | None
    """When it first was not any more; None: never seen."""
    on_the_wire: bool
    """Both were measured between brokers; else they are when the actions were carried out."""
    asked_ns: int
    """How long the document wants it to last; -1: the document names no time."""
    matrices: tuple[PairMatrix, ...]

    @property
    def interval(self) -> str:
        """Since when and until when, and how long that is at least."""
        if self.began is None:
            return "never seen in effect"
        told = f"in effect from {self.began}"
        if self.ended is not None:
            least_ns = max(0, self.ended.from_ns - self.began.to_ns)
            asked = f" of the {self.asked_ns / 1e9:.2f} s asked for" if self.asked_ns >= 0 else ""
            told += f" to {self.ended}: at least {least_ns / 1e9:.2f} s{asked}"
        else:
            told += ", never seen to end"
        return told + ("" if self.on_the_wire else " (by the actions; nothing was measured between brokers)")


def measured_faults(history: History, brokers: int, experiment: Experiment | None = None) -> list[MeasuredFault]:
    """Every occurrence that took effect, the first `FAULTS_MAX`; of their matrices the first `MATRICES_MAX`."""
    happened = [each for each in occurrences(history.faults) if each.effective_ns >= 0]
    series: dict[Wire, list[LinkSample]] = defaultdict(list)
    for link in history.links:
        series[Wire(link.source, link.target, link.plane, link.connection)].append(link)
    told: list[MeasuredFault] = []
    room = MATRICES_MAX
    for each in happened[:FAULTS_MAX]:
        matrices = _matrices(each, series, brokers, experiment)[:room]
        room -= len(matrices)
        began, ended = _on_the_wire(each, happened, series, brokers, experiment)
        by_wire = began is not None
        if not by_wire and each.verified:
            began = Bracket(each.began_ns, each.effective_ns)
            ended = Bracket(each.heal_ns, max(each.heal_ns, each.healed_ns)) if each.heal_ns >= 0 else None
        asked_ns = _asked_ns(each, experiment)
        told.append(MeasuredFault(each, began, ended, by_wire or not each.verified, asked_ns, matrices))
    return told


def _asked_ns(each: Occurrence, experiment: Experiment | None) -> int:
    asked = next((fault for fault in experiment.spec.faults if fault.name == each.fault), None) if experiment else None
    return asked.duration_ns if asked is not None and asked.duration_ns is not None else -1


# --- since when, until when ------------------------------------------------------------------------------------------


def _on_the_wire(
    each: Occurrence, happened: Sequence[Occurrence], series: Links, brokers: int, experiment: Experiment | None
) -> tuple[Bracket | None, Bracket | None]:
    """All of it is in effect when the last wire has failed, and not any more when the first pair answers again."""
    meant, planes = _meant(each, brokers), _planes(each, experiment)
    since_ns, until_ns = _alone(each, happened)
    begins: list[Bracket] = []
    pairs: dict[tuple[int, int, str], list[LinkSample]] = defaultdict(list)
    for wire, samples in series.items():
        if (wire.source, wire.target) not in meant or wire.plane not in planes:
            continue
        seen = [link for link in samples if since_ns <= link.before_ns < until_ns]
        begin = _failed(seen, each.began_ns)
        if begin is not None:
            begins.append(begin)
            pairs[wire.source, wire.target, wire.plane] += [link for link in seen if link.before_ns >= begin.to_ns]
        elif any(each.effective_ns <= link.before_ns <= each.heal_ns - SILENCE_NS for link in seen):
            return None, None  # it was looked at, and never failed
    began = _latest(begins)
    ends = [end for each_pair in pairs.values() if began and (end := _well_again(each_pair, began)) is not None]
    return began, _earliest(ends)


def _alone(each: Occurrence, happened: Sequence[Occurrence]) -> tuple[int, int]:
    """From the end of the occurrence of this fault before to the begin of the next: [from, to)."""
    same = [other for other in happened if other.fault == each.fault]
    place = same.index(each)
    since_ns = max(same[place - 1].heal_ns, 0) if place else 0
    until_ns = same[place + 1].began_ns if place + 1 < len(same) else 1 << 62
    return since_ns, until_ns


def _failed(samples: Sequence[LinkSample], began_ns: int) -> Bracket | None:
    """When one wire failed: between the last sample that was well and the first that was not."""
    first = next((n for n, link in enumerate(samples) if not link.ok and link.after_ns >= began_ns), None)
    if first is None:
        return None
    well_ns = samples[first - 1].before_ns if first and samples[first - 1].ok else began_ns
    return Bracket(max(well_ns, began_ns), samples[first].after_ns)  # not before the action that brought it about


def _well_again(samples: list[LinkSample], began: Bracket) -> Bracket | None:
    """When one pair answered again, over whichever connection: after the last sample that failed."""
    in_order = sorted(samples, key=lambda link: link.before_ns)
    first = next((link for link in in_order if link.ok), None)
    if first is None:
        return None
    failed = [link.before_ns for link in in_order if not link.ok and link.before_ns < first.before_ns]
    return Bracket(max(failed, default=min(began.to_ns, first.after_ns)), first.after_ns)


def _latest(brackets: Iterable[Bracket]) -> Bracket | None:
    found = list(brackets)
    return Bracket(max(b.from_ns for b in found), max(b.to_ns for b in found)) if found else None


def _earliest(brackets: Iterable[Bracket]) -> Bracket | None:
    found = list(brackets)
    return Bracket(min(b.from_ns for b in found), min(b.to_ns for b in found)) if found else None


# --- who saw what of whom --------------------------------------------------------------------------------------------


def _matrices(each: Occurrence, series: Links, brokers: int, experiment: Experiment | None) -> tuple[PairMatrix, ...]:
    """All pairs, from when it could be measured until its heal: one matrix a plane and kind of connection."""
    planes = _planes(each, experiment)
    measured: dict[tuple[str, str], dict[tuple[int, int], list[LinkSample]]] = defaultdict(dict)
    for wire, samples in series.items():
        seen = [link for link in samples if _while_on(each, link)]
        if seen:
            measured[wire.plane, wire.connection][wire.source, wire.target] = seen
    matrices = []
    for (plane, connection), pairs in sorted(measured.items()):
        meant = _meant(each, brokers) if plane in planes else frozenset()
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


def _planes(each: Occurrence, experiment: Experiment | None) -> tuple[str, ...]:
    """Those on which it was to silence its victims or pairs."""
    asked = next((fault for fault in experiment.spec.faults if fault.name == each.fault), None) if experiment else None
    known = FAULTS.get(each.kind)
    return known.silenced(asked.body if asked is not None else None) if known is not None else ()


def _slows(each: Occurrence) -> bool:
    known = FAULTS.get(each.kind)
    return known is not None and known.slows


def _meant(each: Occurrence, brokers: int) -> frozenset[tuple[int, int]]:
    """A round trip fails when either direction is cut."""
    if each.links:
        return frozenset(each.links) | frozenset((target, source) for source, target in each.links)
    gone = {ordinal for group in each.groups for ordinal in group}
    return frozenset((source, target) for source in range(brokers) for target in gone if source not in gone)


def _cell(links: Sequence[LinkSample], meant: bool, slow: bool) -> PairCell:
    rtts = [link.rtt_ns for link in links if link.ok and link.rtt_ns >= 0] if slow else []
    return PairCell(
        sum(not link.ok for link in links), len(links), meant and bool(links), int(median(rtts)) if rtts else -1
    )
