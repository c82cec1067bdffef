"""Writes to Skerry's brokers and reads from them in the workload's terms: values in, outcomes out, no exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from skerry.targets.skerry.translate import operation_of, result_of, told
from skerry.workload.log.operations import Request, Result, Told
from skerry.workload.values import decode, encode
from skerry_broker.batch import Record, decode_records, encode_batch
from skerry_broker.client import Client
from skerry_broker.core.api import DeleteTopicRequest, MetadataRequest, MetadataResponse
from skerry_broker.core.client import ClientConfig
from skerry_broker.core.types import Batch

ADMIN_TIMEOUT_MS = 5000


class SkerryClient:
    """One client, one producer identity."""

    def __init__(self, addresses: Mapping[int, str], *, idempotent: bool, delivery_timeout_ms: int) -> None:
        """``addresses``: ordinal -> host:port of its client plane. An operation ends, somehow, in that time."""
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
        operation = operation_of(request, batch_of)
        done = await self._client.submit(
            operation.request, broker=operation.directed_to, delivery_timeout_ms=operation.delivery_timeout_ms
        )
        return result_of(request, done, values_of)

    async def topics(self) -> list[str]:
        """The names of all topics, as one of the brokers knows them; empty when nobody answers."""
        done = await self._client.submit(MetadataRequest(), delivery_timeout_ms=ADMIN_TIMEOUT_MS)
        answer = done.response
        return [topic.topic for topic in answer.topics] if isinstance(answer, MetadataResponse) else []

    async def delete_topic(self, topic: str) -> Told:
        request = DeleteTopicRequest(topic, ADMIN_TIMEOUT_MS)
        return told(await self._client.submit(request, delivery_timeout_ms=ADMIN_TIMEOUT_MS))


def batch_of(first_value: int, count: int, record_bytes: int) -> Batch:
    """One record batch of consecutive values."""
    return encode_batch(
        [Record(key=None, value=encode(first_value + i, record_bytes), timestamp_ms=0) for i in range(count)]
    )


def values_of(batch: Batch) -> list[int]:
    """Raises CorruptBatch or ValueError when these are no records of the workload's."""
    return [decode(record.value or b"") for record in decode_records(batch)]
