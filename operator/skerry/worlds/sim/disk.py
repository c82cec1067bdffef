"""The disk of one simulated machine: the dumb twin of `skerry_broker.storage`.

It holds what is *written* and knows how to take back what is not yet *durable*: every write leaves an undo record
until a sync covers it.

* A **crash** (SIGKILL) keeps a prefix of all writes in their order: what the process had handed to the kernel
  survives it. The last append kept may be torn (some whole batches of it).
* A **power cut** keeps, for each file independently, a prefix of its unsynced writes: the kernel orders nothing
  between files. The metadata log with its hard state is one file, each partition log another.
* After an **fsync error** the covered writes are never reported durable, and may be gone after any restart (fsyncgate:
  the kernel has marked the pages clean).

``recover`` is what the storage does at a start: it reads what is there, and syncs it before it says so.

It also holds the core to its side of the contract (`ContractBroken`): increasing write ids, contiguous appends,
epochs that never go back, truncation at batch boundaries.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from skerry.worlds.sim.disk_files import ContractBroken, LogFile, RaftFile, cut_corrupt, recover_log, recover_raft
from skerry.worlds.sim.disk_writes import (
    RAFT,
    Append,
    Epochs,
    FileKey,
    Format,
    LogWrite,
    RaftWrite,
    Replace,
    Snapshot,
    Start,
    Truncate,
    Write,
)
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
    RaftSnapshot,
    Recovered,
    ResetLog,
    SaveRaft,
    SaveSnapshot,
    TruncateLog,
)
from skerry_broker.core.records import Entry
from skerry_broker.core.types import Batch, EpochStart, TopicPartition


class Disk:
    def __init__(self, directory_id: str, rng: random.Random) -> None:
        self._rng = rng
        self._writers: dict[type[Any], Callable[[Any], None]] = {
            AppendLog: self._append,
            SaveRaft: self._save_raft,
            TruncateLog: self._truncate,
            AssignEpoch: self._assign_epoch,
            SaveSnapshot: self._save_snapshot,
            CreateLog: self._create,
            DeleteLog: self._delete,
            ResetLog: self._reset,
            AdvanceLogStart: self._advance_start,
            FormatDisk: self._format,
        }
        self._new(directory_id)

    def _new(self, directory_id: str) -> None:
        self.directory_id = directory_id
        self.raft = RaftFile()
        self.logs: dict[TopicPartition, LogFile] = {}
        self.clean_shutdown_epoch: int | None = None
        self.raft_corrupt = False
        self.corrupt_logs: dict[TopicPartition, int] = {}
        """The offset of the first bad batch."""
        self._unsynced: deque[Write] = deque()
        self._doomed: list[Write] = []
        self.written_id = 0
        self.durable_id = 0
        self.logs_failed = False
        self.failure_told = False
        """The node knows: it may not write to a partition's log any more (I-SAF-9)."""

    # --- writing --------------------------------------------------------------------------------------------

    def carry_out(self, effect: DiskEffect) -> None:
        """Write; not durable before ``synced`` covers it. Raises `ContractBroken`."""
        if isinstance(effect, Checkpoint):
            log = self.logs.get(effect.partition)
            if log is not None:
                log.checkpoint = effect.high_watermark
            return
        if effect.write_id <= self.written_id:
            raise ContractBroken(f"write {effect.write_id} after write {self.written_id}: {effect!r:.200}")
        self.written_id = effect.write_id
        if self.failure_told and not isinstance(effect, SaveRaft | SaveSnapshot | FormatDisk):
            raise ContractBroken(f"a partition's log was written after its disk had failed: {effect!r:.200}")
        self._writers[type(effect)](effect)

    def _create(self, effect: CreateLog) -> None:
        old = self.logs.get(effect.partition)
        if old is not None and old.topic_id == effect.topic_id:
            raise ContractBroken(f"{effect.partition}: the log of this topic id is there already")
        self._replace(effect.write_id, effect.partition, LogFile(effect.topic_id))

    def _delete(self, effect: DeleteLog) -> None:
        self._replace(effect.write_id, effect.partition, None)

    def _reset(self, effect: ResetLog) -> None:
        old = self._log(effect.partition, effect)
        self._replace(effect.write_id, effect.partition, LogFile(old.topic_id, effect.start_offset))

    def _format(self, effect: FormatDisk) -> None:
        self._unsynced.append(Format(effect.write_id, self.raft))
        self.raft.cluster_id = effect.cluster_id

    def _log(self, partition: TopicPartition, effect: object) -> LogFile:
        log = self.logs.get(partition)
        if log is None:
            raise ContractBroken(f"no log of {partition} on this disk: {effect!r:.200}")
        return log

    def _append(self, effect: AppendLog) -> None:
        log = self._log(effect.partition, effect)
        end = log.end_offset
        epochs_before = len(log.epochs)
        last_epoch = log.epochs[-1].epoch if log.epochs else -1
        for batch in effect.batches:
            if batch.base_offset != end or batch.record_count < 1:
                raise ContractBroken(f"{effect.partition}: append at {batch.base_offset}, the log ends at {end}")
            if batch.leader_epoch != last_epoch:
                if batch.leader_epoch < last_epoch:
                    raise ContractBroken(f"{effect.partition}: epoch {batch.leader_epoch} after epoch {last_epoch}")
                last_epoch = batch.leader_epoch
                log.epochs.append(EpochStart(last_epoch, end))
            log.bases.append(end)
            log.batches.append(batch)
            end += batch.record_count
        log.lost = False
        self._unsynced.append(Append(effect.write_id, effect.partition, log, effect.batches, epochs_before))

    def _truncate(self, effect: TruncateLog) -> None:
        log = self._log(effect.partition, effect)
        end = effect.end_offset
        keep = bisect_right(log.bases, end - 1)
        if keep and log.batches[keep - 1].next_offset > end:
            raise ContractBroken(f"{effect.partition}: truncation to {end} inside a batch")
        if end < log.start_offset:
            raise ContractBroken(f"{effect.partition}: truncation to {end} below the start {log.start_offset}")
        removed = log.batches[keep:]
        kept_epochs = len([line for line in log.epochs if line.start_offset < end])
        gone = log.epochs[kept_epochs:]
        self._unsynced.append(Truncate(effect.write_id, effect.partition, log, end, removed, kept_epochs, gone))
        del log.batches[keep:], log.bases[keep:], log.epochs[kept_epochs:]
        log.durable_end = min(log.durable_end, end)
        log.truncations += 1

    def _assign_epoch(self, effect: AssignEpoch) -> None:
        log = self._log(effect.partition, effect)
        if log.epochs and log.epochs[-1].epoch > effect.epoch.epoch:
            raise ContractBroken(f"{effect.partition}: {effect.epoch} after {log.epochs[-1]}")
        log.lost = False
        # A line without data that the new one covers is superfluous (as in Kafka's epoch cache).
        kept = len(log.epochs)
        while kept and log.epochs[kept - 1].start_offset >= effect.epoch.start_offset:
            kept -= 1
        self._unsynced.append(Epochs(effect.write_id, effect.partition, log, kept, log.epochs[kept:]))
        log.epochs[kept:] = [effect.epoch]

    def _replace(self, write_id: int, partition: TopicPartition, new: LogFile | None) -> None:
        old = self.logs.pop(partition, None)
        self._unsynced.append(Replace(write_id, partition, self.logs, old, new))
        if new is not None:
            self.logs[partition] = new

    def _advance_start(self, effect: AdvanceLogStart) -> None:
        log = self._log(effect.partition, effect)
        drop = len([batch for batch in log.batches if batch.next_offset <= effect.start_offset])
        self._unsynced.append(Start(effect.write_id, effect.partition, log, log.batches[:drop]))
        log.start_offset = effect.start_offset
        del log.batches[:drop], log.bases[:drop]

    def _save_raft(self, effect: SaveRaft) -> None:
        raft = self.raft
        removed: list[Entry] = []
        hard_state_before = raft.hard_state
        if effect.truncate_from is not None and effect.truncate_from <= raft.last_index:
            if effect.truncate_from < raft.first_index:
                raise ContractBroken(f"raft: truncation from {effect.truncate_from} inside the snapshot")
            position = effect.truncate_from - raft.first_index
            removed = raft.entries[position:]
            del raft.entries[position:]
            raft.durable_index = min(raft.durable_index, raft.last_index)
            raft.truncations += 1
        for entry in effect.entries:
            if entry.index != raft.last_index + 1:
                raise ContractBroken(f"raft: entry {entry.index} after {raft.last_index}")
            raft.entries.append(entry)
        if effect.hard_state is not None:
            raft.hard_state = effect.hard_state
        self._unsynced.append(RaftWrite(effect.write_id, raft, removed, len(effect.entries), hard_state_before))

    def _save_snapshot(self, effect: SaveSnapshot) -> None:
        raft = self.raft
        self._unsynced.append(Snapshot(effect.write_id, raft, raft.snapshot, list(raft.entries)))
        drop = len(raft.entries) if effect.reset else effect.last_index - raft.first_index + 1
        if drop < 0:
            raise ContractBroken(f"raft: snapshot {effect.last_index} behind {raft.first_index - 1}")
        raft.entries = raft.entries[drop:]
        raft.snapshot = RaftSnapshot(effect.last_index, effect.last_term, effect.voters, effect.image)
        # Not durable before its own sync: a reset replaces entries that nobody may count on any more.
        if effect.reset:
            raft.durable_index = 0

    # --- syncing --------------------------------------------------------------------------------------------

    @property
    def dirty(self) -> bool:
        return self.written_id > self.durable_id

    def synced(self, write_id: int) -> None:
        """A sync that had begun after ``write_id`` was written has succeeded."""
        self.durable_id = max(self.durable_id, write_id)
        unsynced = self._unsynced
        capped: set[FileKey] = set()
        while unsynced and unsynced[0].write_id <= write_id:
            write = unsynced.popleft()
            if self.logs_failed and write.key != RAFT:
                self._doomed.append(write)
                continue
            if isinstance(write, LogWrite):
                log = write.log
                log.durable_end = write.end_after
                if log.truncations:
                    log.truncations -= isinstance(write, Truncate)
                    if log.truncations:
                        capped.add(write.key)
            elif isinstance(write, (RaftWrite, Snapshot)):
                raft = self.raft
                if isinstance(write, RaftWrite):
                    raft.durable_index = write.end_after
                    raft.durable_hard_state = write.hard_state
                    raft.truncations -= bool(write.removed)
                else:
                    raft.durable_index = max(raft.durable_index, raft.first_index - 1)
                if raft.truncations:
                    capped.add(RAFT)
        if capped:
            self._cap(capped)

    def _cap(self, keys: set[FileKey]) -> None:
        """What an unsynced truncation has removed is not durable as it is now."""
        raft = self.raft
        for write in self._unsynced:
            if write.key not in keys:
                continue
            if isinstance(write, Truncate):
                write.log.durable_end = min(write.log.durable_end, write.end_after)
            elif isinstance(write, RaftWrite) and write.removed:
                raft.durable_index = min(raft.durable_index, write.end_after - write.appended)

    def sync_failed(self, write_id: int, *, raft: bool) -> None:
        """A sync up to ``write_id`` failed for the metadata log (``raft``) or for the partitions' logs."""
        remaining: deque[Write] = deque()
        for write in self._unsynced:
            if write.write_id <= write_id and (write.key == RAFT) == raft:
                self._doomed.append(write)
            else:
                remaining.append(write)
        self._unsynced = remaining
        if not raft:
            self.logs_failed = True

    def sync_all(self) -> None:
        """A clean stop: everything is flushed."""
        self.synced(self.written_id)

    # --- losing ---------------------------------------------------------------------------------------------

    def crash(self, *, keep_all: bool) -> None:
        """SIGKILL: writes still queued inside the process are lost, from some point on, the last one perhaps torn."""
        self._lose_doomed()
        writes = list(self._unsynced)
        keep = len(writes) if keep_all else self._rng.randrange(0, len(writes) + 1)
        self._lose(writes, keep)
        self._unsynced.clear()

    def power_cut(self, *, lose_all: bool = False) -> None:
        """Every file keeps its own prefix of what was not synced; ``lose_all``: nothing of it."""
        self._lose_doomed()
        for writes in by_file(self._unsynced).values():
            keep = 0 if lose_all else self._rng.randrange(0, len(writes) + 1)
            self._lose(writes, keep)
        self._unsynced.clear()
        for log in self.logs.values():
            # The checkpoint is written when convenient: an older one may be what is there.
            if self._rng.random() < 0.5:
                log.checkpoint //= 2

    def _lose_doomed(self) -> None:
        """A file whose sync has failed keeps some prefix of everything since; what was written later goes with it."""
        files = by_file(self._doomed)
        later = by_file(write for write in self._unsynced if write.key in files)
        for key, writes in files.items():
            writes += later.get(key, [])
            self._lose(writes, self._rng.randrange(0, len(writes) + 1))
        self._unsynced = deque(write for write in self._unsynced if write.key not in files)
        self._doomed.clear()

    def _lose(self, writes: list[Write], keep: int) -> None:
        for write in reversed(writes[keep:]):
            write.undo()
        if keep < len(writes):
            writes[keep].tear(self._rng)

    def wipe(self, directory_id: str) -> None:
        """An empty volume: another disk."""
        self._new(directory_id)

    def flip_bit(self, partition: TopicPartition) -> bool:
        """Damage a batch below the last one; found at the next start. False: there is none to damage."""
        log = self.logs.get(partition)
        if log is None or len(log.batches) < 2:
            return False
        position = self._rng.randrange(0, len(log.batches) - 1)
        self.corrupt_logs[partition] = log.bases[position]
        return True

    # --- reading --------------------------------------------------------------------------------------------

    def read(self, read: LogRead) -> tuple[Batch, ...]:
        log = self.logs.get(read.partition)
        return log.read(read) if log is not None else ()

    def offset_at_time(self, partition: TopicPartition, at_wall_ms: int, end_offset: int) -> int | None:
        """Where the first batch below ``end_offset`` whose time is at or after ``at_wall_ms`` begins."""
        log = self.logs.get(partition)
        for batch in log.batches if log is not None else ():
            if batch.next_offset > end_offset:
                return None
            if batch.max_timestamp_ms >= at_wall_ms:
                return batch.base_offset
        return None

    # --- starting -------------------------------------------------------------------------------------------

    def recover(self, incarnation: str) -> Recovered:
        """Read everything, cut off what cannot be trusted, make the rest durable."""
        for partition, offset in sorted(self.corrupt_logs.items()):
            log = self.logs.get(partition)
            if log is not None and offset < log.end_offset:
                cut_corrupt(log, offset)
        self._unsynced.clear()
        self._doomed.clear()
        self.written_id = self.durable_id = 0
        self.logs_failed = self.failure_told = False
        clean, self.clean_shutdown_epoch = self.clean_shutdown_epoch, None
        self.corrupt_logs.clear()
        raft = recover_raft(self.raft)
        return Recovered(
            self.directory_id,
            incarnation,
            raft.cluster_id,
            raft.hard_state,
            raft.snapshot,
            tuple(raft.entries),
            tuple(recover_log(partition, log) for partition, log in sorted(self.logs.items())),
            clean,
            not self.raft_corrupt,
        )


def by_file(writes: Iterable[Write]) -> dict[FileKey, list[Write]]:
    """In order, per file."""
    files: dict[FileKey, list[Write]] = {}
    for write in writes:
        files.setdefault(write.key, []).append(write)
    return files
