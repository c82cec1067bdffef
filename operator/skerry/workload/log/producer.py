"""An open-loop producer: batches of consecutive values, round robin over the partitions, a window per partition."""

from __future__ import annotations

from collections import deque

import msgspec

from skerry.workload.values import value_of

OPERATIONS_PER_SECOND_MAX = 25
"""Per producer: a higher record rate makes larger batches, not more operations."""
WINDOW = 5
"""Operations in flight per partition; what an idempotent producer may have open (Kafka keeps 5 batches)."""
BACKLOG_MAX = 1000
"""Intended operations kept while a partition is away; more are given up and counted, and use up no values."""
NS_PER_SECOND = 1_000_000_000


class PlannedProduce(msgspec.Struct, frozen=True):
    """One operation that is due: ``count`` consecutive values from ``first_value`` on."""

    partition: int
    first_value: int
    count: int
    intended_ns: int


class Producer:
    """One process. Same arguments, same plan.

    Invariant 1: per partition, operations leave in the order of their values.
    Invariant 2: at most `WINDOW` operations per partition are between ``due`` and ``completed``.
    """

    def __init__(self, process: int, partitions: int, records_per_second: int, start_ns: int) -> None:
        """``records_per_second`` is this producer's share of the rate; ``start_ns`` its first intended time."""
        if records_per_second < 1 or partitions < 1:
            raise ValueError("a producer needs at least one partition and one record a second")
        self.process = process
        self.count = -(-records_per_second // OPERATIONS_PER_SECOND_MAX)
        self.interval_ns = NS_PER_SECOND * self.count // records_per_second
        self.given_up = 0
        self._partitions = partitions
        self._next_ns = start_ns
        self._planned = 0
        self._sequence = 0
        self._in_flight = [0] * partitions
        self._backlog: list[deque[PlannedProduce]] = [deque() for _ in range(partitions)]
        self._stopped = False

    @property
    def next_due_ns(self) -> int:
        """When the next operation becomes due by the schedule."""
        return self._next_ns

    @property
    def idle(self) -> bool:
        """Nothing in flight."""
        return not any(self._in_flight)

    def due(self, now_ns: int) -> list[PlannedProduce]:
        """The operations to start now; they count as in flight until ``completed``."""
        while not self._stopped and self._next_ns <= now_ns:
            self._plan()
        started = []
        for partition, backlog in enumerate(self._backlog):
            while backlog and self._in_flight[partition] < WINDOW:
                self._in_flight[partition] += 1
                started.append(backlog.popleft())
        return started

    def completed(self, partition: int) -> None:
        """An operation ended, in whatever way."""
        self._in_flight[partition] -= 1

    def stop(self) -> None:
        """Plan nothing more and forget what has not been started."""
        self._stopped = True
        for backlog in self._backlog:
            backlog.clear()

    def _plan(self) -> None:
        partition = (self._planned + self.process) % self._partitions
        backlog = self._backlog[partition]
        if len(backlog) < BACKLOG_MAX:
            backlog.append(PlannedProduce(partition, value_of(self.process, self._sequence), self.count, self._next_ns))
            self._sequence += self.count
        else:
            self.given_up += 1
        self._planned += 1
        self._next_ns += self.interval_ns


def producers(count: int, partitions: int, records_per_second: int, start_ns: int) -> list[Producer]:
    """All producers of a workload: the rate is shared evenly, their schedules are staggered."""
    shares = [records_per_second // count + (1 if i < records_per_second % count else 0) for i in range(count)]
    stagger_ns = NS_PER_SECOND // OPERATIONS_PER_SECOND_MAX // count
    return [
        Producer(process, partitions, share, start_ns + process * stagger_ns)
        for process, share in enumerate(shares)
        if share
    ]
