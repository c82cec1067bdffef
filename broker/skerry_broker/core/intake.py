"""The admission of client requests: everything that a broker checks before its node sees one.

Both drivers, the runtime's gateway and the simulator's host, ask one `Intake`, so that the same request is refused with
the same words in every world. A refusal here is always *definite*: nothing has happened, and nothing will. What depends
on the state of a partition or of the cluster (who leads, the lease, sequences, topics that exist) is the node's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from skerry_broker.core.api import (
    ClientRequest,
    ClientResponse,
    CreateTopicRequest,
    DoneResponse,
    ErrorCode,
    ErrorResponse,
    FetchRequest,
    ProduceRequest,
)
from skerry_broker.core.types import NO_PRODUCER, Acks, Batch

WAIT_MS_MAX = 30_000
"""The longest long poll."""
TIMEOUT_MS_MAX = 120_000
BACKLOG_BYTES_MAX = 64 << 20
"""With more than this queued for the disk, produce requests are refused."""
PARTITIONS_MAX = 1024
TOPIC_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
"""A topic's name is also a directory's name, so it never begins with a dot and holds no separator."""

CheckBatch = Callable[[Batch], Batch]
"""Takes a batch as the client sent it; returns it with the fields that its bytes say. Raises ValueError, with one
sentence, for bytes that are not one whole, unharmed batch."""


class IntakeLimits(NamedTuple):
    """What one broker holds at most for its clients, and takes at most in one request."""

    requests_max: int = 4096
    bytes_max: int = 64 << 20
    """How many bytes the batches of all requests have that wait for their answers."""
    batch_bytes_max: int = 1 << 20
    fetch_bytes_max: int = 1 << 20


class Admission(msgspec.Struct, frozen=True, gc=False):
    """``request`` goes to the node; None when it was refused. ``answer`` goes to the client at once; None while the
    node has to answer. Both are set with ``acks: None``: the client is told only that its request was received."""

    request: ClientRequest | None
    answer: ClientResponse | None = None


class Intake:
    """Invariant: at most ``requests_max`` admitted requests wait for an answer, holding at most ``bytes_max`` bytes of
    batches; each leaves the books once, by `release`."""

    def __init__(
        self, limits: IntakeLimits, check_batch: CheckBatch, backlog_bytes: Callable[[], int] = lambda: 0
    ) -> None:
        """``backlog_bytes``: how many bytes wait to be written to the disk now."""
        self.limits = limits
        self._check_batch = check_batch
        self._backlog_bytes = backlog_bytes
        self._held: dict[int, int] = {}
        """Request id to the bytes of its batch, for every request that waits for an answer."""
        self.bytes_held = 0

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answers."""
        return len(self._held)

    def admit(self, request_id: int, request: ClientRequest) -> Admission:
        """Check one request. ``request_id`` is the driver's; when the node has to answer, `release` it afterwards."""
        problem = out_of_range(request)
        if problem:
            return refused(ErrorCode.INVALID_REQUEST, problem)
        limits = self.limits
        if len(self._held) >= limits.requests_max:
            return refused(ErrorCode.OVERLOADED, f"{limits.requests_max} requests are in flight")
        if isinstance(request, ProduceRequest):
            return self._admit_produce(request_id, request)
        self._held[request_id] = 0
        if isinstance(request, FetchRequest) and request.bytes_max > limits.fetch_bytes_max:
            return Admission(msgspec.structs.replace(request, bytes_max=limits.fetch_bytes_max))
        return Admission(request)

    def _admit_produce(self, request_id: int, request: ProduceRequest) -> Admission:
        size = len(request.batch.data)
        if size > self.limits.batch_bytes_max:
            return refused(ErrorCode.BATCH_TOO_LARGE, too_large(size, self.limits.batch_bytes_max))
        if self.bytes_held + size > self.limits.bytes_max or self._backlog_bytes() > BACKLOG_BYTES_MAX:
            return refused(ErrorCode.OVERLOADED, "too many bytes wait to be written or replicated")
        try:  # the bytes are the truth; what the client says about them is not believed
            batch = self._check_batch(request.batch)
        except ValueError as error:
            return refused(ErrorCode.CORRUPT_BATCH, str(error))
        if batch.producer_id != NO_PRODUCER and min(batch.producer_id, batch.producer_epoch, batch.base_sequence) < 0:
            return refused(ErrorCode.INVALID_REQUEST, "an idempotent batch needs an id, epoch and sequence")
        if batch is not request.batch:
            request = ProduceRequest(request.topic, request.partition, batch, request.acks, request.timeout_ms)
        if request.acks is Acks.NONE:
            return Admission(request, DoneResponse())
        self._held[request_id] = size
        self.bytes_held += size
        return Admission(request)

    def release(self, request_id: int) -> None:
        """The request was answered, or its client has gone. Does nothing for one that is not held."""
        self.bytes_held -= self._held.pop(request_id, 0)


def refused(error: ErrorCode, message: str) -> Admission:
    return Admission(None, ErrorResponse(error, message))


def too_large(size: int, limit: int) -> str:
    """Why a batch of ``size`` bytes is refused."""
    return f"a batch of {size} bytes; this broker takes {limit}"


def out_of_range(request: ClientRequest) -> str:
    """What the wire format's types do not rule out, as one sentence; "" when all is well."""
    timeout_ms = getattr(request, "timeout_ms", 0)
    if not 0 <= timeout_ms <= TIMEOUT_MS_MAX:
        return f"timeout_ms {timeout_ms} must be from 0 to {TIMEOUT_MS_MAX}"
    if getattr(request, "partition", 0) < 0:
        return "partition must not be negative"
    if isinstance(request, FetchRequest):
        if not 0 <= request.wait_ms <= WAIT_MS_MAX:
            return f"wait_ms {request.wait_ms} must be from 0 to {WAIT_MS_MAX}"
        if request.offset < 0 or request.bytes_max <= 0:
            return "offset must not be negative, and bytes_max must be positive"
    if isinstance(request, CreateTopicRequest):
        return unsound_topic(request)
    return ""


def unsound_topic(request: CreateTopicRequest) -> str:
    """Why no cluster could make this topic; "" when some could."""
    topic = request.topic
    if not TOPIC_NAME.fullmatch(topic):
        return (
            f"topic name {topic[:40]!r}: use 1 to 200 letters, digits, '.', '_' or '-', "
            "beginning with a letter, digit or '_'"
        )
    if not 1 <= request.partitions <= PARTITIONS_MAX:
        return f"topic {topic}: partitions is {request.partitions}; use 1 to {PARTITIONS_MAX}"
    return ""
