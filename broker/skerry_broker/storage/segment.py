"""One segment: a file of batches, and the sparse index over it.

Written by the disk thread, read by the event loop. What makes that safe without a lock: the loop reads only offsets
below what is in memory, which are written and stay; the index arrays only grow or are cut above those offsets, and an
entry's offset is appended after its position and time.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from struct import Struct

import google_crc32c

from skerry_broker.batch import HEADER_BYTES, CorruptBatch, batch_bytes, validate
from skerry_broker.core.types import Batch
from skerry_broker.storage.files import File, FileSystem, read_whole, replace

INDEX_INTERVAL_BYTES = 4096
_INDEX_HEADER = Struct(">8sqqqq")
_INDEX_MAGIC = b"skryidx1"
_TIME_MAGIC = b"skrytim1"
_CRC = Struct(">I")


def segment_name(base_offset: int) -> str:
    return f"{base_offset:020d}"


class Segment:
    """Batches from ``base_offset`` to ``next_offset`` (excluded), in ``size`` bytes."""

    def __init__(self, fs: FileSystem, directory: str, base_offset: int) -> None:
        self._fs = fs
        self.base_offset = base_offset
        self.path = f"{directory}/{segment_name(base_offset)}.log"
        self.next_offset = base_offset
        self.size = 0
        self.max_timestamp_ms = 0
        self.file: File | None = None
        """Open while it is appended to; a closed segment is opened for each read."""
        # Entry i: the batch at offset offsets[i] starts at byte positions[i]; no batch before it in this segment is
        # younger than times[i].
        self.offsets = array("q")
        self.positions = array("q")
        self.times = array("q")
        self._indexed = -INDEX_INTERVAL_BYTES

    def opened(self) -> File:
        return self.file or self._fs.open(self.path)

    def add(self, base_offset: int, count: int, size: int, max_timestamp_ms: int) -> None:
        """Take notice of a batch that is (or is about to be) the next in the file."""
        if self.size - self._indexed >= INDEX_INTERVAL_BYTES:
            self._indexed = self.size
            self.positions.append(self.size)
            self.times.append(self.max_timestamp_ms)
            self.offsets.append(base_offset)
        self.size += size
        self.next_offset = base_offset + count
        if max_timestamp_ms > self.max_timestamp_ms:
            self.max_timestamp_ms = max_timestamp_ms

    def cut(self, offset: int, position: int, max_timestamp_ms: int) -> None:
        """Take notice that everything from ``offset`` (at byte ``position``) on is gone."""
        keep = bisect_left(self.offsets, offset)
        for column in (self.offsets, self.positions, self.times):
            del column[keep:]
        self._indexed = self.positions[-1] if keep else -INDEX_INTERVAL_BYTES
        self.size, self.next_offset, self.max_timestamp_ms = position, offset, max_timestamp_ms

    def floor(self, offset: int) -> int:
        """A byte position at or before the batch that holds ``offset``, where a batch starts."""
        entry = bisect_right(self.offsets, offset) - 1
        return self.positions[entry] if entry >= 0 else 0

    def entry(self, offset: int) -> tuple[int, int]:
        """``floor(offset)``, and the offset of the batch that starts there."""
        entry = bisect_right(self.offsets, offset) - 1
        return (self.positions[entry], self.offsets[entry]) if entry >= 0 else (0, self.base_offset)

    def floor_of_time(self, at_wall_ms: int) -> int:
        """A byte position at or before the first batch with a record at or after ``at_wall_ms``."""
        entry = bisect_left(self.times, at_wall_ms) - 1
        return self.positions[entry] if entry >= 0 else 0

    # --- the index files ----------------------------------------------------------------------------

    def save_index(self) -> None:
        """Not synced: an index that does not match its segment is built again."""
        stem = self.path.removesuffix(".log")
        header = (self.size, self.next_offset, self.max_timestamp_ms, len(self.offsets))
        for suffix, magic, columns in (
            (".index", _INDEX_MAGIC, (self.offsets, self.positions)),
            (".timeindex", _TIME_MAGIC, (self.times,)),
        ):
            content = _INDEX_HEADER.pack(magic, *header) + b"".join(column.tobytes() for column in columns)
            content += _CRC.pack(google_crc32c.value(content))
            replace(self._fs, stem + suffix, content, durable=False)

    def load_index(self, file_bytes: int) -> bool:
        """Whether the index files are whole and describe a segment of this size; if so they are taken over."""
        stem = self.path.removesuffix(".log")
        loaded = []
        for suffix, magic, columns in ((".index", _INDEX_MAGIC, 2), (".timeindex", _TIME_MAGIC, 1)):
            content = read_whole(self._fs, stem + suffix)
            if content is None or len(content) < _INDEX_HEADER.size + _CRC.size:
                return False
            if google_crc32c.value(content[: -_CRC.size]) != _CRC.unpack(content[-_CRC.size :])[0]:
                return False
            found, size, next_offset, max_timestamp_ms, count = _INDEX_HEADER.unpack_from(content)
            if found != magic or size != file_bytes or len(content) != _INDEX_HEADER.size + 8 * columns * count + 4:
                return False
            for column in range(columns):
                start = _INDEX_HEADER.size + 8 * count * column
                values = array("q")
                values.frombytes(content[start : start + 8 * count])
                loaded.append(values)
        if len({len(column) for column in loaded}) != 1:
            return False
        self.offsets, self.positions, self.times = loaded
        self.size, self.next_offset, self.max_timestamp_ms = size, next_offset, max_timestamp_ms
        self._indexed = self.positions[-1] if self.positions else -INDEX_INTERVAL_BYTES
        return True


_CHUNK_BYTES = 1 << 20


class Batches:
    """Walks the batches of a file from ``position``; stops at the end or at the first bad one.

    Afterwards ``position`` is where it stopped and ``problem`` says what is wrong there (None: nothing);
    ``misplaced``: a good batch, of another offset than belongs there.
    """

    def __init__(self, file: File, position: int, expected_offset: int | None, chunk_bytes: int = _CHUNK_BYTES) -> None:
        self._chunk_bytes = chunk_bytes
        self.position = position
        self.problem: str | None = None
        self.misplaced = False
        self._file = file
        self._expected = expected_offset

    def __iter__(self) -> Batches:
        self._buffer, self._start = b"", self.position
        return self

    def _take(self, size: int) -> bytes:
        """The next ``size`` bytes (fewer at the end of the file), without moving on."""
        at = self.position - self._start
        if at + size > len(self._buffer):
            self._buffer = self._file.read_at(self.position, max(size, self._chunk_bytes))
            self._start, at = self.position, 0
        return self._buffer[at : at + size]

    def __next__(self) -> Batch:
        header = self._take(HEADER_BYTES)
        if not header:
            raise StopIteration
        if len(header) < HEADER_BYTES:
            return self._stop(f"the last {len(header)} bytes are less than a batch header")
        size = batch_bytes(header)
        if size < HEADER_BYTES or size > 1 << 30:
            return self._stop(f"a batch claims a size of {size} bytes")
        data = self._take(size)
        try:
            batch = validate(data)
        except CorruptBatch as error:
            return self._stop(str(error))
        if self._expected is not None and batch.base_offset != self._expected:
            self.misplaced = True
            return self._stop(f"offset {batch.base_offset} follows where {self._expected} should")
        if self._expected is not None:
            self._expected = batch.next_offset
        self.position += size
        return batch

    def _stop(self, problem: str) -> Batch:
        self.problem = problem
        raise StopIteration


def valid_batch_after(file: File, position: int, offset: int) -> int | None:
    """Where the first whole, valid batch of an offset above ``offset`` starts after ``position``; None: nowhere.

    Looks at every byte, for a torn length field says nothing about where the next batch would be.
    """
    buffer = file.read_at(position, max(0, file.size() - position))
    found = buffer.find(b"\x02", 17)  # the format number, 16 bytes into a batch
    while found >= 0:
        start = found - 16
        if start + HEADER_BYTES > len(buffer):
            return None
        size = batch_bytes(buffer, start)
        if HEADER_BYTES <= size <= len(buffer) - start:
            try:
                batch = validate(buffer[start : start + size])
            except CorruptBatch:
                pass
            else:
                if batch.base_offset > offset:
                    return position + start
        found = buffer.find(b"\x02", found + 1)
    return None
