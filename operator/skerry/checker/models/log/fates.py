"""What became of every record that was acknowledged: it is there, it is missing, or nobody has looked.

A record acknowledged with acks=All at an offset must be at that offset. Every other one (weaker acks: a later leader
may have moved it; an acknowledgement without an offset) is looked for by its value, wherever it may be. Nothing that
was acknowledged is left out; what is owed to it is the table's business.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

from skerry.checker.models.log.content import HOLE, Content, differences
from skerry.history.records import Produce

EXPLAINED_MAX = 100
FOREVER = 1 << 63
_count = attrgetter("count")


class Missed(NamedTuple):
    """Acknowledged records side by side that are not where they should be: one, or a run of one batch."""

    offset: int
    """Where the acknowledgement put the first of them; -1: it did not say."""
    value: int
    """The value of the first of them."""
    ack: Produce
    records: int = 1
    """How many they are."""

    def followed_by(self, offset: int, value: int) -> bool:
        """The record is the next one of this run, and of the same batch."""
        step = value - self.ack.first_value
        place = self.ack.base_offset + step if self.ack.base_offset >= 0 else -1
        next_value = self.value + self.records
        return value == next_value and step < self.ack.count and offset == place


class Fate(NamedTuple):
    """The acknowledged records of one partition."""

    acknowledged: int
    """All of them, each once."""
    missing: list[Missed]
    """Looked for, and not there."""
    unread: list[Missed]
    """Not looked for: no final read and no dump reached them, or they were acknowledged after it was asked."""
    removed: int
    """At offsets in front of the log's start: retention has taken them."""


def how_many(missed: Iterable[Missed]) -> int:
    """Records, of all these runs."""
    return sum(each.records for each in missed)


def _add(run: list[Missed], offset: int, value: int, ack: Produce, count: int = 1) -> None:
    if run and count == 1 and ack is run[-1].ack and run[-1].followed_by(offset, value):
        run[-1] = run[-1]._replace(records=run[-1].records + 1)
    else:
        run.append(Missed(offset, value, ack, count))


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
    count: int = sum(map(_count, acknowledged))
    if content.repeated is None:
        return count
    distinct, reached = 0, -FOREVER
    for first, after in sorted((ack.first_value, ack.first_value + ack.count) for ack in acknowledged):
        distinct += max(0, after - max(first, reached))
        reached = max(reached, after)
    return distinct


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
        looked = content.final[index] != HOLE or (0 <= content.final_end <= offset and offset not in content.late)
        found = fate.missing if looked else fate.unread
        if found and found[-1].followed_by(offset, value):
            ack = found[-1].ack
        else:
            # Looking for the acknowledgement is a walk over the partition: only the first ones are worth it.
            explained = len(fate.missing) + len(fate.unread) < EXPLAINED_MAX
            ack = content.acknowledged_at(offset) if explained else (fate.missing or fate.unread)[0].ack
        _add(found, offset, value, ack)
    for source in content.implausible:
        if isinstance(source, Produce):
            looked = content.final_end >= 0 and not content.asked_before(source)
            found = fate.missing if looked else fate.unread
            _add(found, source.base_offset, source.first_value, source, source.count)
    for conflict in content.acked_conflicts:  # the second of two acknowledgements for one offset
        there = content.final[conflict.offset - content.start]
        if isinstance(conflict.second, Produce) and there != conflict.second_value:
            looked = there != HOLE or 0 <= content.final_end <= conflict.offset
            _add(fate.missing if looked else fate.unread, conflict.offset, conflict.second_value, conflict.second)
    return removed


def _to_be_found_by_value(content: Content) -> list[Produce]:
    weak = [ack for ack in content.operations.acked if ack.acks != "All"]
    return [*content.operations.unplaced, *weak]


def _by_value(content: Content, ack: Produce, fate: Fate) -> int:
    """Returns how many of its records retention has removed."""
    values = range(ack.first_value, ack.first_value + ack.count)
    looked = content.final_whole and not content.asked_before(ack)
    found = fate.missing if looked else fate.unread
    in_front = 0 <= ack.base_offset < content.log_start
    if not in_front and content.final_values.isdisjoint(values):  # all of them: one run, however many they are
        _add(found, max(ack.base_offset, -1), ack.first_value, ack, ack.count)
        return 0
    removed = 0
    for step, value in enumerate(values):
        if value in content.final_values:
            continue
        offset = ack.base_offset + step if ack.base_offset >= 0 else -1
        if 0 <= offset < content.log_start:
            removed += 1
        else:
            _add(found, offset, value, ack)
    return removed
