"""The client API: requests, responses, errors. The HTTP layer and the simulator carry exactly these.

An error is *definite* (the operation surely did not and will not happen) or *unknown*. Only a definite failure
may be treated as "not written".
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from skerry_broker.core.types import NO_BROKER, Acks, Batch


class ErrorCode(StrEnum):
    """Typed errors. ``DEFINITE`` and ``RETRIABLE`` below say what each one means for the client."""

    NONE = "None"
    NOT_LEADER = "NotLeader"  # carries the leader, when known
    FENCED_LEADER_EPOCH = "FencedLeaderEpoch"
    UNKNOWN_LEADER_EPOCH = "UnknownLeaderEpoch"
    LEASE_EXPIRED = "LeaseExpired"  # this broker may not answer: it lost the controller
    LEADERSHIP_LOST = "LeadershipLost"  # appended, then deposed before it was replicated: unknown
    NOT_ENOUGH_REPLICAS = "NotEnoughReplicas"  # refused before the append
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = "NotEnoughReplicasAfterAppend"  # unknown
    TIMED_OUT = "TimedOut"  # appended, not replicated in time: unknown
    HIGH_WATERMARK_UNKNOWN = "HighWatermarkUnknown"  # a new leader below its epoch's start
    OFFSET_OUT_OF_RANGE = "OffsetOutOfRange"
    UNKNOWN_TOPIC = "UnknownTopic"
    TOPIC_EXISTS = "TopicExists"
    INVALID_REQUEST = "InvalidRequest"
    INVALID_REPLICATION_FACTOR = "InvalidReplicationFactor"
    BATCH_TOO_LARGE = "BatchTooLarge"
    CORRUPT_BATCH = "CorruptBatch"
    OUT_OF_ORDER_SEQUENCE = "OutOfOrderSequence"
    INVALID_PRODUCER_EPOCH = "InvalidProducerEpoch"
    NOT_CONTROLLER = "NotController"  # carries the controller, when known
    OVERLOADED = "Overloaded"
    LOG_OFFLINE = "LogOffline"  # this broker's disk failed; another one must lead
    SHUTTING_DOWN = "ShuttingDown"
    CONNECTION_FAILED = "ConnectionFailed"  # client side: never sent
    CONNECTION_LOST = "ConnectionLost"  # client side: sent, not answered: unknown


UNKNOWN_OUTCOME = frozenset(
    {
        ErrorCode.LEADERSHIP_LOST,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode.TIMED_OUT,
        ErrorCode.CONNECTION_LOST,
    }
)
"""After one of these the operation may have happened, or may still happen."""

RETRIABLE = frozenset(
    {
        ErrorCode.NOT_LEADER,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.UNKNOWN_LEADER_EPOCH,
        ErrorCode.LEASE_EXPIRED,
        ErrorCode.LEADERSHIP_LOST,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode.TIMED_OUT,
        ErrorCode.HIGH_WATERMARK_UNKNOWN,
        ErrorCode.UNKNOWN_TOPIC,
        ErrorCode.NOT_CONTROLLER,
        ErrorCode.OVERLOADED,
        ErrorCode.LOG_OFFLINE,
        ErrorCode.SHUTTING_DOWN,
        ErrorCode.CONNECTION_FAILED,
        ErrorCode.CONNECTION_LOST,
    }
)
"""A later attempt, perhaps at another broker, may succeed."""


# --- requests -----------------------------------------------------------------------------------------


class ProduceRequest(msgspec.Struct, frozen=True, array_like=True, tag="produce", gc=False):
    """Append one batch to one partition. ``batch.base_offset`` and ``batch.leader_epoch`` are ignored."""

    topic: str
    partition: int
    batch: Batch
    acks: Acks
    timeout_ms: int


class FetchRequest(msgspec.Struct, frozen=True, array_like=True, tag="fetch", gc=False):
    """Committed batches from ``offset`` on; waits up to ``wait_ms`` for the first one.

    An answer without batches is a *tail read*: it reveals the high watermark and is linearizable.
    """

    topic: str
    partition: int
    offset: int
    wait_ms: int = 0
    bytes_max: int = 1 << 20


class ListOffsetsRequest(msgspec.Struct, frozen=True, array_like=True, tag="offsets", gc=False):
    """Log start and high watermark of one partition; ``at_wall_ms`` also finds the first offset at or after it."""

    topic: str
    partition: int
    at_wall_ms: int | None = None


class MetadataRequest(msgspec.Struct, frozen=True, array_like=True, tag="metadata", gc=False):
    """What this broker knows of topics (empty: all) and brokers. Any broker answers, never with a guarantee."""

    topics: tuple[str, ...] = ()


class CreateTopicRequest(msgspec.Struct, frozen=True, array_like=True, tag="create", gc=False):
    topic: str
    partitions: int
    replication_factor: int
    min_in_sync_replicas: int
    retention_bytes: int = -1
    retention_ms: int = -1
    timeout_ms: int = 5000


class DeleteTopicRequest(msgspec.Struct, frozen=True, array_like=True, tag="delete", gc=False):
    topic: str
    timeout_ms: int = 5000


class InitProducerRequest(msgspec.Struct, frozen=True, array_like=True, tag="initproducer", gc=False):
    """A fresh producer id (epoch 0) from the controller."""

    timeout_ms: int = 5000


class ElectLeaderRequest(msgspec.Struct, frozen=True, array_like=True, tag="elect", gc=False):
    """Move a partition's leadership to an in-sync replica, in two steps (`docs/decisions/0003-timing.md` 2)."""

    topic: str
    partition: int
    broker_id: int
    timeout_ms: int = 5000


class TransferControllerRequest(msgspec.Struct, frozen=True, array_like=True, tag="transfer", gc=False):
    """Hand the Raft leadership to a voter that is caught up."""

    broker_id: int
    timeout_ms: int = 5000


ClientRequest = (
    ProduceRequest
    | FetchRequest
    | ListOffsetsRequest
    | MetadataRequest
    | CreateTopicRequest
    | DeleteTopicRequest
    | InitProducerRequest
    | ElectLeaderRequest
    | TransferControllerRequest
)


# --- responses ----------------------------------------------------------------------------------------


class ErrorResponse(msgspec.Struct, frozen=True, array_like=True, tag="error", gc=False):
    """Any request may be answered by this. ``leader``: where to go instead, when known."""

    error: ErrorCode
    message: str = ""
    leader: int = NO_BROKER
    leader_epoch: int = -1


class ProduceResponse(msgspec.Struct, frozen=True, array_like=True, tag="produced", gc=False):
    base_offset: int
    leader_epoch: int
    leader: int
    duplicate: bool = False
    """The batch was already in the log; this is its original offset."""


class FetchResponse(msgspec.Struct, frozen=True, array_like=True, tag="fetched", gc=False):
    """``batches`` may start before the requested offset (batches are never cut); records at or above
    ``high_watermark`` are never in it."""

    high_watermark: int
    log_start_offset: int
    leader_epoch: int
    leader: int
    batches: tuple[Batch, ...] = ()


class ListOffsetsResponse(msgspec.Struct, frozen=True, array_like=True, tag="offsets", gc=False):
    log_start_offset: int
    high_watermark: int
    leader_epoch: int
    leader: int
    offset_at_time: int | None = None


class PartitionDescription(msgspec.Struct, frozen=True, array_like=True, gc=False):
    partition: int
    leader: int
    leader_epoch: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    elr: tuple[int, ...]


class TopicDescription(msgspec.Struct, frozen=True, array_like=True, gc=False):
    topic: str
    topic_id: str
    min_in_sync_replicas: int
    partitions: tuple[PartitionDescription, ...]


class MetadataResponse(msgspec.Struct, frozen=True, array_like=True, tag="metadata", gc=False):
    cluster_id: str
    controller: int
    brokers: tuple[int, ...]
    topics: tuple[TopicDescription, ...]
    metadata_offset: int


class TopicCreatedResponse(msgspec.Struct, frozen=True, array_like=True, tag="created", gc=False):
    topic_id: str


class InitProducerResponse(msgspec.Struct, frozen=True, array_like=True, tag="producer", gc=False):
    producer_id: int
    producer_epoch: int


class DoneResponse(msgspec.Struct, frozen=True, array_like=True, tag="done", gc=False):
    """A delete, an election or a transfer that was committed."""


ClientResponse = (
    ErrorResponse
    | ProduceResponse
    | FetchResponse
    | ListOffsetsResponse
    | MetadataResponse
    | TopicCreatedResponse
    | InitProducerResponse
    | DoneResponse
)
