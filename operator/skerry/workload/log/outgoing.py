"""Operations on their way: each gets an id, and its answer finds back to the one who asked."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from skerry.workload.operations import NEVER_NS, Answer, ClientSpec, Operation

OnAnswer = Callable[[int, Answer], None]
"""(when it was invoked, how it ended)"""
Wake = Callable[[int], None]
"""(now)"""
OVERDUE_NS = 5_000_000_000
"""How much longer than its own timeout an operation may take before its client is taken for dead."""


class Outgoing:
    """Shared by the processes of one workload: what they ask, what they wait for, and when they want to be woken.

    Invariant: of each operation exactly one answer is delivered.
    """

    def __init__(self) -> None:
        self._out: list[Operation] = []
        self._open: dict[int, tuple[int, Operation, OnAnswer]] = {}
        self._last_id = 0
        self._wakes: list[tuple[int, int, Wake]] = []
        self._wake_count = 0
        self.next_due_ns = NEVER_NS
        """When the first of those who want to be woken wants it."""

    def send(self, now_ns: int, client: ClientSpec, request: Any, on_answer: OnAnswer) -> None:
        self._last_id += 1
        operation = Operation(self._last_id, client, request)
        self._open[self._last_id] = (now_ns, operation, on_answer)
        self._out.append(operation)

    def wake_at(self, at_ns: int, wake: Wake) -> None:
        self._wake_count += 1
        heappush(self._wakes, (at_ns, self._wake_count, wake))
        self.next_due_ns = self._wakes[0][0]

    @property
    def open(self) -> int:
        """How many operations have not been answered."""
        return len(self._open)

    def deliver(self, answer: Answer) -> None:
        """Raises KeyError: the operation is not open: it was answered before, or never sent."""
        invoked_ns, _, on_answer = self._open.pop(answer.id)
        on_answer(invoked_ns, answer)

    def wake(self, now_ns: int) -> None:
        wakes = self._wakes
        while wakes and wakes[0][0] <= now_ns:
            heappop(wakes)[2](now_ns)
        self.next_due_ns = wakes[0][0] if wakes else NEVER_NS

    def take(self) -> list[Operation]:
        out, self._out = self._out, []
        return out

    def unanswered(self) -> list[Operation]:
        """Oldest first."""
        return [operation for _, operation, _ in self._open.values()]

    def overdue(self, now_ns: int) -> Operation | None:
        """An operation that should have ended by its client's own timeout, long ago."""
        for invoked_ns, operation, _ in self._open.values():  # oldest first
            age_ns = now_ns - invoked_ns
            if age_ns <= OVERDUE_NS:
                return None
            if age_ns > operation.client.delivery_timeout_ms * 1_000_000 + OVERDUE_NS:
                return operation
        return None
