"""An open-loop client: puts and gets by turns, round robin over the keys, a window for each key."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from skerry.history.records import RegisterAction
from skerry.workload.register.operations import Ended, PlannedOperation
from skerry.workload.values import value_of

NS_PER_SECOND = 1_000_000_000
WINDOW = 4
"""Operations of one client in flight per key."""
BACKLOG_MAX = 1000
"""Intended operations kept while a key is out of reach; more are given up and counted, and use up no values."""


class RegisterClient:
    """One process. Same arguments, same answers, same plan.

    Invariant 1: at most `WINDOW` operations per key are between ``step`` and their `Ended`.
    Invariant 2: no value is planned twice, and none is skipped.
    """

    def __init__(self, process: int, keys: Sequence[str], operations_per_second: int, start_ns: int) -> None:
        """``start_ns``: when the first operation is due. Raises ValueError without a key or a rate."""
        if operations_per_second < 1 or not keys:
            raise ValueError("a client needs at least one key and one operation a second")
        self.process = process
        self.interval_ns = NS_PER_SECOND // operations_per_second
        self.given_up = 0
        self._keys = tuple(keys)
        self._next_ns = start_ns
        self._planned = 0
        self._puts = 0
        self._in_flight: dict[int, str] = {}
        self._open = dict.fromkeys(self._keys, 0)
        self._backlog: dict[str, deque[PlannedOperation]] = {key: deque() for key in self._keys}
        self._stopped = False

    @property
    def next_due_ns(self) -> int:
        """When the next operation becomes due by the schedule."""
        return self._next_ns

    @property
    def idle(self) -> bool:
        """Nothing in flight."""
        return not self._in_flight

    def step(self, now_ns: int, answers: Sequence[Ended] = ()) -> list[PlannedOperation]:
        """The operations to start now; each is in flight until its `Ended` is among the answers."""
        for answer in answers:
            self._open[self._in_flight.pop(answer.id)] -= 1
        while not self._stopped and self._next_ns <= now_ns:
            self._plan()
        started = []
        for key, backlog in self._backlog.items():
            while backlog and self._open[key] < WINDOW:
                operation = backlog.popleft()
                self._open[key] += 1
                self._in_flight[operation.id] = key
                started.append(operation)
        return started

    def stop(self) -> None:
        """Plan nothing more and forget what has not been started."""
        self._stopped = True
        for backlog in self._backlog.values():
            backlog.clear()

    def _plan(self) -> None:
        turn, place = divmod(self._planned, len(self._keys))
        key = self._keys[(place + self.process) % len(self._keys)]
        backlog = self._backlog[key]
        if len(backlog) >= BACKLOG_MAX:
            self.given_up += 1
        elif (turn + self.process) % 2 == 0:
            value = value_of(self.process, self._puts)
            backlog.append(PlannedOperation(self._planned, RegisterAction.PUT, key, value, self._next_ns))
            self._puts += 1
        else:
            backlog.append(PlannedOperation(self._planned, RegisterAction.GET, key, -1, self._next_ns))
        self._planned += 1
        self._next_ns += self.interval_ns


def clients(count: int, keys: Sequence[str], operations_per_second: int, start_ns: int) -> list[RegisterClient]:
    """All clients of a workload: the rate is shared evenly, their schedules are staggered."""
    shares = [operations_per_second // count + (process < operations_per_second % count) for process in range(count)]
    return [
        RegisterClient(process, keys, share, start_ns + process * (NS_PER_SECOND // share) // count)
        for process, share in enumerate(shares)
        if share
    ]
