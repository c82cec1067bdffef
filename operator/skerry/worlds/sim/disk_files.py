"""What is on a simulated disk: one file per partition log, and one for the metadata quorum."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable

from skerry_broker.core.messages import LogRead, RaftSnapshot
from skerry_broker.core.records import Entry
from skerry_broker.core.types import (
    NO_PRODUCER,
    Batch,
    EpochStart,
    HardState,
    ProducerBatch,
    ProducerState,
    RecoveredLog,
    TopicPartition,
)

PRODUCER_BATCHES_KEPT = 5
BATCH_OVERHEAD_BYTES = 61


class ContractBroken(AssertionError):
    """The core asked its disk for something that the contract of the effects forbids."""


class LogFile:
    """One partition's log as written; ``durable_end``: everything below is on the platter, as it is now."""

    __slots__ = (
        "bases",
        "batches",
        "checkpoint",
        "durable_end",
        "epochs",
        "lost",
        "start_offset",
        "topic_id",
        "truncations",
    )

    def __init__(self, topic_id: str, start_offset: int = 0) -> None:
        self.topic_id = topic_id
        self.start_offset = start_offset
        self.bases: list[int] = []
        self.batches: list[Batch] = []
        self.epochs: list[EpochStart] = []
        self.durable_end = start_offset
        self.checkpoint = 0
        self.truncations = 0
        """How many unsynced operations removed records."""
        self.lost = False
        """Found corrupt, and so at every start until its owner writes to it again (as `storage.recovery` has it)."""

    @property
    def end_offset(self) -> int:
        if not self.batches:
            return self.start_offset
        last = self.batches[-1]
        return last.base_offset + last.record_count

    def batch_at(self, offset: int) -> Batch | None:
        """The batch that holds ``offset``."""
        position = bisect_right(self.bases, offset) - 1
        if position < 0:
            return None
        batch = self.batches[position]
        return batch if offset < batch.base_offset + batch.record_count else None

    def read(self, read: LogRead) -> tuple[Batch, ...]:
        """Whole batches, as `LogRead` says."""
        first = max(0, bisect_right(self.bases, read.start_offset) - 1)
        after = bisect_left(self.bases, read.end_offset)  # the last one in front of it may reach beyond the end
        found: list[Batch] = []
        left = read.bytes_max
        for position in range(first, after):
            batch = self.batches[position]
            next_offset = batch.base_offset + batch.record_count
            if next_offset > read.end_offset:
                break
            if next_offset <= read.start_offset:
                continue
            left -= len(batch.data) + BATCH_OVERHEAD_BYTES
            if found and left < 0:
                break
            found.append(batch)
        return tuple(found)


class RaftFile:
    """The metadata log as written; ``durable_*``: what of it is on the platter."""

    def __init__(self) -> None:
        self.cluster_id: str | None = None
        self.hard_state = HardState()
        self.snapshot: RaftSnapshot | None = None
        self.entries: list[Entry] = []
        self.durable_hard_state = HardState()
        self.durable_index = 0
        self.truncations = 0

    @property
    def first_index(self) -> int:
        return 1 if self.snapshot is None else self.snapshot.last_index + 1

    @property
    def last_index(self) -> int:
        return self.first_index + len(self.entries) - 1

    def entry(self, index: int) -> Entry | None:
        """None where it is compacted away or not there yet."""
        position = index - self.first_index
        return self.entries[position] if 0 <= position < len(self.entries) else None

    def term_at(self, index: int) -> int | None:
        if self.snapshot is not None and index == self.snapshot.last_index:
            return self.snapshot.last_term
        entry = self.entry(index)
        return entry.term if entry is not None else None


def cut_corrupt(log: LogFile, offset: int) -> None:
    """A start has found that the batch at ``offset`` is damaged: it and all behind it are put aside."""
    log.lost = True
    keep = bisect_right(log.bases, offset - 1)
    del log.batches[keep:], log.bases[keep:]
    log.epochs = [line for line in log.epochs if line.start_offset < offset]


def recover_log(partition: TopicPartition, log: LogFile) -> RecoveredLog:
    """What a start finds of one partition's log, made durable before it says so."""
    log.durable_end = log.end_offset
    log.truncations = 0
    log.epochs = [line for line in log.epochs if line.start_offset <= log.end_offset]
    log.checkpoint = min(log.checkpoint, log.end_offset)
    return RecoveredLog(
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


def recover_raft(raft: RaftFile) -> RaftFile:
    """The metadata log as a start finds it, made durable."""
    raft.durable_index = raft.last_index
    raft.durable_hard_state = raft.hard_state
    raft.truncations = 0
    return raft


def producer_states(batches: Iterable[Batch]) -> tuple[ProducerState, ...]:
    """What batch headers say of idempotent producers: the last five batches of each one's newest epoch."""
    found: dict[int, tuple[int, deque[ProducerBatch]]] = {}
    for batch in batches:
        if batch.producer_id == NO_PRODUCER:
            continue
        known = found.get(batch.producer_id)
        if known is None or known[0] != batch.producer_epoch:
            known = found[batch.producer_id] = (batch.producer_epoch, deque(maxlen=PRODUCER_BATCHES_KEPT))
        last = batch.base_sequence + batch.record_count - 1
        known[1].append(ProducerBatch(batch.base_sequence, last, batch.base_offset))
    return tuple(ProducerState(producer_id, epoch, tuple(kept)) for producer_id, (epoch, kept) in sorted(found.items()))
