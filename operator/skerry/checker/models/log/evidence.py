"""A history prepared for judging: what every partition's log held, put together once for all properties."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from skerry.checker.models.log.content import Content
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

    def unfinished(self) -> Iterator[str]:
        """A sentence for each partition that was written to and that no final read read to its end."""
        for content in self.contents:
            if content.operations.acked and content.final_read_end < 0:
                yield f"partition {content.key}: no final read reached the end of the log"
