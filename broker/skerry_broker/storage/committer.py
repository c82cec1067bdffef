"""The disk thread: takes what was queued, writes it, syncs each file once, reports. Group commit.

`DiskWriter.commit` is one round, without a thread: the tests call it directly, and crash it in between.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import Any

from skerry_broker.core.messages import (
    AdvanceLogStart,
    AppendLog,
    AssignEpoch,
    Checkpoint,
    CreateLog,
    DeleteLog,
    FormatDisk,
    ResetLog,
    SaveRaft,
    SaveSnapshot,
    TruncateLog,
)
from skerry_broker.core.types import Batch, FlushMode
from skerry_broker.storage.errors import DirectoryMismatch
from skerry_broker.storage.files import FileSystem
from skerry_broker.storage.identity import CleanStop, Meta, save_clean_stop, save_meta
from skerry_broker.storage.log import LogFiles
from skerry_broker.storage.raftlog import RaftFiles

INTERVAL_S = 0.1
"""How often FlushMode.INTERVAL syncs the partition logs."""
PROGRESS_S = 1.0
"""How often high watermarks and recovery points are written."""

Job = tuple[Any, LogFiles | None, Sequence[Batch]]
"""A disk effect, the replica it is for, and for an append its batches as they go into the file."""


class DiskWriter:
    """Invariant: after an error nothing is written to what it took offline, and no sync is tried twice (I-SAF-9)."""

    def __init__(
        self,
        fs: FileSystem,
        root: str,
        meta: Meta,
        raft: RaftFiles,
        logs: Sequence[LogFiles],
        flush: FlushMode,
        clock: Callable[[], float],
        on_flushed: Callable[[int], None],
        on_failed: Callable[[bool, str], None],
    ) -> None:
        self._fs = fs
        self._root = root
        self.meta = meta
        self._raft = raft
        self._logs = dict.fromkeys(logs)
        self._flush = flush
        self._clock = clock
        self._on_flushed = on_flushed
        self._on_failed = on_failed
        self.raft_failed = False
        self.logs_failed = False
        self._unsynced: dict[LogFiles, None] = {}
        self._progress: dict[LogFiles, None] = {}
        self._synced_at = self._progress_at = clock()
        self._log_jobs: dict[type, Callable[[LogFiles, Any, Sequence[Batch]], None]] = {
            AppendLog: lambda log, effect, batches: log.stage(effect.write_id, batches),
            CreateLog: lambda log, effect, _: self._create(log),
            DeleteLog: lambda log, effect, _: self._delete(log),
            TruncateLog: lambda log, effect, _: log.truncate(effect.end_offset),
            ResetLog: lambda log, effect, _: log.reset(effect.start_offset),
            AdvanceLogStart: lambda log, effect, _: log.advance_start(effect.start_offset),
            AssignEpoch: lambda log, effect, _: log.enter_epoch(*effect.epoch),
            Checkpoint: lambda log, effect, _: log.note_high_watermark(effect.high_watermark),
        }

    # --- one round ----------------------------------------------------------------------------------

    def commit(self, jobs: Sequence[Job]) -> None:
        """Carry out all of it, then report the last write id. Raises nothing: errors go to ``on_failed``."""
        last_id = 0
        touched: dict[LogFiles, None] = {}
        revived: dict[LogFiles, None] = {}
        for effect, log, batches in jobs:
            kind = type(effect)
            if kind is not Checkpoint:
                last_id = effect.write_id
            if log is None:
                self._guarded(True, self._raft_job, effect)
            elif self._guarded(False, self._log_jobs[kind], log, effect, batches):
                if log not in self._logs:  # deleted just now
                    continue
                self._progress[log] = None
                if kind is not Checkpoint:
                    touched[log] = None
                if log.lost and kind in (AppendLog, ResetLog, AssignEpoch):
                    revived[log] = None
        self._guarded(True, self._sync_raft)
        self._guarded(False, self._sync_touched, touched, revived)
        self._housekeeping()
        if last_id and not self.raft_failed:
            self._on_flushed(last_id)

    def next_wait_s(self) -> float | None:
        """How long the thread may wait for work before there is something to do without any; None: for ever."""
        now = self._clock()
        waits = []
        if self._unsynced and self._flush is FlushMode.INTERVAL and not self.logs_failed:
            waits.append(self._synced_at + INTERVAL_S - now)
        if self._progress and not self.logs_failed:
            waits.append(self._progress_at + PROGRESS_S - now)
        return max(0.0, min(waits)) if waits else None

    def finish(self, clean_broker_epoch: int | None) -> None:
        """Sync everything, in every flush mode; leave the clean-shutdown mark if nothing has failed."""
        self._guarded(True, self._sync_raft)
        self._guarded(False, self._sync_logs, list(self._unsynced))
        if clean_broker_epoch is not None and not self.raft_failed and not self.logs_failed:
            self._guarded(False, self._leave_mark, clean_broker_epoch)

    # --- parts of a round ---------------------------------------------------------------------------

    def _guarded(self, raft: bool, job: Callable[..., None], *arguments: Any) -> bool:
        """Whether it was done. The first error takes the log (or, of raft, everything) offline."""
        if self.raft_failed or (self.logs_failed and not raft):
            return False
        try:
            job(*arguments)
        except Exception as error:  # the thread must outlive any error: nobody else reports it
            self.fail(raft, describe(error))
            return False
        return True

    def fail(self, raft: bool, reason: str) -> None:
        self.logs_failed = True
        self.raft_failed = self.raft_failed or raft
        self._on_failed(raft, reason)

    def _raft_job(self, effect: SaveRaft | SaveSnapshot | FormatDisk) -> None:
        if isinstance(effect, SaveRaft):
            self._raft.stage(effect)
        elif isinstance(effect, SaveSnapshot):
            self._raft.save_snapshot(effect)
        elif self.meta.cluster_id != effect.cluster_id:
            if self.meta.cluster_id is not None:
                raise DirectoryMismatch(
                    f"{self._root} belongs to cluster {self.meta.cluster_id}, not {effect.cluster_id}"
                )
            self.meta = Meta(self.meta.directory_id, self.meta.broker_id, self.meta.version, effect.cluster_id)
            save_meta(self._fs, self._root, self.meta)

    def _sync_raft(self) -> None:
        self._raft.write()
        self._raft.sync()

    def _sync_touched(self, touched: dict[LogFiles, None], revived: dict[LogFiles, None]) -> None:
        logs = [log for log in touched if log in self._logs]
        for log in logs:
            log.write()
        if self._flush is FlushMode.GROUP:
            for log in logs:
                log.sync()
        else:
            self._unsynced.update(dict.fromkeys(logs))
            for log in logs:
                log.save_changed_epochs()
        for log in revived:
            log.clear_lost()

    def _sync_logs(self, logs: Sequence[LogFiles]) -> None:
        for log in logs:
            log.write()
            log.sync()
        self._unsynced.clear()

    def _housekeeping(self) -> None:
        now = self._clock()
        if self._flush is FlushMode.INTERVAL and self._unsynced and now >= self._synced_at + INTERVAL_S:
            self._guarded(False, self._sync_logs, list(self._unsynced))
            self._synced_at = self._clock()
        if self._progress and now >= self._progress_at + PROGRESS_S:
            self._guarded(False, self._save_progress)
            self._progress_at = self._clock()

    def _save_progress(self) -> None:
        for log in self._progress:
            log.save_progress(durable=False)
        self._progress.clear()

    def _create(self, log: LogFiles) -> None:
        if log in self._logs:
            log.adopt()
            return
        log.create()
        self._logs[log] = None

    def _delete(self, log: LogFiles) -> None:
        for registry in (self._logs, self._unsynced, self._progress):
            registry.pop(log, None)
        log.delete()

    def _leave_mark(self, broker_epoch: int) -> None:
        for log in self._logs:
            log.sync()
            log.save_for_clean_stop()
        save_clean_stop(self._fs, self._root, CleanStop(broker_epoch, self._raft.bytes))


def describe(error: Exception) -> str:
    """One sentence for the log and the status page."""
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"the disk refused a write: {error.strerror}{where}"
    return f"{type(error).__name__}: {error}"


class Committer:
    """The queue between the event loop and the disk thread."""

    def __init__(self, writer: DiskWriter) -> None:
        self._writer = writer
        self._round_began_ns = 0
        self.last_round_ns = -1
        """How long the last round of writes and fsyncs took; -1 before the first."""
        self._condition = threading.Condition()
        self._jobs: list[Job] = []
        self._closing = False
        self.backlog_bytes = 0
        self._thread = threading.Thread(target=self._run, name="skerry-disk", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, job: Job, size: int) -> None:
        with self._condition:
            self._jobs.append(job)
            self.backlog_bytes += size
            self._condition.notify()

    @property
    def round_under_way_ns(self) -> int:
        """How long the present round of writes and fsyncs has been under way; 0 while there is none. Any thread may
        ask, also while the disk hangs."""
        began_ns = self._round_began_ns
        return monotonic_ns() - began_ns if began_ns else 0

    def close(self, timeout_s: float | None) -> bool:
        """Whether everything queued has been carried out."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        self.run_once()
        return True

    def run_once(self) -> None:
        """One round on the calling thread."""
        with self._condition:
            jobs, self._jobs = self._jobs, []
            size = self.backlog_bytes
        began_ns = self._round_began_ns = monotonic_ns()
        self._writer.commit(jobs)
        self._round_began_ns = 0
        if jobs:
            self.last_round_ns = monotonic_ns() - began_ns
        with self._condition:
            self.backlog_bytes -= size

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._jobs and not self._closing:
                    if not self._condition.wait(self._writer.next_wait_s()):
                        break
                if self._closing and not self._jobs:
                    return
            self.run_once()
