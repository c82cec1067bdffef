"""The two clocks of a process."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def boot_ns(self) -> int:
        """Never goes back, and goes on while the machine sleeps (CLOCK_MONOTONIC would stand still)."""

    def wall_ns(self) -> int:
        """The date; may jump."""


class SystemClock:
    def boot_ns(self) -> int:
        return boot_ns()

    def wall_ns(self) -> int:
        return time.time_ns()


def boot_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
