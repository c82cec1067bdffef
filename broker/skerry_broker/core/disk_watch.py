"""How long this broker's disk has owed an answer: the age of the oldest write that is not durable yet.

A write that fails is an event (`DiskFailed`). One that never returns is none: the only sign is that time goes by. This
broker tells the age with every heartbeat, and the controller judges it (`decisions.stuck`), because only the
controller knows whether anybody else could do better.
"""

from __future__ import annotations

from collections import deque

_GRAIN_NS = 10_000_000
"""Writes this close together are counted as one, of the time of the first: what is remembered stays small while a disk
hangs, and an age is told too high by no more than this."""


class DiskWatch:
    """Invariant: ``_oldest`` holds (time in ns, last write id) of everything written and not durable, oldest first."""

    __slots__ = ("_oldest", "last_id")

    def __init__(self) -> None:
        self._oldest: deque[tuple[int, int]] = deque()
        self.last_id = 0
        """The last write that this watch was told of."""

    def wrote(self, now: int, write_id: int) -> None:
        """Everything up to ``write_id`` was handed to the disk by ``now``."""
        self.last_id = write_id
        oldest = self._oldest
        if oldest and now - oldest[-1][0] < _GRAIN_NS:
            oldest[-1] = (oldest[-1][0], write_id)
        else:
            oldest.append((now, write_id))

    def flushed(self, write_id: int) -> None:
        """Everything up to ``write_id`` is durable."""
        oldest = self._oldest
        while oldest and oldest[0][1] <= write_id:
            oldest.popleft()

    def waiting_ns(self, now: int) -> int:
        """The age of the oldest write that is not durable; 0 when the disk owes nothing."""
        return now - self._oldest[0][0] if self._oldest else 0
