"""The history file of a run: appended to as things happen, closed by its footer."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from skerry.history.codec import HistoryWriter
from skerry.history.records import Header, HistoryRecord


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
