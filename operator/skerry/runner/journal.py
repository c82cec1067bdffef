"""The run's journal as a file: what was decided, before it is done. What belongs in it: `skerry.engine.journal`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from skerry.engine.journal import ENTRIES_MAX, bounded, encode, keeps
from skerry.engine.world import Action


class JournalFile:
    """One JSON line a decision, at most `ENTRIES_MAX` unless more injections than that are unhealed.

    Handed to the kernel line by line: it has to outlive this process, not this machine.
    """

    def __init__(self, path: Path, limit: int = ENTRIES_MAX) -> None:
        """Raises OSError."""
        self._path = path
        self._limit = limit
        self._file = path.open("wb")
        self._entries: list[Action] = []
        self._lines = 0
        self.failure = ""
        """Why it cannot be written any more; nothing may be injected then."""

    def write(self, actions: Iterable[Action]) -> str:
        """Append these; returns why the journal cannot be written, or an empty text."""
        for action in actions:
            self.append(action)
        return self.failure

    def append(self, action: Action) -> None:
        if self.failure or not keeps(action):
            return
        self._entries.append(action)
        try:
            self._file.write(encode(action) + b"\n")
            self._file.flush()
            self._lines += 1
            if self._lines > self._limit:
                self._shorten()
        except OSError as error:
            self.failure = f"{self._path.name} cannot be written: {error.strerror}"

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self.failure = self.failure or f"{self._path.name} cannot be written: {error.strerror}"

    def _shorten(self) -> None:
        """Forget what was healed; the old file stays in place until the new one is complete."""
        self._entries = bounded(self._entries, self._limit // 2)
        new = self._path.with_suffix(".new")
        new.write_bytes(b"".join(encode(entry) + b"\n" for entry in self._entries))
        os.replace(new, self._path)
        self._file.close()
        self._file = self._path.open("ab")
        self._lines = len(self._entries)
