"""The run's clock and its history file.

There is one clock: CLOCK_BOOTTIME of this machine, from the start of the run. Every process here shares it, so
bracketing an action needs no synchronisation.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
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
    """Appends to `history.jsonl`. After ``close`` nothing more is recorded: the footer is the last line.

    A full disk is not the cluster's fault and no reason to leave processes behind: from the first failure on nothing
    more is written, and ``failure`` says why. Such a history has no footer, so that no rule can pass on it.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self._file = path.open("wb")
        self._writer = HistoryWriter(self._file)
        self.failure = ""
        self.append(header)

    @property
    def closed(self) -> bool:
        return self._file.closed

    def append(self, record: HistoryRecord) -> None:
        if not self._file.closed:
            self._try(lambda: self._writer.append(record))

    def flush(self) -> None:
        """Hand everything to the kernel: what a killed runner leaves can still be read."""
        if not self._file.closed:
            self._try(self._file.flush)

    def close(self, footer: HistoryRecord) -> None:
        self.append(footer)
        if not self._file.closed:
            self._try(self._finish)

    def _finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self.failure = f"the history cannot be written to {self.path}: {error.strerror}"
            with contextlib.suppress(OSError):  # it tries once more to write what it holds
                self._file.close()
