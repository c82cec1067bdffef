"""Sequential work in virtual time: a generator that yields how long to sleep, or what to wait for."""

from __future__ import annotations

from collections.abc import Callable, Generator

from skerry.worlds.sim.scheduler import NS_PER_MS, Scheduler

Waiting = int | Callable[[], bool]
"""Nanoseconds to sleep, or a condition that must hold before the work goes on."""
Work = Generator[Waiting, None, None]

POLL_NS = 10 * NS_PER_MS


class Tasks:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def spawn(self, work: Work) -> None:
        """Begin now; runs to its first ``yield`` before this returns."""
        self._go_on((work, None))

    def _go_on(self, task: tuple[Work, Callable[[], bool] | None]) -> None:
        work, condition = task
        if condition is not None and not condition():
            self._scheduler.post(self._scheduler.now_ns + POLL_NS, self._go_on, task)
            return
        try:
            waiting = next(work)
        except StopIteration:
            return
        if isinstance(waiting, int):
            self._scheduler.post(self._scheduler.now_ns + waiting, self._go_on, (work, None))
        else:
            self._go_on((work, waiting))
