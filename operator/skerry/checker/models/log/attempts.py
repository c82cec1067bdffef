"""Who sent a value."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from skerry.history.records import Produce


class Attempts:
    """The writes to one partition. Batches hold consecutive values, so one sorted list finds the sender of any."""

    def __init__(self, produces: Iterable[Produce]) -> None:
        self._operations = sorted(produces, key=_first_value)
        self._firsts = [operation.first_value for operation in self._operations]

    @property
    def repeated(self) -> Produce | None:
        """A write whose values another one has too; None: each value was sent once, as it must be."""
        after = None
        for operation in self._operations:
            if after is not None and operation.first_value < after:
                return operation
            after = operation.first_value + operation.count
        return None

    def find(self, value: int) -> Produce | None:
        position = bisect_right(self._firsts, value) - 1
        if position >= 0:
            operation = self._operations[position]
            if value < operation.first_value + operation.count:
                return operation
        return None


def _first_value(operation: Produce) -> int:
    return operation.first_value
