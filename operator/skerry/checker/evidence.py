"""A history prepared for judging: what every partition's log held, put together once for all properties."""

from __future__ import annotations

from functools import cached_property

from skerry.checker.content import Content
from skerry.history import History
from skerry.history.records import HistoryRecord


class Evidence:
    """``history`` and what follows from it. Everything is computed at most once, when somebody first asks."""

    def __init__(self, history: History) -> None:
        self.history = history

    @cached_property
    def contents(self) -> tuple[Content, ...]:
        """One per partition, by topic and partition."""
        return tuple(Content(operations) for operations in self.history.partitions.values())

    def witness(self, *records: HistoryRecord | None) -> tuple[int, ...]:
        """The indices of these records in the history; None is left out, and nothing is named twice."""
        return tuple(dict.fromkeys(self.history.index_of(*(r for r in records if r is not None))))

    @property
    def clock_error_ns(self) -> int:
        return self.history.clock_error_ns

    @cached_property
    def acknowledged(self) -> int:
        """How many records were acknowledged, whatever the acks."""
        return sum(
            operation.count
            for operations in self.history.partitions.values()
            for operation in operations.produces
            if operation.outcome == "ok"
        )
