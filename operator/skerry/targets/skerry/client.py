"""Writes to Skerry's brokers and reads from them in the workload's terms: values in, outcomes out, no exceptions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

from skerry.history.records import Outcome
from skerry.workload.log.operations import (
    CreateTopic,
    MoveController,
    MoveLeader,
    Read,
    ReadBack,
    Request,
    Result,
    Told,
    Write,
    Written,
)
from skerry.workload.values import decode, encode
from skerry_broker.batch import CorruptBatch, Record, decode_records, encode_batch
from skerry_broker.client import Client
from skerry_broker.core.api import (
    CreateTopicRequest,
    DeleteTopicRequest,
    ElectLeaderRequest,
    ErrorCode,
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


class SkerryClient:
    """One client, one producer identity."""

    def __init__(self, addresses: Mapping[int, str], *, idempotent: bool, delivery_timeout_ms: int) -> None:
        """``addresses``: ordinal -> host:port of its client plane. An operation ends, somehow, in that time."""
        self._delivery_timeout_ms = delivery_timeout_ms
        self._client = Client(
            dict(addresses), ClientConfig(idempotent=idempotent, delivery_timeout_ms=delivery_timeout_ms)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def close(self) -> None:
        await self._client.close()

    async def perform(self, request: Request) -> Result:
        match request:
            case Write():
                return await self._write(request)
            case Read():
                return await self._read(request)
            case CreateTopic():
                return await self._create_topic(request)
            case MoveLeader():
                elect = ElectLeaderRequest(request.topic, request.partition, request.ordinal, request.timeout_ms)
                return _told(await self._client.submit(elect, delivery_timeout_ms=request.timeout_ms))
            case MoveController():
                transfer = TransferControllerRequest(request.ordinal, request.timeout_ms)
                return _told(await self._client.submit(transfer, delivery_timeout_ms=request.timeout_ms))
            case _:
                raise TypeError(f"a client of Skerry's brokers does not do `{type(request).__name__}`")

    async def _write(self, write: Write) -> Written:
        batch = batch_of(write.first_value, write.count, write.record_bytes)
        request = ProduceRequest(write.topic, write.partition, batch, Acks(write.acks), write.timeout_ms)
        broker = None if write.directed_to < 0 else write.directed_to
        done = await self._client.submit(request, broker=broker, delivery_timeout_ms=write.timeout_ms)
        return written(done)

    async def _read(self, read: Read) -> ReadBack:
        done = await self._client.submit(
            FetchRequest(read.topic, read.partition, read.offset, read.wait_ms),
            delivery_timeout_ms=self._delivery_timeout_ms,
        )
        return read_back(done, values_of)

    async def _create_topic(self, create: CreateTopic) -> Told:
        request = CreateTopicRequest(
            create.topic,
            create.partitions,
            create.replication_factor,
            create.min_in_sync_replicas,
            timeout_ms=create.timeout_ms,
        )
        broker = None if create.directed_to < 0 else create.directed_to
        return _told(await self._client.submit(request, broker=broker, delivery_timeout_ms=create.timeout_ms))

    async def topics(self) -> list[str]:
        """The names of all topics, as one of the brokers knows them; empty when nobody answers."""
        done = await self._client.submit(MetadataRequest(), delivery_timeout_ms=ADMIN_TIMEOUT_MS)
        answer = done.response
        return [topic.topic for topic in answer.topics] if isinstance(answer, MetadataResponse) else []

    async def delete_topic(self, topic: str) -> Told:
        request = DeleteTopicRequest(topic, ADMIN_TIMEOUT_MS)
        return _told(await self._client.submit(request, delivery_timeout_ms=ADMIN_TIMEOUT_MS))


def written(done: Completed) -> Written:
    """The answer to a produce request, in the workload's words."""
    outcome, error = OUTCOMES[str(done.outcome)], _error(done)
    if not isinstance(done.response, ProduceResponse):
        return Written(outcome, attempts=done.attempts, error=error)
    answer = done.response
    return Written(
        outcome, answer.base_offset, answer.leader, answer.leader_epoch, answer.duplicate, done.attempts, error
    )


def read_back(done: Completed, values_of_batch: Callable[[Batch], Iterable[int]]) -> ReadBack:
    """The answer to a fetch request. ``values_of_batch`` raises CorruptBatch or ValueError for what nobody wrote."""
    if not isinstance(done.response, FetchResponse) or OUTCOMES[str(done.outcome)] is not Outcome.OK:
        return ReadBack(OUTCOMES[str(done.outcome)], error=_error(done))
    answer = done.response
    try:
        values = tuple(value for batch in answer.batches for value in values_of_batch(batch))
    except (CorruptBatch, ValueError) as corrupt:
        return ReadBack(Outcome.UNKNOWN, error=f"CorruptBatch: {corrupt}")
    base_offset = answer.batches[0].base_offset if answer.batches else answer.high_watermark
    return ReadBack(
        Outcome.OK,
        base_offset,
        values,
        answer.high_watermark,
        answer.log_start_offset,
        answer.leader,
        answer.leader_epoch,
    )


def batch_of(first_value: int, count: int, record_bytes: int) -> Batch:
    """One record batch of consecutive values."""
    return encode_batch(
        [Record(key=None, value=encode(first_value + i, record_bytes), timestamp_ms=0) for i in range(count)]
    )


def values_of(batch: Batch) -> list[int]:
    """Raises CorruptBatch or ValueError when these are no records of the workload's."""
    return [decode(record.value or b"") for record in decode_records(batch)]


def _told(done: Completed) -> Told:
    exists = done.error is ErrorCode.TOPIC_EXISTS
    return Told(OUTCOMES[str(done.outcome)], _error(done), exists)


def _error(done: Completed) -> str:
    return "" if OUTCOMES[str(done.outcome)] is Outcome.OK else str(done.error)
