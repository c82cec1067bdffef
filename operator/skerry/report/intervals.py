"""Since when and until when a fault held. Pure.

The engine measured it from every sample, and of a link on which nothing changes the recording has one a second. So what
the engine says stands where the recorded samples agree with it; where they do not, they are shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from skerry.experiment.document import Experiment
from skerry.faults.registry import FAULTS
from skerry.history.records import LinkSample
from skerry.history.run import History
from skerry.report.occurrences import Occurrence, occurrences

SILENCE_NS = 300_000_000
"""A kept connection has failed when nothing was answered for so long: before that, a cut cannot show."""
INTERVALS_MAX = 200


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


Links = Mapping[Wire, Sequence[LinkSample]]


class Interval(msgspec.Struct, frozen=True):
    """Since when and until when one occurrence of a fault held."""

    fault: str
    """Its name in the document; `cut#1` for the second occurrence of one that repeats."""
    began: Bracket | None
    """When all of it was in effect; None: it never was."""
    ended: Bracket | None
    """When it first was not any more; None: never seen."""
    asked_ns: int
    """How long the document wants it to last; -1: that is not known."""

    @property
    def sentence(self) -> str:
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
        return told


def intervals(history: History, brokers: int, experiment: Experiment | None = None) -> list[Interval]:
    """The interval of every occurrence that took effect, the first `INTERVALS_MAX` of them."""
    happened = [each for each in occurrences(history.faults) if each.effective_ns >= 0]
    series = series_of(history)
    return [_interval(each, happened, series, brokers, experiment) for each in happened[:INTERVALS_MAX]]


def series_of(history: History) -> Links:
    """The samples of each wire, in the order of recording."""
    series: dict[Wire, list[LinkSample]] = defaultdict(list)
    for link in history.links:
        series[Wire(link.source, link.target, link.plane, link.connection)].append(link)
    return series


def _interval(
    each: Occurrence, happened: Sequence[Occurrence], series: Links, brokers: int, experiment: Experiment | None
) -> Interval:
    began, ended = _on_the_wire(each, happened, series, brokers, experiment)
    if each.verified:
        began = _agreed(Bracket(each.began_ns, each.effective_ns), began)
        healed = Bracket(each.heal_ns, max(each.heal_ns, each.healed_ns)) if each.heal_ns >= 0 else None
        ended = _agreed(healed, ended) if healed is not None else None
    return Interval(each.name, began, ended, _asked_ns(each, experiment))


def _agreed(measured: Bracket, sampled: Bracket | None) -> Bracket:
    """What was measured, unless the samples contradict it."""
    if sampled is None or (sampled.from_ns <= measured.to_ns and measured.from_ns <= sampled.to_ns):
        return measured
    return sampled


def _asked_ns(each: Occurrence, experiment: Experiment | None) -> int:
    asked = next((fault for fault in experiment.spec.faults if fault.name == each.fault), None) if experiment else None
    return asked.lasts_ns if asked is not None and asked.lasts_ns else -1


def _on_the_wire(
    each: Occurrence, happened: Sequence[Occurrence], series: Links, brokers: int, experiment: Experiment | None
) -> tuple[Bracket | None, Bracket | None]:
    """All of it is in effect when the last wire has failed, and not any more when the first pair answers again."""
    meant = pairs_meant(each, brokers)
    planes = planes_meant(each, frozenset(wire.plane for wire in series), experiment)
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
    # A kept connection that has been silent for a while was well until then, whether that counts as failed yet or not.
    known = [
        link.before_ns - link.silent_ns for link in samples[max(0, first - 1) : first + 1] if link.ok or link.silent_ns
    ]
    well_ns = max(known, default=began_ns)
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


def planes_meant(each: Occurrence, planes: frozenset[str], experiment: Experiment | None) -> frozenset[str]:
    """Those of all planes that were looked at on which it was to silence its victims or pairs."""
    asked = next((fault for fault in experiment.spec.faults if fault.name == each.fault), None) if experiment else None
    known = FAULTS.get(each.kind)
    return known.silenced(asked.body if asked is not None else None, planes) if known is not None else frozenset()


def pairs_meant(each: Occurrence, brokers: int) -> frozenset[tuple[int, int]]:
    """A round trip fails when either direction is cut."""
    if each.links:
        return frozenset(each.links) | frozenset((target, source) for source, target in each.links)
    gone = {ordinal for group in each.groups for ordinal in group}
    return frozenset((source, target) for source in range(brokers) for target in gone if source not in gone)
