"""The story of a run: a handful of timestamped sentences from its history. Pure."""

from __future__ import annotations

from typing import NamedTuple

from skerry.history.records import FaultEvent, FaultStep, StatusSample
from skerry.history.run import History

SENTENCES_MAX = 40


class Sentence(NamedTuple):
    at_ns: int
    kind: str
    """fault | leader | isr | truncation | note: for the colour of its dot."""
    text: str


def story(history: History, topic: str) -> list[Sentence]:
    """What happened, in the order of time; at most `SENTENCES_MAX`, those about faults first to stay."""
    told = [*_faults(history), *_elections(history, topic), *_isr_changes(history, topic), *_truncations(history)]
    told += [Sentence(note.at_ns, "note", note.text) for note in history.notes]
    if len(told) > SENTENCES_MAX:
        told.sort(key=lambda sentence: (sentence.kind != "fault", sentence.at_ns))
        told = told[:SENTENCES_MAX]
    return sorted(told)


def _faults(history: History) -> list[Sentence]:
    words = {
        FaultStep.EFFECTIVE: "takes effect",
        FaultStep.VERIFIED: "verified",
        FaultStep.UNVERIFIED: "NOT verified",
        FaultStep.HEALED: "healed",
        FaultStep.LOST: "ended by itself",
    }
    told = []
    for event in history.faults:
        if event.step in words:
            text = f"{_name(event)} {words[event.step]}{_where(event)}"
            told.append(Sentence(event.after_ns, "fault", text + (f": {event.detail}" if event.detail else "")))
    return told


def _name(event: FaultEvent) -> str:
    return f"{event.kind or 'fault'} `{event.fault}`" + (f" #{event.occurrence}" if event.occurrence else "")


def _where(event: FaultEvent) -> str:
    if event.step is not FaultStep.EFFECTIVE or not event.groups:
        return ""
    sides = [", ".join(str(ordinal) for ordinal in group) for group in event.groups]
    return f" (broker {' | '.join(sides)})"


def _elections(history: History, topic: str) -> list[Sentence]:
    if history.header is None:
        return []
    told = []
    for election in history.elections:
        if election.topic == topic and election.reason != "created":
            at_ns = election.wall_ns - history.header.started_wall_ns
            text = (
                f"broker {election.leader} becomes leader of partition {election.partition} "
                f"in epoch {election.leader_epoch} ({election.reason})"
            )
            told.append(Sentence(at_ns, "leader", text))
    return told


def _isr_changes(history: History, topic: str) -> list[Sentence]:
    """As the partition's leader reports it."""
    last: dict[int, tuple[int, ...]] = {}
    told = []
    for sample in history.statuses:
        for partition in sample.partitions:
            if partition.topic != topic or partition.role != "Leader":
                continue
            isr = tuple(sorted(partition.isr))
            before = last.get(partition.partition)
            last[partition.partition] = isr
            if before is not None and before != isr:
                verb = "shrinks" if len(isr) < len(before) else "grows" if len(isr) > len(before) else "changes"
                members = ", ".join(str(member) for member in isr)
                text = f"the ISR of partition {partition.partition} {verb} to {{{members}}}"
                told.append(Sentence(sample.after_ns, "isr", text))
    return told


def _truncations(history: History) -> list[Sentence]:
    last: dict[int, StatusSample] = {}
    told = []
    for sample in history.statuses:
        if not sample.reachable:
            continue
        before = last.get(sample.broker)
        last[sample.broker] = sample
        if (
            before is not None
            and before.incarnation == sample.incarnation
            and sample.truncated_records > before.truncated_records
        ):
            count = sample.truncated_records - before.truncated_records
            text = f"broker {sample.broker} truncates {count} unacknowledged records that had diverged"
            told.append(Sentence(sample.after_ns, "truncation", text))
    return told
