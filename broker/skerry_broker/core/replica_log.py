"""A replica's log as the core knows it: offsets, epochs, producers, and what of it is durable. Never the bytes."""

from __future__ import annotations

from collections import deque

from skerry_broker.core.epochs import EpochCache
from skerry_broker.core.messages import (
    AdvanceLogStart,
    AppendLog,
    AssignEpoch,
    Checkpoint,
    CreateLog,
    ResetLog,
    TruncateLog,
)
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.producers import ProducerTable
from skerry_broker.core.types import Batch, EpochStart, FlushMode, RecoveredLog, TopicPartition

_WRITES_KEPT_MAX = 1024
_CHECKPOINT_EVERY_NS = 1_000_000_000
NEVER = 1 << 62


class CommittedDataLost(AssertionError):
    """A log was about to shrink below its high watermark although no unclean election allows it: a broken protocol.

    The node must stop instead: what it would remove may have been acknowledged (KAFKA-14704's log line "truncating
    below high watermark" must never appear).
    """


class ReplicaLog:
    """Invariants: ``start_offset <= high_watermark <= end_offset``; ``durable_end <= end_offset``; every write that
    is not yet durable is in ``_writes``, ends in increasing order; while there is one, the outbox names this partition
    in ``unflushed``."""

    __slots__ = (
        "_checkpointed",
        "_out",
        "_waits_for_disk",
        "_writes",
        "checkpoint_due",
        "durable_end",
        "end_offset",
        "epochs",
        "high_watermark",
        "partition",
        "producers",
        "start_offset",
        "truncated_records",
        "truncations",
    )

    def __init__(
        self, partition: TopicPartition, topic_id: str, recovered: RecoveredLog | None, flush: FlushMode, out: Outbox
    ) -> None:
        self.partition = partition
        self._out = out
        self._waits_for_disk = flush is FlushMode.GROUP
        self._writes: deque[tuple[int, int]] = deque()
        self._checkpointed = -1
        self.checkpoint_due = NEVER
        self.truncations = 0
        self.truncated_records = 0
        if recovered is None or recovered.topic_id != topic_id:
            self.start_offset = self.end_offset = self.durable_end = self.high_watermark = 0
            self.epochs = EpochCache()
            self.producers = ProducerTable()
            out.put(CreateLog(out.next_write_id(), partition, topic_id))
            return
        self.start_offset = recovered.start_offset
        self.end_offset = self.durable_end = recovered.end_offset
        # A power cut may take more than the checkpoint knew of (flush interval, none), and a checkpoint may be old.
        self.high_watermark = min(max(recovered.high_watermark, recovered.start_offset), recovered.end_offset)
        self.epochs = EpochCache(recovered.epochs)
        self.producers = ProducerTable(recovered.producers)
        if not recovered.intact:
            # What lies behind the sound prefix goes; the registration says that this log is no longer complete.
            out.put(TruncateLog(out.next_write_id(), partition, recovered.end_offset))

    @property
    def counted_end(self) -> int:
        """What acknowledgements, the high watermark and the ISR may count: the durable end under ``flush: group``,
        else the log end."""
        return self.durable_end if self._waits_for_disk else self.end_offset

    @property
    def last_record_epoch(self) -> int:
        return self.epochs.last_record_epoch(self.start_offset, self.end_offset)

    # --- writing ----------------------------------------------------------------------------------------

    def append(self, batches: tuple[Batch, ...]) -> None:
        """Batches with final offsets and epochs, contiguous with the end. Raises ValueError when they are not."""
        end = self.end_offset
        for batch in batches:
            if batch.base_offset != end:
                raise ValueError(f"{self.partition}: batch at {batch.base_offset} does not continue the log end {end}")
            if batch.leader_epoch != self.epochs.latest:
                self.epochs.assign(batch.leader_epoch, end)
            self.producers.append(batch, self.high_watermark)
            end += batch.record_count
        self.end_offset = end
        self._wrote(AppendLog(self._out.next_write_id(), self.partition, batches))

    def assign_epoch(self, epoch: int) -> None:
        """A leader enters its epoch at once, even without data (KAFKA-7415)."""
        if self.epochs.assign(epoch, self.end_offset):
            entry = EpochStart(epoch, self.end_offset)
            self._out.put(AssignEpoch(self._out.next_write_id(), self.partition, entry))

    def drop_empty_epoch(self) -> None:
        """A deposed leader that wrote nothing gives its epoch's entry back: the offset where it would have started
        may now be filled by an older epoch's records."""
        entries = self.epochs.entries
        if entries and entries[-1].start_offset >= self.end_offset:
            self.epochs.truncate_end(self.end_offset)
            self._out.put(TruncateLog(self._out.next_write_id(), self.partition, self.end_offset))

    def truncate(self, end_offset: int, reason: str, *, unclean: bool = False) -> None:
        """Raises CommittedDataLost below the high watermark, unless an unclean election made that legitimate."""
        if end_offset >= self.end_offset:
            return
        if end_offset < self.high_watermark:
            if not unclean:
                raise CommittedDataLost(
                    f"{self.partition}: refusing to truncate to {end_offset}, below the high watermark "
                    f"{self.high_watermark} ({reason}); acknowledged records would be lost"
                )
            self.high_watermark = max(end_offset, self.start_offset)
        if end_offset < self.start_offset:
            self.reset(end_offset, unclean=unclean)
            return
        self._count(reason, self.end_offset - end_offset)
        self.end_offset = end_offset
        self.durable_end = min(self.durable_end, end_offset)
        # A flush of the removed bytes must not count for what is appended in their place (the ABA race of
        # asynchronous storage writes): their writes now prove no more than the new end.
        self._writes = deque((write_id, min(end, end_offset)) for write_id, end in self._writes)
        self.epochs.truncate_end(end_offset)
        self.producers.truncate(end_offset)
        self._out.put(TruncateLog(self._out.next_write_id(), self.partition, end_offset))

    def reset(self, start_offset: int, *, unclean: bool = False) -> None:
        """Drop everything and begin at ``start_offset``, where the leader's log starts now."""
        if start_offset < self.high_watermark and not unclean:
            raise CommittedDataLost(
                f"{self.partition}: refusing to restart the log at {start_offset}, below the high watermark "
                f"{self.high_watermark}; acknowledged records would be lost"
            )
        self._count("start_offset", self.end_offset - self.start_offset)
        self.durable_end = min(self.durable_end, start_offset)
        self._writes = deque((write_id, min(end, start_offset)) for write_id, end in self._writes)
        self.start_offset = self.end_offset = start_offset
        self.high_watermark = start_offset  # KAFKA-9491
        self.epochs.clear()
        self.producers.clear()
        self._wrote(ResetLog(self._out.next_write_id(), self.partition, start_offset))

    def advance_start(self, offset: int) -> None:
        """Retention: never above the high watermark."""
        offset = min(offset, self.high_watermark)
        if offset > self.start_offset:
            self.start_offset = offset
            self.epochs.truncate_start(offset)
            self._out.put(AdvanceLogStart(self._out.next_write_id(), self.partition, offset))

    def _wrote(self, effect: AppendLog | ResetLog) -> None:
        writes = self._writes
        if len(writes) >= _WRITES_KEPT_MAX:  # nobody flushes (flush none): a later write may stand for an earlier one
            writes.pop()
        writes.append((effect.write_id, self.end_offset))
        self._out.unflushed[self.partition] = None
        self._out.put(effect)

    def _count(self, reason: str, records: int) -> None:
        if records <= 0:
            return
        self.truncations += 1
        self.truncated_records += records
        self._out.fact("broker_log_truncations_total", reason)
        self._out.fact("broker_log_truncated_records_total", value=float(records))

    # --- becoming durable, becoming committed -------------------------------------------------------------

    def flushed(self, write_id: int) -> bool:
        """Everything up to ``write_id`` is on disk; True when the durable end moved."""
        writes = self._writes
        before = self.durable_end
        while writes and writes[0][0] <= write_id:
            end = writes.popleft()[1]
            if end > self.durable_end:
                self.durable_end = end
        return self.durable_end != before

    @property
    def unflushed(self) -> bool:
        return bool(self._writes)

    def commit(self, now: int, high_watermark: int) -> bool:
        """Raise the high watermark (never lower it), as far as this log reaches."""
        high_watermark = min(high_watermark, self.end_offset)
        if high_watermark <= self.high_watermark:
            return False
        self.high_watermark = high_watermark
        if self.checkpoint_due == NEVER:
            self.checkpoint_due = now + _CHECKPOINT_EVERY_NS
        return True

    def checkpoint(self) -> None:
        self.checkpoint_due = NEVER
        if self._checkpointed != self.high_watermark:
            self._checkpointed = self.high_watermark
            self._out.put(Checkpoint(self.partition, self.high_watermark))
