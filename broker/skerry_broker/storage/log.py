"""The files of one replica, as the disk thread changes them.

The order within each operation is the argument for recovery (I-SAF-8): the files that limit what recovery may believe
(``epochs``, ``recovery-point``, snapshots) are changed and synced *before* records are removed, and *after* records
were added and synced. Segments are removed newest first, each removal durable before the next, so that what is left is
always a prefix.
"""

from __future__ import annotations

import errno
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from skerry_broker.core.types import Batch, EpochStart, TopicPartition
from skerry_broker.storage.checkpoints import (
    ProducerTable,
    load_producers,
    save_epochs,
    save_lines,
    save_number,
    save_producers,
)
from skerry_broker.storage.files import FileSystem, remove_tree
from skerry_broker.storage.segment import Batches, Segment, segment_name

SEGMENT = re.compile(r"[0-9]{20}\.log")
SNAPSHOT = re.compile(r"[0-9]{20}\.producers")


class SpaceLimit:
    """How many bytes of records the data directory may hold; beyond, a write fails as on a full disk."""

    def __init__(self, limit_bytes: int | None = None) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0

    def take(self, size: int) -> None:
        if self.limit_bytes is not None and self.used_bytes + size > self.limit_bytes:
            raise OSError(
                errno.ENOSPC,
                f"the size limit of {self.limit_bytes} bytes of records is reached; "
                "raise --data-bytes-max or lower the topics' retention",
            )
        self.used_bytes += size

    def give_back(self, size: int) -> None:
        self.used_bytes -= size


class LogFiles:
    """Invariants:

    1. ``segments`` is never empty once created, sorted, without gaps; it is replaced as a whole, never changed in
       place, because the event loop reads it.
    2. Every segment but the last is durable.
    3. The recovery point on disk is at or below ``durable_end``.
    """

    def __init__(
        self,
        fs: FileSystem,
        directory: str,
        partition: TopicPartition,
        topic_id: str,
        segment_bytes: int,
        space: SpaceLimit,
    ) -> None:
        self._fs = fs
        self.directory = directory
        self.partition = partition
        self.topic_id = topic_id
        self.segment_bytes = segment_bytes
        self.space = space
        self.segments: tuple[Segment, ...] = ()
        self.epochs: list[EpochStart] = []
        self.start_offset = 0
        self.end_offset = 0
        """Including what is staged."""
        self.durable_end = 0
        self.producers: ProducerTable | None = ProducerTable()
        """None: has to be read from the log again (after a truncation)."""
        self.high_watermark = 0
        """Set by the event loop, saved now and then."""
        self.lost = False
        """The marker ``lost`` is in the directory."""
        self.dirty = False
        self.written_id = 0
        """Write id of the last append that is in the file: what the tail need not keep."""
        self._staged: list[bytes] = []
        self._staged_id = 0
        self._epochs_changed = False
        self._saved: dict[str, int] = {}

    def path(self, name: str) -> str:
        return f"{self.directory}/{name}"

    # --- life ---------------------------------------------------------------------------------------

    def create(self) -> None:
        """Whole or not at all: made under another name, then renamed."""
        parent = self.directory.rpartition("/")[0]
        final, self.directory = self.directory, self.directory + ".new"
        if self._fs.exists(self.directory):
            remove_tree(self._fs, self.directory)
        self._fs.make_directory(self.directory)
        save_lines(self._fs, self.path("topic_id"), [self.topic_id], durable=True)
        self._fs.rename(self.directory, final)
        self.directory = final
        self._fs.sync_directory(parent)
        self.open_segment(0)

    def adopt(self) -> None:
        """Give a lost replica whose topic id was unreadable the one that its owner knows; what was put aside stays."""
        save_lines(self._fs, self.path("topic_id"), [self.topic_id], durable=True)

    def delete(self) -> None:
        """Renamed first, so that a half-removed replica is never taken for a replica."""
        doomed = self.directory + ".deleted"
        if self._fs.exists(doomed):
            remove_tree(self._fs, doomed)
        self._fs.rename(self.directory, doomed)
        self._fs.sync_directory(self.directory.rpartition("/")[0])
        self.space.give_back(sum(segment.size for segment in self.segments))
        remove_tree(self._fs, doomed)

    def open_segment(self, base_offset: int) -> None:
        segment = Segment(self._fs, self.directory, base_offset)
        segment.file = self._fs.open(segment.path)
        self._fs.sync_directory(self.directory)
        self.segments = (*self.segments, segment)

    # --- append -------------------------------------------------------------------------------------

    def stage(self, write_id: int, batches: Sequence[Batch]) -> None:
        """Take notice of batches that `write` will put into the file, many appends in one call."""
        segment = self.segments[-1]
        producers = self.producers
        for batch in batches:
            data = batch.data
            size = len(data)
            if segment.size and segment.size + size > self.segment_bytes:
                self.write()
                self._roll(batch.base_offset)
                segment, producers = self.segments[-1], self.producers
            self.space.take(size)
            segment.add(batch.base_offset, batch.record_count, size, batch.max_timestamp_ms)
            self._staged.append(data)
            if not self.epochs or batch.leader_epoch != self.epochs[-1].epoch:
                self.enter_epoch(batch.leader_epoch, batch.base_offset)
            if producers is not None and batch.producer_id >= 0:
                producers.apply(
                    batch.producer_id, batch.producer_epoch, batch.base_sequence, batch.base_offset, batch.record_count
                )
        self.end_offset = batches[-1].next_offset
        self._staged_id = write_id

    def write(self) -> None:
        if self._staged:
            file = self.segments[-1].file
            assert file is not None
            file.append(self._staged)
            self._staged = []
            self.dirty = True
        self.written_id = max(self.written_id, self._staged_id)

    def _roll(self, base_offset: int) -> None:
        """The full segment is synced before the next one exists: a gap can then only be damage (invariant 2)."""
        segment = self.segments[-1]
        assert segment.file is not None
        segment.file.sync()
        segment.save_index()
        segment.file = None
        self.durable_end = base_offset
        save_producers(self._fs, self.path(f"{segment_name(base_offset)}.producers"), self._known_producers())
        self._save_number("recovery-point", base_offset, durable=False)
        self.open_segment(base_offset)

    def sync(self) -> None:
        """Everything written is durable when this returns; the epochs follow their records."""
        if self.dirty:
            file = self.segments[-1].file
            assert file is not None
            file.sync()
            self.dirty = False
        self.durable_end = self.end_offset
        self.save_changed_epochs()

    def save_changed_epochs(self) -> None:
        if self._epochs_changed:
            save_epochs(self._fs, self.path("epochs"), self.epochs)
            self._epochs_changed = False

    def clear_lost(self) -> None:
        """The owner has started the replica over: from now on what is here counts again."""
        if self.lost:
            self._fs.unlink(self.path("lost"))
            self._fs.sync_directory(self.directory)
            self.lost = False

    # --- remove -------------------------------------------------------------------------------------

    def truncate(self, end_offset: int) -> None:
        """Remove every record at or above ``end_offset``, which is a batch boundary."""
        self._forget_from(end_offset)
        while len(self.segments) > 1 and self.segments[-1].base_offset >= end_offset:
            self._remove_last_segment()
        segment = self.segments[-1]
        if segment.next_offset > end_offset:
            self._cut(segment, end_offset)
        self.end_offset = end_offset
        self.durable_end = min(self.durable_end, end_offset)
        self.high_watermark = min(self.high_watermark, end_offset)

    def reset(self, start_offset: int) -> None:
        """An empty log at ``start_offset``. A crash on the way leaves a prefix of the old log, or no record."""
        self._forget_from(-1)
        while len(self.segments) > 1:
            self._remove_last_segment()
        self._remove_last_segment()
        self._save_number("log-start", start_offset, durable=True)
        self.start_offset = self.end_offset = self.durable_end = start_offset
        self.high_watermark = min(self.high_watermark, start_offset)
        self.producers = ProducerTable()
        self.open_segment(start_offset)

    def advance_start(self, start_offset: int) -> None:
        """Remove whole segments below ``start_offset``, which is durable first: what is left over by a crash is
        below it, and goes at the next start."""
        if start_offset <= self.start_offset:
            return
        self.write()
        self.sync()  # the log start must not be ahead of the durable end, and the epochs outlive their records
        self._save_number("log-start", start_offset, durable=True)
        self.start_offset = start_offset
        while len(self.segments) > 1 and self.segments[0].next_offset <= start_offset:
            first, self.segments = self.segments[0], self.segments[1:]
            self._unlink_segment(first)

    def enter_epoch(self, epoch: int, start_offset: int) -> None:
        """As `core.epochs.EpochCache.assign`: an epoch that was assigned and never got a record gives way, also to an
        older one, whose records a follower may fetch at the same offset (KAFKA-7415)."""
        if self.epochs and self.epochs[-1].epoch == epoch:
            return
        while self.epochs and self.epochs[-1].start_offset >= start_offset:
            self.epochs.pop()
        if self.epochs and self.epochs[-1].epoch > epoch:
            raise ValueError(f"{self.partition}: epoch {epoch} at offset {start_offset} follows {self.epochs[-1]}")
        if not self.epochs or self.epochs[-1].epoch < epoch:
            self.epochs.append(EpochStart(epoch, start_offset))
        self._epochs_changed = True

    def note_high_watermark(self, high_watermark: int) -> None:
        self.high_watermark = high_watermark

    def _forget_from(self, end_offset: int) -> None:
        """What recovery believes beside the records must not outlive them."""
        self.write()
        kept = [epoch for epoch in self.epochs if epoch.start_offset < end_offset]
        if kept != self.epochs or self._epochs_changed:
            self.epochs = kept
            save_epochs(self._fs, self.path("epochs"), kept)
            self._epochs_changed = False
        if self._saved.get("recovery-point", 0) > max(end_offset, 0):
            self._save_number("recovery-point", max(end_offset, 0), durable=True)
        if self._saved.get("high-watermark", 0) > max(end_offset, 0):
            self._save_number("high-watermark", max(end_offset, 0), durable=True)
        doomed = [offset for offset in snapshot_offsets(self._fs, self.directory) if offset > end_offset]
        for offset in doomed:
            self._fs.unlink(self.path(f"{segment_name(offset)}.producers"))
        if doomed:
            self._fs.sync_directory(self.directory)
        self.producers = None

    def _remove_last_segment(self) -> None:
        last, self.segments = self.segments[-1], self.segments[:-1]
        last.file = None
        self._unlink_segment(last)
        self._fs.sync_directory(self.directory)
        self.dirty = False
        if self.segments:
            segment = self.segments[-1]
            segment.file = self._fs.open(segment.path)
            self.end_offset = segment.next_offset

    def _unlink_segment(self, segment: Segment) -> None:
        stem = segment.path.removesuffix(".log")
        self._fs.unlink(segment.path)
        for suffix in (".index", ".timeindex", ".producers"):
            if self._fs.exists(stem + suffix):
                self._fs.unlink(stem + suffix)
        self.space.give_back(segment.size)

    def _cut(self, segment: Segment, end_offset: int) -> None:
        assert segment.file is not None
        batches = Batches(segment.file, segment.floor(end_offset - 1), None)
        position = batches.position
        entry = bisect_left(segment.offsets, end_offset) - 1
        max_timestamp_ms = segment.times[entry] if entry >= 0 else 0
        for batch in batches:
            if batch.base_offset >= end_offset:
                break
            if batch.next_offset > end_offset:
                raise ValueError(f"{self.partition}: cannot truncate to offset {end_offset}, inside a batch")
            position = batches.position
            max_timestamp_ms = max(max_timestamp_ms, batch.max_timestamp_ms)
        segment.file.truncate(position)
        self.space.give_back(segment.size - position)
        segment.cut(end_offset, position, max_timestamp_ms)
        self.dirty = True

    # --- now and then -------------------------------------------------------------------------------

    def save_progress(self, *, durable: bool) -> None:
        """High watermark and recovery point, when they changed."""
        for name, value in (
            ("high-watermark", min(self.high_watermark, self.end_offset)),
            ("recovery-point", self.durable_end),
        ):
            if self._saved.get(name) != value or durable:
                self._save_number(name, value, durable=durable)

    def save_for_clean_stop(self) -> None:
        """After `sync`: whatever lets the next start skip reading the log, and notice any later damage."""
        save_producers(self._fs, self.path(f"{segment_name(self.end_offset)}.producers"), self._known_producers())
        save_epochs(self._fs, self.path("epochs"), self.epochs)
        for segment in self.segments[-1:]:
            segment.save_index()
        self.save_progress(durable=True)
        self.clear_lost()

    def remember_saved(self, numbers: Iterable[tuple[str, int]]) -> None:
        """What recovery found on disk."""
        self._saved.update(numbers)

    def _save_number(self, name: str, number: int, *, durable: bool) -> None:
        # A number that is about to be on disk counts as saved even if the write fails: better lowered once too often.
        self._saved[name] = max(number, self._saved.get(name, 0)) if not durable else number
        save_number(self._fs, self.path(name), number, durable=durable)

    def _known_producers(self) -> ProducerTable:
        if self.producers is None:
            self.producers = read_producers(self._fs, self.directory, self.segments)
        return self.producers


def snapshot_offsets(fs: FileSystem, directory: str) -> list[int]:
    return [int(name[:20]) for name in fs.list(directory) if SNAPSHOT.fullmatch(name)]


def read_producers(fs: FileSystem, directory: str, segments: Sequence[Segment]) -> ProducerTable:
    """From the newest good snapshot at or below the end, and the batch headers after it."""
    table, applied = ProducerTable(), -1
    for offset in reversed(snapshot_offsets(fs, directory)):
        if offset <= segments[-1].next_offset:
            snapshot = load_producers(fs, f"{directory}/{segment_name(offset)}.producers")
            if snapshot is not None:
                table, applied = snapshot, offset
                break
    for segment in segments:
        if segment.next_offset <= applied:
            continue
        file = segment.opened()
        for batch in Batches(file, segment.floor(applied), None):
            if batch.base_offset >= applied and batch.producer_id >= 0:
                table.apply(
                    batch.producer_id, batch.producer_epoch, batch.base_sequence, batch.base_offset, batch.record_count
                )
        if segment.file is None:
            file.close()
    return table
