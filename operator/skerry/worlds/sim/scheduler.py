"""Virtual time: a heap of events ordered by (time, order of posting)."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import repeat
from typing import Any

from skerry.history.collector import collector_paused

Action = Callable[[Any], object]

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Scheduler:
    """Runs posted actions in order of (time_ns, seq); never goes back in time."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._seq = 0
        """How many were posted."""
        self._heap: list[tuple[int, int, Action, object]] = []
        self._stopped = False

    @property
    def events(self) -> int:
        """How many actions have run, or are running: nothing that was posted is ever taken back."""
        return self._seq - len(self._heap)

    def post(self, time_ns: int, action: Action, argument: object = None) -> None:
        """Run ``action(argument)`` at ``time_ns``, or now when that is past."""
        self._seq = seq = self._seq + 1
        heappush(self._heap, (time_ns if time_ns > self.now_ns else self.now_ns, seq, action, argument))

    def stop(self) -> None:
        """End the present ``run`` after the action that calls this."""
        self._stopped = True

    @collector_paused()
    def run(self, until_ns: int, events_max: int | None = None) -> bool:
        """Run all events up to and including ``until_ns``, then set the time to it.

        False: ended early, by ``stop`` or because ``events_max`` actions had run; the time stays at the last one.
        Events leave few cycles behind (a process that ended): garbage is collected between two runs.
        """
        heap = self._heap
        pop = heappop
        self._stopped = False
        for _ in repeat(None) if events_max is None else repeat(None, events_max):
            if not heap or heap[0][0] > until_ns:
                break
            self.now_ns, _, action, argument = pop(heap)
            action(argument)
            if self._stopped:
                return False
        else:
            if heap and heap[0][0] <= until_ns:
                return False
        self.now_ns = max(self.now_ns, until_ns)
        return True
