"""A history prepared for judging: what every key's register held, put together once for all properties."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from skerry.checker.findings import plural, value_text
from skerry.checker.models.register.keys import Key, keys_of
from skerry.history import History
from skerry.history.records import HistoryRecord, RegisterOperation


class Evidence:
    """``history`` and what follows from it. Everything is computed at most once, when somebody first asks."""

    def __init__(self, history: History) -> None:
        self.history = history

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        """By name."""
        return tuple(keys_of(self.history.registers).values())

    def witness(self, *records: HistoryRecord | None) -> tuple[int, ...]:
        """The indices of these records in the history; None is left out, and nothing is named twice."""
        return tuple(dict.fromkeys(self.history.index_of(*(r for r in records if r is not None))))

    @property
    def clock_error_ns(self) -> int:
        return self.history.clock_error_ns

    @cached_property
    def acknowledged(self) -> int:
        """How many puts were acknowledged, with a usable answer or without."""
        return sum(len(key.acknowledged) + sum(_is_put(each) for each in key.unplaced) for key in self.keys)

    def doubts(self) -> Iterator[tuple[str, str]]:
        """Keys that were written to and that no final read got; answers that nobody can place."""
        for key in self.keys:
            if key.puts and key.final is None:
                yield "NoFinalRead", f"key {key.name}: no final read got it"
            if key.unplaced:
                yield "NoRevision", f"key {key.name}: {plural(len(key.unplaced), 'answer')} without a usable revision"
            if key.reused:
                value = value_text(key.reused[0][0].value)
                yield "WriteRecordedTwice", f"key {key.name}: {value} was put twice, so a get does not tell which"


def _is_put(operation: RegisterOperation) -> bool:
    return operation.action == "put"
