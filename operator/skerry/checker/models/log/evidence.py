"""A history prepared for judging: what every partition's log held, put together once for all properties."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from skerry.checker.findings import value_text
from skerry.checker.models.log.content import Content
from skerry.checker.models.log.fates import Fate, fate_of
from skerry.history import History, PartitionKey
from skerry.history.records import HistoryRecord, StatusSample

ALWAYS = (
    "nothing that was never sent or definitely failed is ever read; no second value at an offset of one leader epoch; "
    "no acknowledgement for an operation invoked after one of a higher epoch completed"
)
"""Owed to every write to a log, whatever was asked for and whatever its system owes beside."""


class Evidence:
    """``history`` and what follows from it. Everything is computed at most once, when somebody first asks."""

    def __init__(self, history: History) -> None:
        self.history = history

    @cached_property
    def contents(self) -> tuple[Content, ...]:
        """One per partition, by topic and partition."""
        return tuple(Content(operations, self.last_isr(key)[0]) for key, operations in self.history.partitions.items())

    def last_isr(self, key: PartitionKey) -> tuple[frozenset[int], StatusSample | None]:
        """The ISR of a partition as the leader of its highest epoch last reported it, and where; empty: nobody did."""
        return self._last_isrs.get(key, (frozenset(), None))

    @cached_property
    def _last_isrs(self) -> dict[PartitionKey, tuple[frozenset[int], StatusSample | None]]:
        found: dict[PartitionKey, tuple[frozenset[int], StatusSample | None]] = {}
        epochs: dict[PartitionKey, int] = {}
        for status in self.history.statuses:
            for sample in status.partitions:
                if sample.leader == status.broker:
                    key = PartitionKey(sample.topic, sample.partition)
                    if sample.leader_epoch >= epochs.get(key, -1):
                        epochs[key] = sample.leader_epoch
                        found[key] = frozenset(sample.isr), status
        return found

    def witness(self, *records: HistoryRecord | None) -> tuple[int, ...]:
        """The indices of these records in the history; None is left out, and nothing is named twice."""
        return tuple(dict.fromkeys(self.history.index_of(*(r for r in records if r is not None))))

    @property
    def clock_error_ns(self) -> int:
        return self.history.clock_error_ns

    @cached_property
    def acknowledged(self) -> int:
        """How many records were acknowledged; a record whose acknowledgement was recorded twice counts once."""
        return sum(self.fate_of(content).acknowledged for content in self.contents)

    def fate_of(self, content: Content) -> Fate:
        """What became of the acknowledged records of one of ``contents``."""
        return self._fates[content.key]

    @cached_property
    def _fates(self) -> dict[PartitionKey, Fate]:
        return {content.key: fate_of(content) for content in self.contents}

    def doubts(self) -> Iterator[tuple[str, str]]:
        """(reason, sentence) of whatever keeps what clients did from being judged."""
        for content in self.contents:
            if self.fate_of(content).acknowledged and content.final_read_end < 0:
                yield "NoFinalRead", f"partition {content.key}: no final read reached the end of the log"
            repeated = content.repeated
            if repeated is not None:
                what = f"{value_text(repeated.first_value)} is recorded as sent twice"
                yield "WriteRecordedTwice", f"partition {content.key}: {what}; values are unique in a run"
