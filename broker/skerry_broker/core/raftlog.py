"""The metadata log in memory: a snapshot, and contiguous entries after it.

Pure bookkeeping: nothing here writes, sends or decides. `raft_state` says what of it is durable.
"""

from __future__ import annotations

from skerry_broker.core.messages import RaftSnapshot
from skerry_broker.core.records import Entry

NO_TERM = -1
"""The term of an entry that is not here: compacted away, or beyond the end."""


class RaftInvariantError(RuntimeError):
    """A rule that Raft's safety rests on is broken. The node must stop: going on could lose committed data."""


class RaftLog:
    __slots__ = ("_entries", "last_index", "last_term", "snapshot", "snapshot_index", "snapshot_term")

    def __init__(self, snapshot: RaftSnapshot | None, entries: tuple[Entry, ...]) -> None:
        """Raises RaftInvariantError when ``entries`` do not follow ``snapshot`` without a gap, terms in order."""
        self.snapshot = snapshot
        self.snapshot_index = snapshot.last_index if snapshot else 0
        self.snapshot_term = snapshot.last_term if snapshot else 0
        self._entries: list[Entry] = []
        # Invariant: _entries[i].index == snapshot_index + 1 + i; terms never decrease.
        self.last_index = self.snapshot_index
        self.last_term = self.snapshot_term
        self.append(tuple(entry for entry in entries if entry.index > self.snapshot_index))

    def append(self, entries: tuple[Entry, ...]) -> None:
        for entry in entries:
            if entry.index != self.last_index + 1 or entry.term < self.last_term:
                raise RaftInvariantError(
                    f"entry {entry.index} of term {entry.term} cannot follow "
                    f"entry {self.last_index} of term {self.last_term} in the metadata log"
                )
            self._entries.append(entry)
            self.last_index = entry.index
            self.last_term = entry.term

    def term_at(self, index: int) -> int:
        """The term of the entry at ``index``; 0 at index 0; NO_TERM when the log does not know it."""
        if index == self.last_index:  # nearly always
            return self.last_term
        position = index - self.snapshot_index - 1
        if 0 <= position < len(self._entries):
            return self._entries[position].term
        return self.snapshot_term if position == -1 else NO_TERM

    def slice(self, start: int, count_max: int) -> tuple[Entry, ...]:
        """Up to ``count_max`` entries from index ``start`` on. Raises RaftInvariantError when compacted away."""
        position = start - self.snapshot_index - 1
        if position < 0:
            raise RaftInvariantError(f"entry {start} was compacted away (snapshot at {self.snapshot_index})")
        return tuple(self._entries[position : position + count_max])

    def truncate_from(self, index: int) -> None:
        """Drop the entry at ``index`` and all after it. Never below the snapshot."""
        if index <= self.snapshot_index:
            raise RaftInvariantError(f"truncation at {index} reaches into the snapshot at {self.snapshot_index}")
        del self._entries[index - self.snapshot_index - 1 :]
        if index <= self.last_index:
            self.last_index = index - 1
            self.last_term = self._entries[-1].term if self._entries else self.snapshot_term

    def compact(self, snapshot: RaftSnapshot) -> None:
        """Drop everything up to ``snapshot.last_index``; what follows it stays, if the log holds that entry."""
        if self.term_at(snapshot.last_index) == snapshot.last_term:
            del self._entries[: snapshot.last_index - self.snapshot_index]
        else:
            self._entries.clear()
        self.snapshot = snapshot
        self.snapshot_index = snapshot.last_index
        self.snapshot_term = snapshot.last_term
        if self._entries:
            return
        self.last_index = snapshot.last_index
        self.last_term = snapshot.last_term

    def at_least(self, index: int, term: int) -> bool:
        """Whether a log that ends with (index, term) is as up to date as this one (Raft 5.4.1)."""
        return term > self.last_term or (term == self.last_term and index >= self.last_index)

    def last_at_most(self, index: int, term: int) -> int:
        """The largest index <= ``index`` whose term is <= ``term``: where two logs may first agree.

        Skips a whole foreign term in one step (etcd ``findConflictByTerm``); below the snapshot the terms are not
        known, so the answer there is merely "lower than the snapshot".
        """
        index = min(index, self.last_index)
        while index > self.snapshot_index:
            if self._entries[index - self.snapshot_index - 1].term <= term:
                return index
            index -= 1
        if index == self.snapshot_index and self.snapshot_term > term:
            return max(index - 1, 0)
        return index
