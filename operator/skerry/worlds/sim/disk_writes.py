"""One class per kind of write: what it did to the files, and how to take it back while it is not durable."""

from __future__ import annotations

import random

from skerry.worlds.sim.disk_files import LogFile, RaftFile
from skerry_broker.core.messages import RaftSnapshot
from skerry_broker.core.records import Entry
from skerry_broker.core.types import Batch, EpochStart, HardState, TopicPartition

RAFT = "raft"
"""The file of the metadata log, its snapshot, the hard state and the cluster id."""

FileKey = str | TopicPartition


class Write:
    """``undo`` restores the file as it was before this write; all later writes to it must be undone already.

    No abstract base class: each write is asked what kind it is, and an abstract one takes five times as long to answer.
    """

    __slots__ = ("key", "write_id")

    def __init__(self, write_id: int, key: FileKey) -> None:
        self.write_id = write_id
        self.key = key

    def undo(self) -> None:
        """Each kind has its own."""
        raise TypeError(f"{type(self).__name__} cannot be undone")

    def tear(self, rng: random.Random) -> None:
        """After ``undo``: leave what a torn write leaves. Nothing, for writes that are atomic."""
        return


class LogWrite(Write):
    """A write to a partition's log that changes where it ends."""

    __slots__ = ("end_after", "log")

    def __init__(self, write_id: int, key: TopicPartition, log: LogFile, end_after: int) -> None:
        super().__init__(write_id, key)
        self.log = log
        self.end_after = end_after


class Append(LogWrite):
    __slots__ = ("_batches", "_epochs_before")

    def __init__(
        self, write_id: int, key: TopicPartition, log: LogFile, batches: tuple[Batch, ...], epochs_before: int
    ) -> None:
        super().__init__(write_id, key, log, log.end_offset)
        self._batches = batches
        self._epochs_before = epochs_before

    def undo(self) -> None:
        log = self.log
        kept = len(log.batches) - len(self._batches)
        del log.batches[kept:], log.bases[kept:], log.epochs[self._epochs_before :]

    def tear(self, rng: random.Random) -> None:
        """Some whole batches in front got to the disk; the torn one behind them is cut off at the next start."""
        log = self.log
        for batch in self._batches[: rng.randrange(0, len(self._batches))]:
            if not log.epochs or log.epochs[-1].epoch != batch.leader_epoch:
                log.epochs.append(EpochStart(batch.leader_epoch, batch.base_offset))
            log.bases.append(batch.base_offset)
            log.batches.append(batch)


class Truncate(LogWrite):
    __slots__ = ("_batches", "_epochs", "_epochs_kept")

    def __init__(
        self,
        write_id: int,
        key: TopicPartition,
        log: LogFile,
        end_offset: int,
        batches: list[Batch],
        epochs_kept: int,
        epochs: list[EpochStart],
    ) -> None:
        super().__init__(write_id, key, log, end_offset)
        self._batches = batches
        self._epochs_kept = epochs_kept
        self._epochs = epochs

    def undo(self) -> None:
        log = self.log
        log.batches.extend(self._batches)
        log.bases.extend(batch.base_offset for batch in self._batches)
        log.epochs[self._epochs_kept :] = self._epochs


class Replace(Write):
    """A log was created, reset or deleted."""

    __slots__ = ("_logs", "_old", "_partition", "new")

    def __init__(
        self,
        write_id: int,
        partition: TopicPartition,
        logs: dict[TopicPartition, LogFile],
        old: LogFile | None,
        new: LogFile | None,
    ) -> None:
        super().__init__(write_id, partition)
        self._partition = partition
        self._logs = logs
        self._old = old
        self.new = new

    def undo(self) -> None:
        self._logs.pop(self._partition, None)
        if self._old is not None:
            self._logs[self._partition] = self._old


class Epochs(Write):
    __slots__ = ("_kept", "_log", "_old")

    def __init__(self, write_id: int, key: TopicPartition, log: LogFile, kept: int, old: list[EpochStart]) -> None:
        super().__init__(write_id, key)
        self._log = log
        self._kept = kept
        self._old = old

    def undo(self) -> None:
        self._log.epochs[self._kept :] = self._old


class Start(Write):
    """The log start advanced."""

    __slots__ = ("_dropped", "_log", "_start_offset")

    def __init__(self, write_id: int, key: TopicPartition, log: LogFile, dropped: list[Batch]) -> None:
        super().__init__(write_id, key)
        self._log = log
        self._start_offset = log.start_offset
        self._dropped = dropped

    def undo(self) -> None:
        self._log.start_offset = self._start_offset
        self._log.batches[:0] = self._dropped
        self._log.bases[:0] = [batch.base_offset for batch in self._dropped]


class RaftWrite(Write):
    """Entries and hard state, in one atomic step."""

    __slots__ = ("_hard_state_before", "_raft", "appended", "end_after", "hard_state", "removed")

    def __init__(
        self, write_id: int, raft: RaftFile, removed: list[Entry], appended: int, hard_state_before: HardState
    ) -> None:
        super().__init__(write_id, RAFT)
        self._raft = raft
        self.removed = removed
        self.appended = appended
        self._hard_state_before = hard_state_before
        self.hard_state = raft.hard_state
        self.end_after = raft.last_index

    def undo(self) -> None:
        raft = self._raft
        del raft.entries[len(raft.entries) - self.appended :]
        raft.entries.extend(self.removed)
        raft.hard_state = self._hard_state_before


class Snapshot(Write):
    __slots__ = ("_entries", "_raft", "_snapshot")

    def __init__(self, write_id: int, raft: RaftFile, snapshot: RaftSnapshot | None, entries: list[Entry]) -> None:
        super().__init__(write_id, RAFT)
        self._raft = raft
        self._snapshot = snapshot
        self._entries = entries

    def undo(self) -> None:
        self._raft.snapshot, self._raft.entries = self._snapshot, self._entries


class Format(Write):
    __slots__ = ("_before", "_raft")

    def __init__(self, write_id: int, raft: RaftFile) -> None:
        super().__init__(write_id, RAFT)
        self._raft = raft
        self._before = raft.cluster_id

    def undo(self) -> None:
        self._raft.cluster_id = self._before
