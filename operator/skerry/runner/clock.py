"""The run's clock: one for everything that is judged.

CLOCK_BOOTTIME of the machine that records, from the start of the run. Every process on that machine shares it, so
bracketing an action there needs no synchronisation; what acts from elsewhere brackets by asking the recorder.
"""

from __future__ import annotations

import time


class RunClock:
    """Nanoseconds since the start of the run."""

    def __init__(self) -> None:
        self.started_boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self.started_wall_ns = time.time_ns()

    def now_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - self.started_boot_ns

    def wall_ns(self) -> int:
        return time.time_ns()

    def boot_ns(self, run_ns: int) -> int:
        """A moment of this run on the machine's boot clock."""
        return self.started_boot_ns + run_ns

    def run_ns(self, boot_ns: int) -> int:
        """A moment of the machine's boot clock in this run."""
        return boot_ns - self.started_boot_ns
