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
from enum import IntEnum

import msgspec

from skerry.worlds.sim.disk_files import ContractBroken, LogFile, RaftFile, producer_states
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
from skerry_broker.core.types import Batch, EpochStart, HardState, RecoveredLog, TopicPartition

RAFT = "raft"
"""The file of the metadata log, its snapshot, the hard state and the cluster id."""

FileKey = str | TopicPartition


class _Kind(IntEnum):
    APPEND = 0
    TRUNCATE = 1
    REPLACE = 2
    """The whole file was replaced: created, deleted, reset."""
    EPOCH = 3
    RAFT = 4
    SNAPSHOT = 5
    FORMAT = 6
    START = 7


class _Write(msgspec.Struct, gc=False):
    """One unsynced write and how to take it back."""

    write_id: int
    key: FileKey
    log: LogFile | None
    """The partition's file that was written; None for the metadata log, or when the file was deleted."""
    kind: _Kind
    end_after: int
    """The end of the log (or the last index) after it; -1 where it has none."""
    undo: tuple[object, ...]


class Disk:
    def __init__(self, directory_id: str, rng: random.Random) -> None:
        self._rng = rng
        self._new(directory_id)

    def _new(self, directory_id: str) -> None:
        self.directory_id = directory_id
        self.raft = RaftFile()
        self.logs: dict[TopicPartition, LogFile] = {}
        self.clean_shutdown_epoch: int | None = None
        self.raft_corrupt = False
        self.corrupt_logs: dict[TopicPartition, int] = {}
        """The offset of the first bad batch."""
        self._unsynced: deque[_Write] = deque()
        self._doomed: list[_Write] = []
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
        if isinstance(effect, AppendLog):
            self._append(effect)
        elif isinstance(effect, SaveRaft):
            self._save_raft(effect)
        elif isinstance(effect, TruncateLog):
            self._truncate(effect)
        elif isinstance(effect, AssignEpoch):
            self._assign_epoch(effect)
        elif isinstance(effect, SaveSnapshot):
            self._save_snapshot(effect)
        elif isinstance(effect, CreateLog):
            old = self.logs.get(effect.partition)
            if old is not None and old.topic_id == effect.topic_id:
                raise ContractBroken(f"{effect.partition}: the log of this topic id is there already")
            self._replace(effect.write_id, effect.partition, LogFile(effect.topic_id))
        elif isinstance(effect, DeleteLog):
            self._replace(effect.write_id, effect.partition, None)
        elif isinstance(effect, ResetLog):
            old = self._log(effect.partition, effect)
            self._replace(effect.write_id, effect.partition, LogFile(old.topic_id, effect.start_offset))
        elif isinstance(effect, AdvanceLogStart):
            self._advance_start(effect)
        else:
            self._note(effect.write_id, RAFT, None, _Kind.FORMAT, -1, (self.raft.cluster_id,))
            self.raft.cluster_id = effect.cluster_id

    def _note(
        self, write_id: int, key: FileKey, log: LogFile | None, kind: _Kind, end_after: int, undo: tuple[object, ...]
    ) -> None:
        self._unsynced.append(_Write(write_id, key, log, kind, end_after, undo))

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
            end = batch.next_offset
        log.lost = False
        undo = (len(effect.batches), epochs_before)
        self._note(effect.write_id, effect.partition, log, _Kind.APPEND, end, undo)

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
        self._note(
            effect.write_id,
            effect.partition,
            log,
            _Kind.TRUNCATE,
            end,
            (removed, kept_epochs, log.epochs[kept_epochs:]),
        )
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
        self._note(effect.write_id, effect.partition, log, _Kind.EPOCH, -1, (kept, log.epochs[kept:]))
        log.epochs[kept:] = [effect.epoch]

    def _replace(self, write_id: int, partition: TopicPartition, new: LogFile | None) -> None:
        old = self.logs.pop(partition, None)
        self._note(write_id, partition, new, _Kind.REPLACE, new.start_offset if new else -1, (old,))
        if new is not None:
            self.logs[partition] = new

    def _advance_start(self, effect: AdvanceLogStart) -> None:
        log = self._log(effect.partition, effect)
        drop = len([batch for batch in log.batches if batch.next_offset <= effect.start_offset])
        undo = (log.start_offset, log.batches[:drop])
        self._note(effect.write_id, effect.partition, log, _Kind.START, -1, undo)
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
        undo = (removed, len(effect.entries), hard_state_before, raft.hard_state)
        self._note(effect.write_id, RAFT, None, _Kind.RAFT, raft.last_index, undo)

    def _save_snapshot(self, effect: SaveSnapshot) -> None:
        raft = self.raft
        self._note(
            effect.write_id, RAFT, None, _Kind.SNAPSHOT, -1, (raft.snapshot, list(raft.entries), raft.durable_index)
        )
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
            if write.key == RAFT:
                raft = self.raft
                if write.kind is _Kind.RAFT:
                    raft.durable_index = write.end_after
                    hard_state = write.undo[3]
                    assert isinstance(hard_state, HardState)
                    raft.durable_hard_state = hard_state
                    raft.truncations -= bool(write.undo[0])
                elif write.kind is _Kind.SNAPSHOT:
                    raft.durable_index = max(raft.durable_index, raft.first_index - 1)
                if raft.truncations:
                    capped.add(RAFT)
                continue
            log = write.log
            if log is None or write.end_after < 0:
                continue
            log.durable_end = write.end_after
            log.truncations -= write.kind is _Kind.TRUNCATE
            if log.truncations:
                capped.add(write.key)
        if capped:
            self._cap(capped)

    def _cap(self, keys: set[FileKey]) -> None:
        """What an unsynced truncation has removed is not durable as it is now."""
        raft = self.raft
        for write in self._unsynced:
            if write.key not in keys:
                continue
            if write.kind is _Kind.TRUNCATE and write.log is not None:
                write.log.durable_end = min(write.log.durable_end, write.end_after)
            elif write.kind is _Kind.RAFT and write.undo[0]:
                appended = write.undo[1]
                assert isinstance(appended, int)
                raft.durable_index = min(raft.durable_index, write.end_after - appended)

    def sync_failed(self, write_id: int, *, raft: bool) -> None:
        """A sync up to ``write_id`` failed for the metadata log (``raft``) or for the partitions' logs."""
        remaining: deque[_Write] = deque()
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
        writes = list(self._unsynced)
        keep = len(writes) if keep_all else self._rng.randrange(0, len(writes) + 1)
        self._lose(writes, keep)
        self._unsynced.clear()
        self._lose_doomed()

    def power_cut(self, *, lose_all: bool = False) -> None:
        """Every file keeps its own prefix of what was not synced; ``lose_all``: nothing of it."""
        files: dict[FileKey, list[_Write]] = {}
        for write in self._unsynced:
            files.setdefault(write.key, []).append(write)
        for writes in files.values():
            keep = 0 if lose_all else self._rng.randrange(0, len(writes) + 1)
            self._lose(writes, keep)
        self._unsynced.clear()
        for log in self.logs.values():
            if self._rng.random() < 0.5:
                log.checkpoint = min(log.checkpoint, log.durable_end) if lose_all else log.checkpoint // 2
        self._lose_doomed()

    def _lose_doomed(self) -> None:
        files: dict[FileKey, list[_Write]] = {}
        for write in self._doomed:
            files.setdefault(write.key, []).append(write)
        for writes in files.values():
            self._lose(writes, self._rng.randrange(0, len(writes) + 1))
        self._doomed.clear()

    def _lose(self, writes: list[_Write], keep: int) -> None:
        for write in reversed(writes[keep:]):
            self._undo(write)
        if keep < len(writes):
            self._tear(writes[keep])

    def _tear(self, write: _Write) -> None:
        """The first lost write got to the disk in part: an append keeps some whole batches in front."""
        if write.kind is not _Kind.APPEND:
            return
        log = write.log
        batches = write.undo[-1]
        if log is None or not isinstance(batches, list) or not batches:
            return
        for batch in batches[: self._rng.randrange(0, len(batches))]:
            if not log.epochs or log.epochs[-1].epoch != batch.leader_epoch:
                log.epochs.append(EpochStart(batch.leader_epoch, batch.base_offset))
            log.bases.append(batch.base_offset)
            log.batches.append(batch)

    def _undo(self, write: _Write) -> None:
        kind, undo = write.kind, write.undo
        if write.key == RAFT:
            self._undo_raft(kind, undo)
            return
        assert isinstance(write.key, TopicPartition)
        if kind is _Kind.REPLACE:
            (old,) = undo
            self.logs.pop(write.key, None)
            if isinstance(old, LogFile):
                self.logs[write.key] = old
            return
        log = write.log
        assert log is not None
        if kind is _Kind.APPEND:
            count, epochs_before = undo
            assert isinstance(count, int)
            assert isinstance(epochs_before, int)
            lost = log.batches[len(log.batches) - count :]
            del log.batches[len(log.batches) - count :], log.bases[len(log.bases) - count :]
            del log.epochs[epochs_before:]
            write.undo = (*undo, lost)
        elif kind is _Kind.TRUNCATE:
            removed, kept_epochs, epochs = undo
            assert isinstance(removed, list)
            assert isinstance(kept_epochs, int)
            assert isinstance(epochs, list)
            log.batches.extend(removed)
            log.bases.extend(batch.base_offset for batch in removed)
            log.epochs[kept_epochs:] = epochs
        elif kind is _Kind.START:
            start_offset, dropped = undo
            assert isinstance(start_offset, int)
            assert isinstance(dropped, list)
            log.start_offset = start_offset
            log.batches[:0] = dropped
            log.bases[:0] = [batch.base_offset for batch in dropped]
        else:
            kept, epochs = undo
            assert isinstance(kept, int)
            assert isinstance(epochs, list)
            log.epochs[kept:] = epochs

    def _undo_raft(self, kind: _Kind, undo: tuple[object, ...]) -> None:
        raft = self.raft
        if kind is _Kind.RAFT:
            removed, appended, hard_state, _ = undo
            assert isinstance(removed, list)
            assert isinstance(appended, int)
            assert isinstance(hard_state, HardState)
            del raft.entries[len(raft.entries) - appended :]
            raft.entries.extend(removed)
            raft.hard_state = hard_state
        elif kind is _Kind.SNAPSHOT:
            snapshot, entries, _ = undo
            assert snapshot is None or isinstance(snapshot, RaftSnapshot)
            assert isinstance(entries, list)
            raft.snapshot, raft.entries = snapshot, entries
        else:
            (cluster_id,) = undo
            assert cluster_id is None or isinstance(cluster_id, str)
            raft.cluster_id = cluster_id

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
            self._cut_corrupt(partition, offset)
        self._unsynced.clear()
        self._doomed.clear()
        self.written_id = self.durable_id = 0
        self.logs_failed = self.failure_told = False
        raft = self.raft
        raft.durable_index = raft.last_index
        raft.durable_hard_state = raft.hard_state
        raft.truncations = 0
        logs = []
        for partition, log in sorted(self.logs.items()):
            log.durable_end = log.end_offset
            log.truncations = 0
            log.epochs = [line for line in log.epochs if line.start_offset <= log.end_offset]
            log.checkpoint = min(log.checkpoint, log.end_offset)
            logs.append(
                RecoveredLog(
                    partition,
                    log.topic_id,
                    log.start_offset,
                    log.end_offset,
                    max(log.checkpoint, log.start_offset),
                    tuple(log.epochs),
                    producer_states(log.batches),
                    not log.lost,
                    max((batch.max_timestamp_ms for batch in log.batches), default=0),
                )
            )
        clean, self.clean_shutdown_epoch = self.clean_shutdown_epoch, None
        self.corrupt_logs.clear()
        return Recovered(
            self.directory_id,
            incarnation,
            raft.cluster_id,
            raft.hard_state,
            raft.snapshot,
            tuple(raft.entries),
            tuple(logs),
            clean,
            not self.raft_corrupt,
        )

    def _cut_corrupt(self, partition: TopicPartition, offset: int) -> None:
        log = self.logs.get(partition)
        if log is None or offset >= log.end_offset:
            return
        log.lost = True
        keep = bisect_right(log.bases, offset - 1)
        del log.batches[keep:], log.bases[keep:]
        log.epochs = [line for line in log.epochs if line.start_offset < offset]
