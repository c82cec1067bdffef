"""`Storage`: one data directory, opened. The package's docstring tells how it works."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from skerry_broker.core.messages import (
    AdvanceLogStart,
    AppendLog,
    AssignEpoch,
    Checkpoint,
    CreateLog,
    DeleteLog,
    DiskEffect,
    FormatDisk,
    LogRead,
    Recovered,
    ResetLog,
    SaveRaft,
    SaveSnapshot,
    TruncateLog,
)
from skerry_broker.core.types import Batch, FlushMode, TopicPartition
from skerry_broker.storage.committer import Committer, DiskWriter
from skerry_broker.storage.errors import LogCorrupt, StorageError, StorageOffline
from skerry_broker.storage.files import FileSystem, Fsync, OsFileSystem
from skerry_broker.storage.identity import Meta, load_or_create_meta, lock_directory, take_clean_stop
from skerry_broker.storage.log import LogFiles, SpaceLimit
from skerry_broker.storage.raftlog import RaftFiles
from skerry_broker.storage.recovery import recover_logs
from skerry_broker.storage.tail import LogTail

CACHE_BYTES = 8 << 20
"""How much of the ends of all logs together stays in memory after it was written."""
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,200}")


class Storage:
    """The disk of one broker. All methods are called from one thread, the event loop's; none waits for an fsync but
    `close`. Callbacks come from the disk thread (use ``loop.call_soon_threadsafe``), in order."""

    problems: tuple[str, ...]
    """What recovery found wrong, one sentence each; for the operator's log."""

    def __init__(
        self,
        root: str,
        fs: FileSystem,
        writer: DiskWriter,
        tails: Sequence[LogTail],
        segment_bytes: int,
        cache_bytes: int,
        space: SpaceLimit,
        release: Callable[[], None],
        problems: tuple[str, ...],
    ) -> None:
        self.problems = problems
        self._root = root
        self._fs = fs
        self._writer = writer
        self._committer = Committer(writer)
        self._tails = {tail.partition: tail for tail in tails}
        self._segment_bytes = segment_bytes
        self._cache_bytes = cache_bytes
        self._space = space
        self._release = release
        self._closed = False

    @classmethod
    def open(
        cls,
        path: Path | str,
        broker_id: int,
        *,
        on_flushed: Callable[[int], None],
        on_failed: Callable[[bool, str], None],
        flush: FlushMode = FlushMode.GROUP,
        segment_bytes: int = 64 << 20,
        size_limit_bytes: int | None = None,
        cluster_id: str | None = None,
        lock_wait_s: float = 30.0,
        fsync: Fsync = os.fdatasync,
        fs: FileSystem | None = None,
        cache_bytes: int = CACHE_BYTES,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        threaded: bool = True,
    ) -> tuple[Storage, Recovered]:
        """Lock, check, recover, and start the disk thread.

        ``size_limit_bytes`` bounds the records of all partitions together (the metadata log is small and not counted).
        ``threaded`` False: nothing is written until `commit` is called (tests).
        Raises DirectoryLocked after ``lock_wait_s``; DirectoryMismatch for a directory of another broker, cluster (if
        ``cluster_id`` is given) or format; StorageError when it cannot be read or written at all.
        """
        root = str(path).rstrip("/")
        fs = fs or OsFileSystem(fsync)
        release: Callable[[], None] | None = None
        try:
            fs.make_directory(root)
            release = lock_directory(fs, root, lock_wait_s, clock, sleep)
            raft = RaftFiles(fs, f"{root}/raft")

            def prepare() -> None:
                fs.make_directory(f"{root}/raft")
                fs.make_directory(f"{root}/topics")
                raft.create()
                fs.sync_directory(root)

            meta = load_or_create_meta(fs, root, broker_id, cluster_id, new_id, prepare)
            for directory in (root, f"{root}/topics"):
                fs.sync_directory(directory)  # names that the last process made and did not sync are about to count
            incarnation = new_id()
            clean = take_clean_stop(fs, root)
            raft.recover(incarnation, clean.raft_bytes if clean else 0)
            space = SpaceLimit(size_limit_bytes)
            logs = recover_logs(
                fs,
                f"{root}/topics",
                segment_bytes=segment_bytes,
                space=space,
                clean=clean is not None,
                quarantine=incarnation,
            )
        except OSError as error:
            if release is not None:
                release()
            raise StorageError(
                f"the data directory {root} cannot be used: {error.strerror or error}; "
                "check that it exists on a writable volume and belongs to the broker's user"
            ) from error
        except BaseException:
            if release is not None:
                release()
            raise
        recovered = Recovered(
            directory_id=meta.directory_id,
            incarnation=incarnation,
            cluster_id=meta.cluster_id,
            hard_state=raft.hard_state,
            snapshot=raft.snapshot,
            entries=tuple(raft.entries),
            logs=tuple(found for _, found, _ in logs),
            clean_shutdown_epoch=clean.broker_epoch if clean else None,
            raft_intact=not raft.lost,
        )
        problems = [problem for _, _, problem in logs if problem] + ([raft.problem] if raft.problem else [])
        writer = DiskWriter(fs, root, meta, raft, [log for log, _, _ in logs], flush, clock, on_flushed, on_failed)
        tails = [LogTail(found.partition, log, found.start_offset, found.end_offset) for log, found, _ in logs]
        for tail, (_, found, _) in zip(tails, logs, strict=True):
            tail.high_watermark = found.high_watermark
        storage = cls(root, fs, writer, tails, segment_bytes, cache_bytes, space, release, tuple(problems))
        if threaded:
            storage._committer.start()
        return storage, recovered

    @property
    def meta(self) -> Meta:
        return self._writer.meta

    # --- effects ------------------------------------------------------------------------------------

    def perform(self, effect: DiskEffect) -> None:
        """Queue one disk effect. Appends are visible to `read` at once; nothing here waits for the disk.

        After a failure effects are still taken, and dropped: nothing is written, nothing reported. Raises ValueError
        for an effect that does not fit the log: a bug of its author.
        """
        if isinstance(effect, AppendLog):
            tail = self._tail(effect.partition)
            batches = tail.append(effect.write_id, effect.batches, self._cache_bytes // len(self._tails))
            self._committer.put((effect, tail.files, batches), sum([len(batch.data) for batch in batches]))
        elif isinstance(effect, SaveRaft | FormatDisk):
            self._committer.put((effect, None, ()), 0)
        elif isinstance(effect, SaveSnapshot):
            self._committer.put((effect, None, ()), len(effect.image))
        elif isinstance(effect, CreateLog):
            self._create(effect)
        elif isinstance(effect, DeleteLog):
            tail = self._tail(effect.partition)
            del self._tails[effect.partition]
            self._committer.put((effect, tail.files, ()), 0)
        else:
            tail = self._tail(effect.partition)
            if isinstance(effect, TruncateLog):
                tail.truncate(effect.end_offset)
            elif isinstance(effect, ResetLog):
                tail.reset(effect.start_offset)
            elif isinstance(effect, AdvanceLogStart):
                tail.start_offset = max(tail.start_offset, effect.start_offset)
            elif isinstance(effect, Checkpoint):
                tail.high_watermark = effect.high_watermark
            else:
                assert isinstance(effect, AssignEpoch)
            self._committer.put((effect, tail.files, ()), 0)

    def _create(self, effect: CreateLog) -> None:
        if not _TOPIC.fullmatch(effect.partition.topic) or effect.partition.partition < 0:
            raise ValueError(f"{effect.partition} cannot be the name of a directory")
        existing = self._tails.get(effect.partition)
        if existing is not None:
            if existing.files.topic_id == effect.topic_id:
                # A replica that is already there keeps its records; only the write id is reported.
                self._committer.put((AdvanceLogStart(effect.write_id, effect.partition, 0), existing.files, ()), 0)
                return
            if existing.files.lost and not existing.files.topic_id:
                existing.files.topic_id = effect.topic_id
                self._committer.put((effect, existing.files, ()), 0)
                return
            self._committer.put((DeleteLog(effect.write_id, effect.partition), existing.files, ()), 0)
        directory = f"{self._root}/topics/{effect.partition}"
        files = LogFiles(self._fs, directory, effect.partition, effect.topic_id, self._segment_bytes, self._space)
        self._tails[effect.partition] = LogTail(effect.partition, files, 0, 0)
        self._committer.put((effect, files, ()), 0)

    def _tail(self, partition: TopicPartition) -> LogTail:
        tail = self._tails.get(partition)
        if tail is None:
            raise ValueError(f"there is no log of {partition} in {self._root}")
        return tail

    # --- reads --------------------------------------------------------------------------------------

    def read(self, read: LogRead) -> tuple[Batch, ...]:
        """Whole batches from the one that holds ``start_offset``, none with a record at or above ``end_offset``; about
        ``bytes_max``, at least one if there is one.

        Raises StorageOffline when there is no such log or offset. Bytes that went bad on disk raise LogCorrupt, and
        take the logs offline (``on_failed``, from this thread).
        """
        tail = self._tails.get(read.partition)
        if tail is None:
            raise StorageOffline(f"there is no log of {read.partition} in {self._root}")
        try:
            return tail.read(read.start_offset, read.end_offset, read.bytes_max)
        except LogCorrupt as error:
            if not self._writer.logs_failed:
                self._writer.fail(False, str(error))
            raise

    def offset_at_time(self, partition: TopicPartition, at_wall_ms: int) -> int | None:
        """The base offset of the first batch with a record at or after ``at_wall_ms``; None: no such record."""
        tail = self._tails.get(partition)
        return None if tail is None else tail.offset_at_time(at_wall_ms)

    def retention(
        self, now_wall_ms: int, limits: Callable[[TopicPartition], tuple[int, int]]
    ) -> list[tuple[TopicPartition, int]]:
        """Where retention would move log starts: whole segments, never the last, never above the high watermark.

        ``limits`` gives (retention_bytes, retention_ms) of a partition, -1 for none.
        """
        advances = []
        for partition, tail in sorted(self._tails.items()):
            retention_bytes, retention_ms = limits(partition)
            segments = tail.files.segments
            total = sum(segment.size for segment in segments)
            start = tail.start_offset
            for segment in segments[:-1]:
                too_big = 0 <= retention_bytes <= total - segment.size
                too_old = 0 <= retention_ms < now_wall_ms - segment.max_timestamp_ms
                if not (too_big or too_old) or segment.next_offset > tail.high_watermark:
                    break
                total -= segment.size
                start = max(start, segment.next_offset)
            if start > tail.start_offset:
                advances.append((partition, start))
        return advances

    # --- end ----------------------------------------------------------------------------------------

    @property
    def backlog_bytes(self) -> int:
        """What was queued and is not yet written: the owner refuses new produces above its bound."""
        return self._committer.backlog_bytes

    @property
    def fsync_under_way_ns(self) -> int:
        """How long the disk thread's present round of writes and fsyncs has been under way; 0 while there is none."""
        return self._committer.round_under_way_ns

    @property
    def last_fsync_ns(self) -> int:
        """How long its last round took; -1 before the first."""
        return self._committer.last_round_ns

    def commit(self) -> None:
        """One round of the disk on the calling thread; only for a storage opened with ``threaded`` False."""
        self._committer.run_once()

    def close(self, clean_broker_epoch: int | None = None, timeout_s: float | None = None) -> None:
        """Write what is queued and sync everything; with an epoch, and if nothing has failed, leave the clean-shutdown
        mark; release the lock. A disk that still blocks after ``timeout_s`` is left to the end of the process."""
        if self._closed:
            return
        self._closed = True
        if self._committer.close(timeout_s):
            self._writer.finish(clean_broker_epoch)
            self._release()
