"""The end of one replica in memory, as the event loop sees it: complete from the moment of `perform`.

Invariants:

1. It holds every batch that is not yet in a file, so a read below ``first_offset`` finds its batches in the files,
   unchanged since before the last truncation.
2. Batches that are in a file stay while they fit into ``cache_bytes``: followers and consumers at the end of
   the log are served without touching a file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from skerry_broker.batch import patch
from skerry_broker.core.types import Batch, TopicPartition
from skerry_broker.storage.errors import LogCorrupt, StorageOffline
from skerry_broker.storage.log import LogFiles
from skerry_broker.storage.segment import INDEX_INTERVAL_BYTES, Batches


class LogTail:
    def __init__(self, partition: TopicPartition, files: LogFiles, start_offset: int, end_offset: int) -> None:
        self.partition = partition
        self.files = files
        self.start_offset = start_offset
        self.end_offset = end_offset
        self.first_offset = end_offset
        """What is below it has to be read from the files."""
        self.high_watermark = start_offset
        self._bases: list[int] = []
        self._batches: list[Batch] = []
        self._write_ids: list[int] = []
        self._bytes = 0

    def append(self, write_id: int, batches: Sequence[Batch], cache_bytes: int) -> list[Batch]:
        """The batches as they go into the file, with offset and epoch in their bytes too. Raises ValueError when they
        do not continue the log."""
        placed = []
        end = self.end_offset
        for batch in batches:
            if batch.base_offset != end:
                raise ValueError(f"{self.partition}: offset {batch.base_offset} appended where {end} is next")
            end = batch.next_offset
            data = patch(batch.data, batch.base_offset, batch.leader_epoch)
            if data is not batch.data:
                batch = Batch(
                    batch.base_offset,
                    batch.leader_epoch,
                    batch.record_count,
                    data,
                    batch.producer_id,
                    batch.producer_epoch,
                    batch.base_sequence,
                    batch.max_timestamp_ms,
                )
            placed.append(batch)
            self._bases.append(batch.base_offset)
            self._batches.append(batch)
            self._write_ids.append(write_id)
            self._bytes += len(data)
        self.end_offset = end
        if self._bytes > cache_bytes:
            self._shrink(cache_bytes // 2)
        return placed

    def _shrink(self, cache_bytes: int) -> None:
        written, drop = self.files.written_id, 0
        while drop < len(self._batches) and self._bytes > cache_bytes and self._write_ids[drop] <= written:
            self._bytes -= len(self._batches[drop].data)
            drop += 1
        if drop:
            self.first_offset = self._batches[drop - 1].next_offset
            del self._bases[:drop], self._batches[:drop], self._write_ids[:drop]

    def truncate(self, end_offset: int) -> None:
        if not self.start_offset <= end_offset <= self.end_offset:
            raise ValueError(
                f"{self.partition}: cannot truncate [{self.start_offset}, {self.end_offset}) to offset {end_offset}"
            )
        while self._batches and self._batches[-1].next_offset > end_offset:
            if self._batches[-1].base_offset < end_offset:
                raise ValueError(f"{self.partition}: cannot truncate to offset {end_offset}, inside a batch")
            self._bytes -= len(self._batches.pop().data)
            self._bases.pop()
            self._write_ids.pop()
        self.end_offset = end_offset
        self.first_offset = min(self.first_offset, end_offset)
        self.high_watermark = min(self.high_watermark, end_offset)

    def reset(self, start_offset: int) -> None:
        self._bases, self._batches, self._write_ids, self._bytes = [], [], [], 0
        self.start_offset = self.end_offset = self.first_offset = self.high_watermark = start_offset

    def read(self, start_offset: int, end_offset: int, bytes_max: int) -> tuple[Batch, ...]:
        """As `LogRead` says. Raises StorageOffline for what is not there, LogCorrupt for what is there and bad."""
        if start_offset < self.start_offset:
            raise StorageOffline(
                f"{self.partition}: offset {start_offset} is below the log start {self.start_offset}; read from there"
            )
        result: list[Batch] = []
        size = 0
        end_offset = min(end_offset, self.end_offset)
        if start_offset >= end_offset:
            return ()
        if start_offset < self.first_offset:
            size = self._read_files(result, start_offset, min(end_offset, self.first_offset), bytes_max)
            if not result or size >= bytes_max:
                return tuple(result)
            start_offset = result[-1].next_offset
            if start_offset < self.first_offset:
                return tuple(result)
        entry = max(0, bisect_right(self._bases, start_offset) - 1)
        for batch in self._batches[entry:] if entry else self._batches:
            if batch.next_offset > end_offset or (result and size + len(batch.data) > bytes_max):
                break
            result.append(batch)
            size += len(batch.data)
            if size >= bytes_max:
                break
        return tuple(result)

    def _read_files(self, result: list[Batch], start_offset: int, end_offset: int, bytes_max: int) -> int:
        size = 0
        segments = self.files.segments
        for number, segment in enumerate(segments):
            if number + 1 < len(segments) and segments[number + 1].base_offset <= start_offset:
                continue
            try:
                file = segment.opened()
                chunk_bytes = min(bytes_max, 1 << 20) + INDEX_INTERVAL_BYTES
                # The checksum does not cover the offset (the leader writes it): where it stands must vouch for it.
                batches = Batches(file, *segment.entry(start_offset), chunk_bytes)
                for batch in batches:
                    if batch.next_offset <= start_offset:
                        continue
                    if batch.next_offset > end_offset or (result and size + len(batch.data) > bytes_max):
                        return size
                    result.append(batch)
                    size += len(batch.data)
                    if size >= bytes_max or batch.next_offset == end_offset:
                        return size
            except OSError as error:
                raise LogCorrupt(f"{segment.path} cannot be read: {error}") from None
            if batches.problem is not None:
                raise LogCorrupt(f"{segment.path} at byte {batches.position}: {batches.problem}")
        if not result:
            raise LogCorrupt(f"{self.partition}: offset {start_offset} is not in the files of {self.files.directory}")
        return size

    def offset_at_time(self, at_wall_ms: int) -> int | None:
        for segment in self.files.segments:
            if segment.max_timestamp_ms < at_wall_ms or segment.base_offset >= self.first_offset:
                continue
            for batch in Batches(segment.opened(), segment.floor_of_time(at_wall_ms), None):
                if batch.base_offset >= self.first_offset:
                    break
                if batch.max_timestamp_ms >= at_wall_ms and batch.next_offset > self.start_offset:
                    return max(batch.base_offset, self.start_offset)
        for batch in self._batches:
            if batch.max_timestamp_ms >= at_wall_ms:
                return batch.base_offset
        return None
