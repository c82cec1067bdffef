"""The client's produces to one partition: their order, their sequences, and what to do when one cannot be settled.

Up to five batches are under way at once. Each keeps its sequence over all retries, so that the broker appends it once
(KIP-98). When a batch must be given up (its time is over, or the broker refuses its sequence because earlier batches of
weak acknowledgement were lost in a failover), the sequence has a hole, and what follows it under this producer id could
never be appended, or only behind a batch that was reported unknown. So the producer *drains*: what is under way is
settled under the old id, each for itself; then a new id is fetched, and the rest goes on from sequence 0.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from skerry_broker.core.api import RETRIABLE, UNKNOWN_OUTCOME, ErrorCode, ProduceRequest
from skerry_broker.core.client_calls import MS, ClientConfig, Op
from skerry_broker.core.producers import sequence_after
from skerry_broker.core.types import NO_BROKER, NO_PRODUCER, Acks, Batch, TopicPartition


class ProducerHost(Protocol):
    """What the client does for a partition's producer."""

    def leader_of(self, now: int, partition: TopicPartition) -> int: ...
    def send(self, now: int, op: Op, broker: int, request: ProduceRequest, timeout_ms: int) -> None: ...
    def seal(self, batch: Batch) -> Batch: ...
    def give_up(self, op: Op) -> None: ...
    def acquire_identity(self, now: int, producer: PartitionProducer) -> None: ...
    def pump_at(self, time: int, producer: PartitionProducer) -> None: ...
    def backoff_ms(self, before: int) -> int: ...


class PartitionProducer:
    """Invariants: ``under_way`` is in the order of sequences, and those are contiguous from the first that is not
    settled; nothing is taken from ``queue`` while draining; a batch never sent under one id is sent under another
    only if no attempt of it can have had an effect."""

    def __init__(self, key: int, config: ClientConfig, partition: TopicPartition, host: ProducerHost) -> None:
        self.key = key
        self.partition = partition
        self._config = config
        self._host = host
        self.queue: deque[Op] = deque()
        self.under_way: list[Op] = []
        self._requeued: list[Op] = []
        self._identity: tuple[int, int] | None = None
        self._next_sequence = 0
        self._taken = 0
        self._draining = False
        self._acquiring = False
        self._retry_at = 0
        self._backoff_ms = 0

    def submit(self, now: int, op: Op) -> None:
        op.producer = self
        self.queue.append(op)
        self.pump(now)

    def is_idempotent(self, op: Op) -> bool:
        """Not with ``acks: None``: nobody would know whether to retry."""
        request = op.operation.request
        return self._config.idempotent and isinstance(request, ProduceRequest) and request.acks is not Acks.NONE

    # --- sending ------------------------------------------------------------------------------------------

    def pump(self, now: int) -> None:
        """Send whatever may be sent."""
        if self._draining and not self.under_way:
            self._draining = False
            self._identity = None
            self.queue.extendleft(reversed(self._requeued))
            self._requeued.clear()
        if not self.queue and not self.under_way:
            return
        if now < self._retry_at:
            return
        leader = self._host.leader_of(now, self.partition)
        if leader == NO_BROKER:
            return
        for op in list(self.under_way):
            if op.call_id is None and op.retry_at <= now:
                self._send(now, op, leader)
        while not self._draining and self.queue and self._has_room():
            op = self.queue[0]
            if self.is_idempotent(op):
                if self._identity is None:
                    if not self._acquiring:
                        self._acquiring = True
                        self._host.acquire_identity(now, self)
                    return
                self._assign(op)
            self.queue.popleft()
            op.ordinal = self._taken
            self._taken += 1
            self.under_way.append(op)
            self._send(now, op, leader)

    def _has_room(self) -> bool:
        """The broker recognises the last five batches. A batch that is not settled must stay among them, so what
        follows it counts, also when that is acknowledged already."""
        return not self.under_way or self._taken - self.under_way[0].ordinal < self._config.max_in_flight

    def _assign(self, op: Op) -> None:
        assert self._identity is not None
        request = op.operation.request
        assert isinstance(request, ProduceRequest)
        producer_id, producer_epoch = self._identity
        batch = request.batch
        op.base_sequence = self._next_sequence
        op.sealed = self._host.seal(
            Batch(
                -1,
                -1,
                batch.record_count,
                batch.data,
                producer_id,
                producer_epoch,
                self._next_sequence,
                batch.max_timestamp_ms,
            )
        )
        self._next_sequence = sequence_after(self._next_sequence, batch.record_count)

    def _send(self, now: int, op: Op, leader: int) -> None:
        request = op.operation.request
        assert isinstance(request, ProduceRequest)
        timeout_ms = self._config.request_timeout_ms
        if op.sealed is None:
            op.sealed = self._host.seal(request.batch)
        op.sent_as_oldest = op is self.under_way[0]
        sent = ProduceRequest(request.topic, request.partition, op.sealed, request.acks, timeout_ms)
        self._host.send(now, op, leader, sent, timeout_ms)

    # --- answers ----------------------------------------------------------------------------------------------

    def succeeded(self, now: int, op: Op) -> None:
        self._remove(op)
        self._backoff_ms = 0
        self._retry_at = 0
        self.pump(now)

    def attempt_failed(self, now: int, op: Op, error: ErrorCode, *, at_once: bool) -> None:
        """One attempt of ``op`` has ended without success. ``at_once``: another leader is known already."""
        idempotent = op.base_sequence >= 0
        if error in UNKNOWN_OUTCOME:
            op.maybe = True
            if not idempotent and not self._config.retry_unknown:
                self._abandon(op)
                self.pump(now)
                return
        if error is ErrorCode.INVALID_PRODUCER_EPOCH or (
            error is ErrorCode.OUT_OF_ORDER_SEQUENCE and (op.sent_as_oldest or not idempotent)
        ):
            # All before it is settled and the broker still has a gap: it will never take this sequence.
            self._sequence_lost(op)
            self.pump(now)
            return
        if error is not ErrorCode.OUT_OF_ORDER_SEQUENCE and error not in RETRIABLE:
            self._abandon(op)
            self.pump(now)
            return
        if error is ErrorCode.OUT_OF_ORDER_SEQUENCE:
            # It overtook an earlier one on the way (requests travel on several connections).
            op.retry_at = now + self._config.retry_backoff_ms * MS
            self._host.pump_at(op.retry_at, self)
        elif not at_once and now >= self._retry_at:
            # Five that fail together are one failure.
            self._backoff_ms = self._host.backoff_ms(self._backoff_ms)
            self._retry_at = now + self._backoff_ms * MS
            self._host.pump_at(self._retry_at, self)
        self.pump(now)

    def leader_changed(self, now: int) -> None:
        """A new leader is known: nothing waits out its backoff."""
        self._retry_at = 0
        self._backoff_ms = 0
        for op in self.under_way:
            op.retry_at = 0
        self.pump(now)

    def expired(self, now: int, op: Op) -> None:
        """The time of ``op`` is over."""
        if op in self.queue:
            self.queue.remove(op)
            self._host.give_up(op)
        elif op in self._requeued:
            self._requeued.remove(op)
            self._host.give_up(op)
        else:
            self._abandon(op)
        self.pump(now)

    def identified(self, now: int, identity: tuple[int, int] | None) -> None:
        """A producer id has come, or could not be had."""
        self._acquiring = False
        if identity is not None:
            self._identity = identity
            self._next_sequence = 0
        self.pump(now)

    def _abandon(self, op: Op) -> None:
        self._remove(op)
        if op.base_sequence >= 0:
            self._draining = True
        self._host.give_up(op)

    def _sequence_lost(self, op: Op) -> None:
        if op.base_sequence < 0 or op.maybe:
            self._abandon(op)
            return
        self._remove(op)
        self._draining = True
        op.base_sequence = NO_PRODUCER
        op.sealed = None
        self._requeued.append(op)

    def _remove(self, op: Op) -> None:
        if op in self.under_way:
            self.under_way.remove(op)
