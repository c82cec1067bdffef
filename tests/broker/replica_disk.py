"""A toy disk of one replica: what was written to it, and what of it survives a crash."""

from __future__ import annotations

from dataclasses import dataclass, field

from skerry_broker.core.messages import (
    AdvanceLogStart,
    AppendLog,
    AssignEpoch,
    CreateLog,
    Effect,
    ResetLog,
    TruncateLog,
)
from skerry_broker.core.types import Batch, EpochStart, ProducerBatch, ProducerState, RecoveredLog, TopicPartition

PARTITION = TopicPartition("orders", 0)
TOPIC_ID = "t1"
MS = 1_000_000


@dataclass
class Disk:
    """A log file and its operations; ``synced`` of them survive a crash."""

    operations: list[Effect] = field(default_factory=list)
    synced: int = 0
    high_watermark: int = 0

    def replay(self, count: int | None = None) -> tuple[list[Batch], list[EpochStart], int]:
        """(batches, epoch entries, log start) after the first ``count`` operations."""
        batches: list[Batch] = []
        epochs: list[EpochStart] = []
        start = 0
        for operation in self.operations[:count]:
            match operation:
                case AppendLog():
                    for batch in operation.batches:
                        end = batches[-1].next_offset if batches else start
                        assert batch.base_offset == end, f"append at {batch.base_offset}, the disk ends at {end}"
                        batches.append(batch)
                        if not epochs or epochs[-1].epoch != batch.leader_epoch:
                            epochs.append(EpochStart(batch.leader_epoch, batch.base_offset))
                case TruncateLog():
                    batches = [batch for batch in batches if batch.base_offset < operation.end_offset]
                    epochs = [entry for entry in epochs if entry.start_offset < operation.end_offset]
                case ResetLog():
                    batches, epochs, start = [], [], operation.start_offset
                case AdvanceLogStart():
                    start = operation.start_offset
                    batches = [batch for batch in batches if batch.next_offset > start]
                case AssignEpoch():
                    epochs = [e for e in epochs if e.start_offset < operation.epoch.start_offset]
                    epochs.append(operation.epoch)
                case CreateLog():
                    batches, epochs, start = [], [], 0
        return batches, epochs, start

    def recovered(self) -> RecoveredLog:
        batches, epochs, start = self.replay()
        producers: dict[int, list[Batch]] = {}
        for batch in batches:
            if batch.producer_id >= 0:
                producers.setdefault(batch.producer_id, []).append(batch)
        end = batches[-1].next_offset if batches else start
        states = tuple(
            ProducerState(
                producer_id,
                kept[-1].producer_epoch,
                tuple(
                    ProducerBatch(b.base_sequence, b.base_sequence + b.record_count - 1, b.base_offset)
                    for b in kept[-5:]
                ),
            )
            for producer_id, kept in sorted(producers.items())
        )
        return RecoveredLog(PARTITION, TOPIC_ID, start, end, self.high_watermark, tuple(epochs), states, True)
