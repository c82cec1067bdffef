"""The client API's JSON: bodies in, answers out. Keys are camelCase; bytes are text, or base64 if not UTF-8.

Errors: ``{"error", "message", "definite", "retriable", "leader", "leaderEpoch", "leaderAddress"}``.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping

import msgspec

from skerry_broker.batch import Record, decode_records, encode_batch
from skerry_broker.core.api import (
    RETRIABLE,
    UNKNOWN_OUTCOME,
    ClientResponse,
    ErrorCode,
    ErrorResponse,
    FetchResponse,
    InitProducerResponse,
    ListOffsetsResponse,
    MetadataResponse,
    ProduceResponse,
    TopicCreatedResponse,
    TopicDescription,
)
from skerry_broker.core.types import NO_BROKER, Batch

STATUS: dict[ErrorCode, int] = {
    ErrorCode.INVALID_REQUEST: 400,
    ErrorCode.INVALID_REPLICATION_FACTOR: 400,
    ErrorCode.CORRUPT_BATCH: 400,
    ErrorCode.UNKNOWN_TOPIC: 404,
    ErrorCode.TOPIC_EXISTS: 409,
    ErrorCode.OUT_OF_ORDER_SEQUENCE: 409,
    ErrorCode.INVALID_PRODUCER_EPOCH: 409,
    ErrorCode.BATCH_TOO_LARGE: 413,
    ErrorCode.OFFSET_OUT_OF_RANGE: 416,
    ErrorCode.NOT_LEADER: 421,
    ErrorCode.NOT_CONTROLLER: 421,
    ErrorCode.OVERLOADED: 429,
    ErrorCode.TIMED_OUT: 504,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND: 504,
}
"""Every other error is 503."""


class NewTopic(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    name: str
    partitions: int = 1
    replication_factor: int = 3
    min_in_sync_replicas: int = 2
    retention_bytes: int = -1
    retention_ms: int = -1


class NewRecord(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Text as ``key`` and ``value``, or bytes as ``keyBase64`` and ``valueBase64``; nothing is null."""

    key: str | None = None
    value: str | None = None
    key_base64: bytes | None = None
    value_base64: bytes | None = None
    timestamp_ms: int | None = None


class NewRecords(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    records: tuple[NewRecord, ...]


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    broker: int


def batch_of(records: NewRecords) -> Batch:
    """One batch for these records. Raises ValueError when there are none."""
    now_ms = time.time_ns() // 1_000_000
    return encode_batch(
        [
            Record(
                _bytes(one.key, one.key_base64),
                _bytes(one.value, one.value_base64),
                timestamp_ms=now_ms if one.timestamp_ms is None else one.timestamp_ms,
            )
            for one in records.records
        ]
    )


def error_body(response: ErrorResponse, addresses: Mapping[int, str]) -> dict[str, object]:
    body: dict[str, object] = {
        "error": response.error.value,
        "message": response.message,
        "definite": response.error not in UNKNOWN_OUTCOME,
        "retriable": response.error in RETRIABLE,
    }
    if response.leader != NO_BROKER:
        body |= {"leader": response.leader, "leaderEpoch": response.leader_epoch}
        if response.leader in addresses:
            body["leaderAddress"] = addresses[response.leader]
    return body


def body_of(response: ClientResponse, addresses: Mapping[int, str], from_offset: int = 0) -> dict[str, object]:
    """``from_offset``: batches are never cut on the wire, but JSON begins where it was asked to."""
    match response:
        case ErrorResponse():
            return error_body(response, addresses)
        case ProduceResponse():
            return {
                "baseOffset": response.base_offset,
                "leaderEpoch": response.leader_epoch,
                "leader": response.leader,
                "duplicate": response.duplicate,
            }
        case FetchResponse():
            return {
                "highWatermark": response.high_watermark,
                "logStartOffset": response.log_start_offset,
                "leaderEpoch": response.leader_epoch,
                "leader": response.leader,
                "records": [record for batch in response.batches for record in _records(batch, from_offset)],
            }
        case ListOffsetsResponse():
            return {
                "logStartOffset": response.log_start_offset,
                "highWatermark": response.high_watermark,
                "leaderEpoch": response.leader_epoch,
                "leader": response.leader,
                "offsetAtTime": response.offset_at_time,
            }
        case MetadataResponse():
            return {
                "clusterId": response.cluster_id,
                "controller": response.controller,
                "brokers": [{"id": one, "address": addresses.get(one)} for one in response.brokers],
                "topics": [_topic(one) for one in response.topics],
                "metadataOffset": response.metadata_offset,
            }
        case TopicCreatedResponse():
            return {"topicId": response.topic_id}
        case InitProducerResponse():
            return {"producerId": response.producer_id, "producerEpoch": response.producer_epoch}
        case _:
            return {"done": True}


def _bytes(text: str | None, raw: bytes | None) -> bytes | None:
    return text.encode() if text is not None else raw


def _shown(name: str, data: bytes | None) -> dict[str, object]:
    if data is None:
        return {name: None}
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}Base64": base64.b64encode(data).decode()}


def _records(batch: Batch, from_offset: int) -> list[dict[str, object]]:
    return [
        {
            "offset": batch.base_offset + index,
            "timestampMs": record.timestamp_ms,
            **_shown("key", record.key),
            **_shown("value", record.value),
        }
        for index, record in enumerate(decode_records(batch))
        if batch.base_offset + index >= from_offset
    ]


def _topic(topic: TopicDescription) -> dict[str, object]:
    return {
        "name": topic.topic,
        "topicId": topic.topic_id,
        "minInSyncReplicas": topic.min_in_sync_replicas,
        "partitions": [
            {
                "partition": one.partition,
                "leader": one.leader,
                "leaderEpoch": one.leader_epoch,
                "replicas": one.replicas,
                "isr": one.isr,
                "elr": one.elr,
            }
            for one in topic.partitions
        ],
    }
