"""Who sent a value."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from operator import add, attrgetter, gt

from skerry.history.records import Produce

_first_value = attrgetter("first_value")
_count = attrgetter("count")


class Attempts:
    """The writes to one partition. Batches hold consecutive values, so one sorted list finds the sender of any."""

    def __init__(self, produces: Iterable[Produce]) -> None:
        self._operations = sorted(produces, key=_first_value)
        self._firsts = list(map(_first_value, self._operations))

    @property
    def repeated(self) -> Produce | None:
        """A write whose values another one has too; None: each value was sent once, as it must be."""
        afters = map(add, self._firsts, map(_count, self._operations))
        overlaps = map(gt, afters, self._firsts[1:])
        return next(
            (operation for overlap, operation in zip(overlaps, self._operations[1:], strict=False) if overlap), None
        )

    def find(self, value: int) -> Produce | None:
        position = bisect_right(self._firsts, value) - 1
        if position >= 0:
            operation = self._operations[position]
            if value < operation.first_value + operation.count:
                return operation
        return None
