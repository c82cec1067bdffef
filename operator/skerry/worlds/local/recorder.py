"""The run's clock and its history file.

There is one clock: CLOCK_BOOTTIME of this machine, from the start of the run. Every process here shares it, so
bracketing an action needs no synchronisation.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from skerry.history.codec import HistoryWriter
from skerry.history.records import Header, HistoryRecord


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


class Recorder:
    """Appends to `history.jsonl`. After ``close`` nothing more is recorded: the footer is the last line."""

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self._file = path.open("wb")
        self._writer = HistoryWriter(self._file)
        self.append(header)

    @property
    def closed(self) -> bool:
        return self._file.closed

    def append(self, record: HistoryRecord) -> None:
        if not self._file.closed:
            self._writer.append(record)

    def flush(self) -> None:
        """Hand everything to the kernel: what a killed runner leaves can still be read."""
        if not self._file.closed:
            self._file.flush()

    def close(self, footer: HistoryRecord) -> None:
        if self._file.closed:
            return
        self.append(footer)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
