"""What became of every record that was acknowledged: it is there, it is missing, or nobody has looked.

A record acknowledged with acks=All at an offset must be at that offset. Every other one (weaker acks: a later leader
may have moved it; an acknowledgement without an offset) is looked for by its value, wherever it may be. Nothing that
was acknowledged is left out; what is owed to it is the table's business.
"""

from __future__ import annotations

from operator import attrgetter
from typing import NamedTuple

from skerry.checker.models.log.content import HOLE, Content, differences
from skerry.history.records import Produce

EXPLAINED_MAX = 100
_count = attrgetter("count")


class Missed(NamedTuple):
    """An acknowledged record that is not where it should be."""

    offset: int
    """Where its acknowledgement put it; -1: it did not say."""
    value: int
    ack: Produce


class Fate(NamedTuple):
    """The acknowledged records of one partition."""

    acknowledged: int
    """All of them, each once."""
    missing: list[Missed]
    """Looked for, and not there."""
    unread: list[Missed]
    """Not looked for: no final read and no dump reached them."""
    removed: int
    """At offsets in front of the log's start: retention has taken them."""


def fate_of(content: Content) -> Fate:
    fate = Fate(_distinct(content), [], [], 0)
    if not fate.acknowledged:
        return fate
    removed = _placed(content, fate)
    for ack in _to_be_found_by_value(content):
        removed += _by_value(content, ack, fate)
    return fate._replace(removed=removed)


def _distinct(content: Content) -> int:
    acknowledged = [*content.operations.acked, *content.operations.unplaced]
    records: int = sum(map(_count, acknowledged))
    if content.repeated is None:
        return records
    return len({value for ack in acknowledged for value in range(ack.first_value, ack.first_value + ack.count)})


def _placed(content: Content, fate: Fate) -> int:
    """acks=All with an offset: at that very offset. Returns how many retention has removed."""
    removed = 0
    for index in differences(content.acked, content.final):
        value = content.acked[index]
        if value == HOLE:
            continue
        offset = content.start + index
        if offset < content.log_start:
            removed += 1
            continue
        # Looking for the acknowledgement is a walk over the partition: only the first ones are worth it.
        explained = len(fate.missing) + len(fate.unread) < EXPLAINED_MAX
        ack = content.acknowledged_at(offset) if explained else (fate.missing or fate.unread)[0].ack
        looked = 0 <= content.final_end <= offset or content.final[index] != HOLE
        (fate.missing if looked else fate.unread).append(Missed(offset, value, ack))
    for source in content.implausible:
        if isinstance(source, Produce):
            records = [
                Missed(source.base_offset + step, source.first_value + step, source) for step in range(source.count)
            ]
            (fate.missing if content.final_end >= 0 else fate.unread).extend(records)
    for conflict in content.acked_conflicts:  # the second of two acknowledgements for one offset
        there = content.final[conflict.offset - content.start]
        if isinstance(conflict.second, Produce) and there != conflict.second_value:
            looked = there != HOLE or 0 <= content.final_end <= conflict.offset
            missed = Missed(conflict.offset, conflict.second_value, conflict.second)
            (fate.missing if looked else fate.unread).append(missed)
    return removed


def _to_be_found_by_value(content: Content) -> list[Produce]:
    weak = [ack for ack in content.operations.acked if ack.acks != "All"]
    return [*content.operations.unplaced, *weak]


def _by_value(content: Content, ack: Produce, fate: Fate) -> int:
    """Returns how many of its records retention has removed."""
    removed = 0
    for step in range(ack.count):
        value = ack.first_value + step
        if value in content.final_values:
            continue
        offset = ack.base_offset + step if ack.base_offset >= 0 else -1
        if 0 <= offset < content.log_start:
            removed += 1
        elif content.final_whole:
            fate.missing.append(Missed(offset, value, ack))
        else:
            fate.unread.append(Missed(offset, value, ack))
    return removed
