"""What a partition remembers of its idempotent producers (KIP-98): enough to append a retried batch once.

The table is a function of the log: leader and followers build it from the batch headers they append, so a retry is
recognised by the *next* leader too, and truncation takes back exactly what the removed batches had added
(KAFKA-12153). To make the latter possible a batch is forgotten only when five later batches of its producer lie
below the high watermark, under which no log is ever truncated.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import Enum

import msgspec

from skerry_broker.core.types import NO_PRODUCER, Batch, ProducerBatch, ProducerState

WINDOW = 5
"""Batches of one producer that are recognised; a client keeps at most so many in flight."""

PRODUCERS_MAX = 10_000
"""Per partition. Beyond it the producer that has been quiet longest is forgotten, if all it wrote is committed."""

_SEQUENCES = 1 << 31


def sequence_after(base_sequence: int, count: int) -> int:
    """Sequences are 31 bits and wrap to 0."""
    return (base_sequence + count) % _SEQUENCES


class Verdict(Enum):
    NEW = "new"
    DUPLICATE = "duplicate"
    OUT_OF_ORDER = "out of order"
    OLD_EPOCH = "old epoch"


class Judgement(msgspec.Struct, frozen=True, gc=False):
    verdict: Verdict
    base_offset: int = -1
    """Where the original of a duplicate is; -1: it is no duplicate."""
    reason: str = ""


class _Kept(msgspec.Struct, frozen=True, gc=False):
    epoch: int
    base_sequence: int
    last_sequence: int
    base_offset: int
    next_offset: int


class _Producer:
    __slots__ = ("batches", "floor_epoch", "floor_sequence")

    def __init__(self, floor_epoch: int, floor_sequence: int) -> None:
        self.batches: deque[_Kept] = deque()
        # Where the producer stood before the oldest batch kept; what it falls back to when all of them are truncated.
        self.floor_epoch = floor_epoch
        self.floor_sequence = floor_sequence

    def position(self) -> tuple[int, int]:
        """(current epoch, next sequence)."""
        if self.batches:
            last = self.batches[-1]
            return last.epoch, (last.last_sequence + 1) % _SEQUENCES
        return self.floor_epoch, self.floor_sequence


class ProducerTable:
    __slots__ = ("_limit", "_producers")

    def __init__(self, recovered: Iterable[ProducerState] = (), limit: int = PRODUCERS_MAX) -> None:
        self._producers: dict[int, _Producer] = {}
        self._limit = limit
        for state in recovered:
            if not state.batches:
                continue
            producer = _Producer(state.producer_epoch, state.batches[0].base_sequence)
            for kept in state.batches:
                count = (kept.last_sequence - kept.base_sequence) % _SEQUENCES + 1
                producer.batches.append(
                    _Kept(
                        state.producer_epoch,
                        kept.base_sequence,
                        kept.last_sequence,
                        kept.base_offset,
                        kept.base_offset + count,
                    )
                )
            self._producers[state.producer_id] = producer

    def __len__(self) -> int:
        return len(self._producers)

    def judge(self, batch: Batch) -> Judgement:
        """May the leader append this batch of an idempotent producer?

        A producer unknown here may only begin at sequence 0. With another sequence its earlier batches are not in
        this log (weak acknowledgements lost in a failover, or forgotten): appending would leave a silent gap, so the
        batch is refused; the client then settles what it has in flight and goes on under a new producer id.
        """
        producer = self._producers.get(batch.producer_id)
        if producer is None:
            if batch.base_sequence == 0:
                return _NEW
            return Judgement(
                Verdict.OUT_OF_ORDER,
                reason=f"producer {batch.producer_id} is unknown here and starts at sequence {batch.base_sequence}",
            )
        epoch, expected = producer.position()
        if batch.producer_epoch < epoch:
            return Judgement(
                Verdict.OLD_EPOCH, reason=f"producer epoch {batch.producer_epoch} is older than epoch {epoch}"
            )
        if batch.producer_epoch > epoch:
            if batch.base_sequence == 0:
                return _NEW
            return Judgement(
                Verdict.OUT_OF_ORDER, reason=f"producer epoch {batch.producer_epoch} must start at sequence 0"
            )
        if batch.base_sequence == expected:
            return _NEW
        last_sequence = sequence_after(batch.base_sequence, batch.record_count - 1)
        kept = producer.batches
        for index in range(len(kept) - 1, max(len(kept) - WINDOW, 0) - 1, -1):
            old = kept[index]
            if (
                old.base_sequence == batch.base_sequence
                and old.last_sequence == last_sequence
                and old.epoch == batch.producer_epoch
            ):
                return Judgement(Verdict.DUPLICATE, old.base_offset)
        return Judgement(
            Verdict.OUT_OF_ORDER,
            reason=f"producer {batch.producer_id} sent sequence {batch.base_sequence}, expected {expected}",
        )

    def append(self, batch: Batch, high_watermark: int) -> None:
        """A batch was appended, here or by the leader: no questions."""
        if batch.producer_id == NO_PRODUCER:
            return
        producer = self._producers.pop(batch.producer_id, None)
        if producer is None:
            producer = _Producer(batch.producer_epoch, batch.base_sequence)
            if len(self._producers) >= self._limit:
                self._forget_one(high_watermark)
        self._producers[batch.producer_id] = producer  # the dict is in the order of the last append
        kept = producer.batches
        kept.append(
            _Kept(
                batch.producer_epoch,
                batch.base_sequence,
                sequence_after(batch.base_sequence, batch.record_count - 1),
                batch.base_offset,
                batch.base_offset + batch.record_count,
            )
        )
        while len(kept) > WINDOW and kept[WINDOW].next_offset <= high_watermark:
            gone = kept.popleft()
            producer.floor_epoch = gone.epoch
            producer.floor_sequence = (gone.last_sequence + 1) % _SEQUENCES

    def truncate(self, end_offset: int) -> None:
        """The log now ends at ``end_offset``: take back what the removed batches had added."""
        for producer_id in [
            key
            for key, value in self._producers.items()
            if value.batches and value.batches[-1].next_offset > end_offset
        ]:
            producer = self._producers[producer_id]
            kept = producer.batches
            while kept and kept[-1].next_offset > end_offset:
                kept.pop()
            if not kept and producer.floor_sequence == 0:
                del self._producers[producer_id]  # its first batch of all: unknown again

    def clear(self) -> None:
        self._producers.clear()

    def states(self) -> tuple[ProducerState, ...]:
        """The recognised window of each producer, by producer id."""
        return tuple(
            ProducerState(
                producer_id,
                producer.batches[-1].epoch,
                tuple(
                    ProducerBatch(kept.base_sequence, kept.last_sequence, kept.base_offset)
                    for kept in list(producer.batches)[-WINDOW:]
                    if kept.epoch == producer.batches[-1].epoch
                ),
            )
            for producer_id, producer in sorted(self._producers.items())
            if producer.batches
        )

    def _forget_one(self, high_watermark: int) -> None:
        for producer_id, producer in self._producers.items():
            if not producer.batches or producer.batches[-1].next_offset <= high_watermark:
                del self._producers[producer_id]
                return


_NEW = Judgement(Verdict.NEW)
