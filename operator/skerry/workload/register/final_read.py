"""The final read: every key once more by a fresh client, until each has been got or time is up."""

from __future__ import annotations

from collections.abc import Sequence

from skerry.history.records import Outcome, RegisterAction
from skerry.workload import FINAL_READER
from skerry.workload.register.operations import Ended, PlannedOperation

AGAIN_NS = 100_000_000
"""Between a get that did not succeed and the next one of that key."""


class FinalRead:
    """Invariant: of each key at most one get is under way; one that was got is not asked for again."""

    def __init__(self, keys: Sequence[str], start_ns: int, deadline_ns: int) -> None:
        """``deadline_ns``: no get begins at or after it."""
        self.process = FINAL_READER
        self._deadline_ns = deadline_ns
        self._due_ns = dict.fromkeys(keys, start_ns)
        self._in_flight: dict[int, str] = {}
        self._asked = 0

    @property
    def next_due_ns(self) -> int:
        """When a get becomes due, or the deadline, should that be earlier."""
        return min(self._deadline_ns, *self._due_ns.values()) if self._due_ns else self._deadline_ns

    @property
    def missing(self) -> tuple[str, ...]:
        """The keys that have not been got."""
        return tuple(sorted({*self._due_ns, *self._in_flight.values()}))

    def done(self, now_ns: int) -> bool:
        """Every key was got, or time is up; and nothing is under way."""
        return not self._in_flight and (not self._due_ns or now_ns >= self._deadline_ns)

    def step(self, now_ns: int, answers: Sequence[Ended] = ()) -> list[PlannedOperation]:
        """The gets to start now."""
        for answer in answers:
            key = self._in_flight.pop(answer.id)
            if answer.outcome is not Outcome.OK:
                self._due_ns[key] = now_ns + AGAIN_NS
        if now_ns >= self._deadline_ns:
            return []
        started = []
        for key in [key for key, due_ns in self._due_ns.items() if due_ns <= now_ns]:
            del self._due_ns[key]
            self._in_flight[self._asked] = key
            started.append(PlannedOperation(self._asked, RegisterAction.GET, key, -1, now_ns, final=True))
            self._asked += 1
        return started
