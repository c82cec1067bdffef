"""Writes to Skerry's brokers and reads from them in the workload's terms: values in, outcomes out, no exceptions."""

from __future__ import annotations

from types import TracebackType
from typing import NamedTuple, Self

from skerry.history.records import Outcome
from skerry.workload.values import decode, encode
from skerry_broker.batch import CorruptBatch, Record, decode_records, encode_batch
from skerry_broker.client import Client
from skerry_broker.core.api import (
    CreateTopicRequest,
    DeleteTopicRequest,
    ElectLeaderRequest,
    FetchRequest,
    FetchResponse,
    MetadataRequest,
    MetadataResponse,
    ProduceRequest,
    ProduceResponse,
    TransferControllerRequest,
)
from skerry_broker.core.client import ClientConfig, Completed
from skerry_broker.core.types import Acks, Batch

OUTCOMES = {str(outcome): outcome for outcome in Outcome}
ADMIN_TIMEOUT_MS = 5000


class WriteResult(NamedTuple):
    outcome: Outcome
    base_offset: int = -1
    """-1: not acknowledged, or nothing was promised (`acks: None`)."""
    leader: int = -1
    leader_epoch: int = -1
    duplicate: bool = False
    attempts: int = 1
    error: str = ""


class ReadResult(NamedTuple):
    outcome: Outcome
    base_offset: int = -1
    """Of the first value, which may lie before what was asked for: batches are whole."""
    values: tuple[int, ...] = ()
    high_watermark: int = -1
    log_start_offset: int = -1
    leader: int = -1
    leader_epoch: int = -1
    error: str = ""


class SkerryClient:
    """One client, one producer identity."""

    def __init__(self, addresses: dict[int, str], *, idempotent: bool, delivery_timeout_ms: int) -> None:
        """``addresses``: ordinal -> host:port of its client plane. An operation ends, somehow, in that time."""
        self._delivery_timeout_ms = delivery_timeout_ms
        self._client = Client(addresses, ClientConfig(idempotent=idempotent, delivery_timeout_ms=delivery_timeout_ms))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def write(
        self,
        topic: str,
        partition: int,
        first_value: int,
        count: int,
        *,
        record_bytes: int,
        acks: str,
        directed_to: int = -1,
        timeout_ms: int | None = None,
    ) -> WriteResult:
        """``count`` consecutive values as one batch. ``directed_to``: one attempt at that broker, never redirected."""
        deadline_ms = timeout_ms or self._delivery_timeout_ms
        request = ProduceRequest(topic, partition, batch_of(first_value, count, record_bytes), Acks(acks), deadline_ms)
        broker = None if directed_to < 0 else directed_to
        done = await self._client.submit(request, broker=broker, delivery_timeout_ms=deadline_ms)
        outcome, error = OUTCOMES[str(done.outcome)], _error(done)
        if not isinstance(done.response, ProduceResponse):
            return WriteResult(outcome, attempts=done.attempts, error=error)
        answer = done.response
        return WriteResult(
            outcome, answer.base_offset, answer.leader, answer.leader_epoch, answer.duplicate, done.attempts, error
        )

    async def read(self, topic: str, partition: int, offset: int, *, wait_ms: int, directed_to: int = -1) -> ReadResult:
        """What is committed from ``offset`` on; without values a tail read."""
        broker = None if directed_to < 0 else directed_to
        done = await self._client.submit(
            FetchRequest(topic, partition, offset, wait_ms),
            broker=broker,
            delivery_timeout_ms=self._delivery_timeout_ms,
        )
        if not isinstance(done.response, FetchResponse) or OUTCOMES[str(done.outcome)] is not Outcome.OK:
            return ReadResult(OUTCOMES[str(done.outcome)], error=_error(done))
        answer = done.response
        try:
            values = tuple(value for batch in answer.batches for value in values_of(batch))
        except (CorruptBatch, ValueError) as corrupt:
            return ReadResult(Outcome.UNKNOWN, error=f"CorruptBatch: {corrupt}")
        base_offset = answer.batches[0].base_offset if answer.batches else answer.high_watermark
        return ReadResult(
            Outcome.OK,
            base_offset,
            values,
            answer.high_watermark,
            answer.log_start_offset,
            answer.leader,
            answer.leader_epoch,
        )

    async def create_topic(
        self,
        topic: str,
        partitions: int,
        replication_factor: int,
        min_in_sync_replicas: int,
        *,
        directed_to: int = -1,
        timeout_ms: int = ADMIN_TIMEOUT_MS,
    ) -> tuple[Outcome, str]:
        """(outcome, error); an empty error means that it was created."""
        request = CreateTopicRequest(topic, partitions, replication_factor, min_in_sync_replicas, timeout_ms=timeout_ms)
        broker = None if directed_to < 0 else directed_to
        return _told(await self._client.submit(request, broker=broker, delivery_timeout_ms=timeout_ms))

    async def topics(self) -> list[str]:
        """The names of all topics, as one of the brokers knows them; empty when nobody answers."""
        done = await self._client.submit(MetadataRequest(), delivery_timeout_ms=ADMIN_TIMEOUT_MS)
        answer = done.response
        return [topic.topic for topic in answer.topics] if isinstance(answer, MetadataResponse) else []

    async def delete_topic(self, topic: str) -> tuple[Outcome, str]:
        request = DeleteTopicRequest(topic, ADMIN_TIMEOUT_MS)
        return _told(await self._client.submit(request, delivery_timeout_ms=ADMIN_TIMEOUT_MS))

    async def elect_leader(self, topic: str, partition: int, broker: int) -> tuple[Outcome, str]:
        request = ElectLeaderRequest(topic, partition, broker, ADMIN_TIMEOUT_MS)
        return _told(await self._client.submit(request, delivery_timeout_ms=ADMIN_TIMEOUT_MS))

    async def transfer_controller(self, broker: int) -> tuple[Outcome, str]:
        request = TransferControllerRequest(broker, ADMIN_TIMEOUT_MS)
        return _told(await self._client.submit(request, delivery_timeout_ms=ADMIN_TIMEOUT_MS))


def batch_of(first_value: int, count: int, record_bytes: int) -> Batch:
    """One record batch of consecutive values."""
    return encode_batch(
        [Record(key=None, value=encode(first_value + i, record_bytes), timestamp_ms=0) for i in range(count)]
    )


def values_of(batch: Batch) -> list[int]:
    """Raises CorruptBatch or ValueError when these are no records of the workload's."""
    return [decode(record.value or b"") for record in decode_records(batch)]


def _told(done: Completed) -> tuple[Outcome, str]:
    return OUTCOMES[str(done.outcome)], _error(done)


def _error(done: Completed) -> str:
    return "" if OUTCOMES[str(done.outcome)] is Outcome.OK else str(done.error)
