"""The leader epoch cache of one log: which epoch wrote which offsets (KIP-101).

Truncation is decided by this cache alone, never by the high watermark: a high watermark reaches a follower one
fetch late, and a follower that cuts there throws away acknowledged records on two fast failovers (KIP-101).
"""

from __future__ import annotations

from collections.abc import Iterable

from skerry_broker.core.types import EpochStart

NO_EPOCH = -1


class EpochCache:
    """Entries strictly increase in epoch *and* in start offset. The last one may start at the log's end: a leader
    enters its epoch before it has data, so that it can answer for it (KAFKA-7415)."""

    __slots__ = ("_entries", "latest")

    def __init__(self, entries: Iterable[EpochStart] = ()) -> None:
        self._entries: list[EpochStart] = []
        self.latest = NO_EPOCH
        """The epoch of the last entry."""
        for entry in entries:
            self.assign(entry.epoch, entry.start_offset)

    @property
    def entries(self) -> tuple[EpochStart, ...]:
        return tuple(self._entries)

    def assign(self, epoch: int, start_offset: int) -> bool:
        """The log at and after ``start_offset`` belongs to ``epoch``; False when that was known.

        Raises ValueError when the epoch goes back: such records must be truncated first.
        """
        entries = self._entries
        if entries and entries[-1].epoch == epoch:
            return False
        while entries and entries[-1].start_offset >= start_offset:
            entries.pop()  # an epoch that never wrote a record
        self._settle_latest()
        if self.latest == epoch and entries:
            return False  # the abandoned epoch stood between two stretches of this one (KAFKA-7415)
        if entries and self.latest > epoch:
            raise ValueError(
                f"epoch {epoch} cannot start at offset {start_offset}: epoch {entries[-1].epoch} already starts at "
                f"{entries[-1].start_offset}; truncate the log before appending an older epoch"
            )
        entries.append(EpochStart(epoch, start_offset))
        self.latest = epoch
        return True

    def last_record_epoch(self, log_start: int, log_end: int) -> int:
        """The epoch of the last record; -1 when the log holds none."""
        if log_end <= log_start:
            return NO_EPOCH
        for entry in reversed(self._entries):
            if entry.start_offset < log_end:
                return entry.epoch
        return NO_EPOCH

    def end_offset_for(self, epoch: int, log_end: int) -> EpochStart | None:
        """(largest local epoch <= ``epoch``, the offset where it ends here), named as an `EpochStart`.

        An epoch below all local ones ends where the first of them starts. None: nothing is known of an epoch beyond
        the latest, or the cache is empty.
        """
        entries = self._entries
        if not entries or epoch > entries[-1].epoch:
            return None
        end = log_end
        for entry in reversed(entries):
            if entry.epoch <= epoch:
                return EpochStart(entry.epoch, end)
            end = entry.start_offset
        return EpochStart(epoch, end)

    def truncate_end(self, end_offset: int) -> None:
        entries = self._entries
        while entries and entries[-1].start_offset >= end_offset:
            entries.pop()
        self._settle_latest()

    def truncate_start(self, start_offset: int) -> None:
        """Forget epochs that end at or before ``start_offset``; the one that holds it now starts there."""
        entries = self._entries
        while len(entries) > 1 and entries[1].start_offset <= start_offset:
            entries.pop(0)
        if entries and entries[0].start_offset < start_offset:
            entries[0] = EpochStart(entries[0].epoch, start_offset)

    def clear(self) -> None:
        self._entries.clear()
        self.latest = NO_EPOCH

    def _settle_latest(self) -> None:
        self.latest = self._entries[-1].epoch if self._entries else NO_EPOCH
