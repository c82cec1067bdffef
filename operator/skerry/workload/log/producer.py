"""An open-loop producer: batches of consecutive values, round robin over the partitions, a window per partition."""

from __future__ import annotations

from collections import deque

import msgspec

from skerry.workload.log.pace import ProducerPace
from skerry.workload.values import value_of

WINDOW = 5
"""Operations in flight per partition; what an idempotent producer may have open (Kafka keeps 5 batches)."""
BACKLOG_MAX = 1000
"""Intended operations kept while a partition is away; more are given up and counted, and use up no values."""


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

    def __init__(self, pace: ProducerPace, partitions: int) -> None:
        self.process = pace.process
        self.given_up = 0
        """Intended operations that were dropped because their partition's backlog was full."""
        self._pace = pace
        self._partitions = partitions
        self._next_ns = pace.start_ns
        self._planned = 0
        self._sequence = 0
        self._in_flight = [0] * partitions
        self._backlog: list[deque[PlannedProduce]] = [deque() for _ in range(partitions)]
        self._waiting: dict[int, None] = {}
        """Partitions with a backlog, in the order in which they got one: nobody walks over all partitions."""
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
        if not self._waiting:
            return []
        started: list[PlannedProduce] = []
        for partition in list(self._waiting):
            started += self._start(partition)
        return started

    def completed(self, partition: int) -> list[PlannedProduce]:
        """An operation ended, in whatever way. Returns what may start in its place."""
        self._in_flight[partition] -= 1
        return self._start(partition) if partition in self._waiting else []

    def stop(self) -> None:
        """Plan nothing more and forget what has not been started."""
        self._stopped = True
        for partition in self._waiting:
            self._backlog[partition].clear()
        self._waiting.clear()

    def _start(self, partition: int) -> list[PlannedProduce]:
        backlog = self._backlog[partition]
        started = []
        while backlog and self._in_flight[partition] < WINDOW:
            self._in_flight[partition] += 1
            started.append(backlog.popleft())
        if not backlog:
            del self._waiting[partition]
        return started

    def _plan(self) -> None:
        pace = self._pace
        partition = (self._planned + pace.first_partition) % self._partitions
        backlog = self._backlog[partition]
        if len(backlog) < BACKLOG_MAX:
            backlog.append(PlannedProduce(partition, value_of(self.process, self._sequence), pace.count, self._next_ns))
            self._waiting[partition] = None
            self._sequence += pace.count
        else:
            self.given_up += 1
        self._planned += 1
        self._next_ns += pace.interval_ns
