"""A reader of one partition: where to fetch next, and what that means for the history's session."""

from __future__ import annotations

from collections.abc import Sequence


class PartitionReader:
    """Reads one partition from an offset on, in order; the caller fetches, this remembers.

    A reader never skips and never goes back on its own: ``offset`` is always the one after the last record that it was
    given. What a broker returns instead is for the checker to judge.
    """

    def __init__(self, process: int, partition: int, offset: int = 0) -> None:
        self.process = process
        self.partition = partition
        self.offset = offset
        self.session = 0

    def received(self, base_offset: int, values: Sequence[int]) -> None:
        """The records at ``base_offset``, ``base_offset + 1``, .. were returned."""
        if values:
            self.offset = base_offset + len(values)

    def start_over(self, offset: int) -> None:
        """Go on at another place on purpose (the log start moved past us): a new session."""
        self.offset = offset
        self.session += 1


def trim(offset: int, base_offset: int, values: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    """Cut whole batches to what was asked for: records from ``offset`` on; returns (offset of the first one, values).

    Records at or above the high watermark are *kept*: a broker must never return one, and only a record that is in the
    history can prove that it did.
    """
    skip = max(0, offset - base_offset)
    kept = tuple(values[skip:])
    return (base_offset + skip, kept) if kept else (offset, ())
