"""Whether the figures of one report agree: of a property, of an expectation, in the picture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from skerry.experiment import Experiment
from skerry.history import History
from skerry.history.records import FaultStep
from skerry.report.occurrences import occurrences
from skerry.report.picture import draw
from skerry.schema.verdict import Finding

ROUNDING_S = 0.011
"""The tolerance of figures with two decimals of a second."""
WAITED = re.compile(r"longest time without an acknowledgement (\d+) ms \(\S+-(\d+), from ([\d.]+) s\)")
SPLIT = re.compile(r"(\S+)#(\d+): .*election after ([\d.]+) s, first acknowledgement in epoch \d+ after ([\d.]+) s")


def disagreements(history: History, experiment: Experiment, findings: Sequence[Finding]) -> list[str]:
    """A sentence for each pair of figures that contradict each other."""
    return [*_gaps(history, experiment, findings), *_failovers(history, findings), *_picture(history, experiment)]


def _bounds(history: History, fault: str) -> list[tuple[float, float]]:
    """The widest window of each occurrence in seconds: early edge of its effect to late edge of its heal."""
    found = []
    for effect in (e for e in history.faults if e.fault == fault and e.step is FaultStep.EFFECTIVE):
        ends = [
            e.after_ns
            for e in history.faults
            if (e.fault, e.occurrence, e.step) == (fault, effect.occurrence, FaultStep.HEALED)
        ]
        if ends:
            found.append((effect.before_ns / 1e9, ends[0] / 1e9))
    return found


def _gaps(history: History, experiment: Experiment, findings: Sequence[Finding]) -> Iterator[str]:
    """The longest wait of the whole run, where it lies inside what `maxWriteGap` judged, is the one that it names."""
    waited = next((m for f in findings if f.rule == "availability" and (m := WAITED.search(f.message))), None)
    if waited is None:
        return
    length, partition, begin = int(waited[1]) / 1000, int(waited[2]), float(waited[3])
    for expectation in experiment.spec.expect:
        body = expectation.max_write_gap
        if body is None or body.during is None or body.partition not in (None, partition):
            continue
        finding = next(f for f in findings if f.name == expectation.name)
        inside = any(start <= begin and begin + length <= end for start, end in _bounds(history, body.during))
        measured = float(finding.measured.removesuffix(" s") or -1)
        if inside and abs(measured - length) > ROUNDING_S:
            yield f"{expectation.name}: {measured} s beside the longest wait of {length} s from {begin} s on"
        if measured > length + ROUNDING_S:
            yield f"{expectation.name}: {measured} s, and nobody waited for longer than {length} s in the whole run"


def _failovers(history: History, findings: Sequence[Finding]) -> Iterator[str]:
    """The election that `failover` measures is one that `failover-time` splits, and no acknowledgement precedes it."""
    told = next(finding.message for finding in findings if finding.rule == "failover-time")
    splits = {match[1]: (float(match[3]), float(match[4])) for match in SPLIT.finditer(told)}
    for finding in findings:
        if finding.rule != "failover" or finding.fault not in splits:
            continue
        elected, acknowledged = splits[finding.fault]
        measured = float(finding.measured.removesuffix(" s"))
        if measured > elected + ROUNDING_S:
            yield f"{finding.name}: {measured} s, but the slowest partition had its leader after {elected} s"
        if acknowledged + ROUNDING_S < measured:
            yield f"{finding.name}: {measured} s, but the new leader acknowledged after {acknowledged} s"


def _picture(history: History, experiment: Experiment) -> Iterator[str]:
    """The picture's edges stand where the expectations' windows begin and end."""
    picture = draw(history, experiment.spec.cluster.brokers, experiment.spec.topic.partitions)
    drawn = {mark.x for mark in picture.edges}
    for each in occurrences(history.faults):
        for effect in (e for e in history.faults if e.step is FaultStep.EFFECTIVE and e.fault == each.fault):
            if effect.occurrence == each.number and each.began_ns != effect.before_ns:
                yield f"{each.name} is drawn from {each.began_ns} on, and judged from {effect.before_ns} on"
    if history.faults and not drawn:
        yield "no edge of any fault is drawn"
