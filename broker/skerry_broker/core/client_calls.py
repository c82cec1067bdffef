"""The client's operations and attempts as data, and its timers."""

from __future__ import annotations

import heapq
from collections.abc import Container, Mapping
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

import msgspec

from skerry_broker.core.api import (
    ClientRequest,
    ClientResponse,
    ErrorCode,
    FetchRequest,
    ListOffsetsRequest,
    MetadataRequest,
    ProduceRequest,
)
from skerry_broker.core.types import Batch, Rng, TopicPartition

if TYPE_CHECKING:
    from skerry_broker.core.client_producer import PartitionProducer

MS = 1_000_000


class ClientConfig(msgspec.Struct, frozen=True, gc=False):
    idempotent: bool = True
    request_timeout_ms: int = 1000
    """Per attempt; a long poll adds its wait."""
    delivery_timeout_ms: int = 30_000
    """How long after its submission an operation is given up."""
    retry_backoff_ms: int = 50
    retry_backoff_max_ms: int = 200
    metadata_timeout_ms: int = 250
    metadata_max_age_ms: int = 30_000
    slow_call_ms: int = 250
    """An attempt unanswered this long makes the client look for another leader meanwhile."""
    max_in_flight: int = 5
    """Produce requests per partition; the broker remembers five batches per producer."""
    retry_unknown: bool = False
    """Retry a non-idempotent produce whose outcome is unknown: it may be written twice."""


class Operation(msgspec.Struct, frozen=True, gc=False):
    """``request``: for a produce, the batch without producer fields; the client fills them in."""

    request: ClientRequest
    directed_to: int | None = None
    """A probe: one attempt at that broker, never redirected, never retried, never idempotent."""
    delivery_timeout_ms: int | None = None


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    """It surely did not and will not happen."""
    UNKNOWN = "unknown"
    """It may have happened, or may still."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """Send ``request`` to a broker; answer with `Client.answered` or `Client.call_failed`, unless cancelled first."""

    call_id: int
    broker_id: int
    request: ClientRequest
    timeout_ms: int


class CancelCall(msgspec.Struct, frozen=True, gc=False):
    """Nobody waits for this call any more; a late answer is ignored."""

    call_id: int


class Completed(msgspec.Struct, frozen=True, gc=False):
    op_id: int
    outcome: Outcome
    response: ClientResponse | None
    error: ErrorCode
    attempts: int
    message: str = ""


class Route(Enum):
    LEADER = "leader"
    CONTROLLER = "controller"
    ANY = "any"


_OF_A_PARTITION = (ProduceRequest, FetchRequest, ListOffsetsRequest)
_NOT_ASKED = ErrorCode.CONNECTION_FAILED
_LEADER = Route.LEADER
_WITHOUT_EFFECT = (FetchRequest, ListOffsetsRequest, MetadataRequest)


class Op:
    """One operation under way. Invariant: ``maybe`` is set as soon as some attempt has an effect that cannot be
    excluded any more, and never reset; an operation that ends without success is *failed* only without it."""

    __slots__ = (
        "attempts",
        "backoff_ms",
        "base_sequence",
        "broker",
        "call_id",
        "deadline",
        "error",
        "maybe",
        "message",
        "op_id",
        "operation",
        "ordinal",
        "partition",
        "producer",
        "retry_at",
        "route",
        "sealed",
        "sent_as_oldest",
    )

    def __init__(self, op_id: int, operation: Operation, deadline: int) -> None:
        request = operation.request
        self.op_id = op_id
        self.operation = operation
        self.deadline = deadline
        self.attempts = 0
        self.maybe = False
        self.call_id: int | None = None
        self.broker = -1
        self.error = _NOT_ASKED
        self.message = "no broker could be asked in time"
        self.retry_at = 0
        self.backoff_ms = 0
        self.partition: TopicPartition | None = None
        self.producer: PartitionProducer | None = None
        self.base_sequence = -1
        self.ordinal = -1
        self.sealed: Batch | None = None
        self.sent_as_oldest = False
        if isinstance(request, _OF_A_PARTITION):
            self.route = _LEADER
            self.partition = TopicPartition(request.topic, request.partition)
        elif isinstance(request, MetadataRequest):
            self.route = Route.ANY
        else:
            self.route = Route.CONTROLLER

    @property
    def has_effect(self) -> bool:
        return not isinstance(self.operation.request, _WITHOUT_EFFECT)


class Timers:
    """A heap of (time, number, kind, key). One whose key is no more among the ``alive`` of its kind has been settled
    otherwise, and is dropped when it comes to the head; of other kinds every timer counts."""

    def __init__(self, alive: Mapping[str, Container[int]]) -> None:
        self._alive = alive
        self._heap: list[tuple[int, int, str, int]] = []
        self._count = 0

    def at(self, time: int, kind: str, key: int) -> None:
        self._count += 1
        heapq.heappush(self._heap, (time, self._count, kind, key))

    def next_deadline(self) -> int | None:
        """The time of the first that counts."""
        heap, alive = self._heap, self._alive
        while heap:
            time, _, kind, key = heap[0]
            if kind not in alive or key in alive[kind]:
                return time
            heapq.heappop(heap)
        return None

    def take_due(self, now: int) -> tuple[int, str, int] | None:
        """(time, kind, key) of the first that counts, when it is due; it is no more."""
        due = self.next_deadline()
        if due is None or due > now:
            return None
        time, _, kind, key = heapq.heappop(self._heap)
        return time, kind, key


NAMES_LEADER = frozenset({ErrorCode.NOT_LEADER, ErrorCode.LEADERSHIP_LOST})
ELSEWHERE = frozenset({ErrorCode.NOT_LEADER, ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.CONNECTION_FAILED})
"""After one of these another broker, if known to lead, is asked at once."""


def attempt_timeout_ms(config: ClientConfig, request: ClientRequest) -> int:
    """How long one attempt may take; a long poll its wait more."""
    return config.request_timeout_ms + (request.wait_ms if isinstance(request, FetchRequest) else 0)


def next_backoff_ms(config: ClientConfig, rng: Rng, before: int) -> int:
    """The next backoff: doubled, bounded, and spread by a quarter so that clients do not march in step."""
    base = min(max(before, config.retry_backoff_ms // 2) * 2, config.retry_backoff_max_ms)
    return max(1, int(base * (0.75 + rng.random() / 2)))
