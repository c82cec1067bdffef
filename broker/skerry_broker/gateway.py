"""Where client requests enter the node, however they came: checked, counted, bounded, and answered exactly once.

Everything that can be refused without asking the node is refused here, before memory is held for it: batches that are
too large or corrupt, values out of range, one request too many. A refusal here is always *definite*.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import msgspec

from skerry_broker import batch as batches
from skerry_broker.core.api import (
    UNKNOWN_OUTCOME,
    ClientRequest,
    ClientResponse,
    CreateTopicRequest,
    DoneResponse,
    ErrorCode,
    ErrorResponse,
    FetchRequest,
    ProduceRequest,
)
from skerry_broker.core.messages import ClientGone, Event, FromClient
from skerry_broker.core.types import Acks
from skerry_broker.metrics import Metrics

WAIT_MS_MAX = 30_000
"""Longest long poll."""
TIMEOUT_MS_MAX = 120_000
BACKLOG_BYTES_MAX = 64 << 20
"""With more than this queued for the disk, produce requests are refused."""
TOPIC_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,198}")
"""Also a directory name, so it never begins with a dot and holds no separator."""

Respond = Callable[[ClientResponse], None]


def definite(response: ErrorResponse) -> bool:
    """Whether the operation surely did not happen."""
    return response.error not in UNKNOWN_OUTCOME


class _Waiting(msgspec.Struct):
    respond: Respond
    api: str
    begun: float
    bytes: int


class Gateway:
    """Invariants: every request that ``submit`` takes is answered once, or its client is gone; at most
    ``requests_max`` wait, holding at most ``bytes_max`` of batches."""

    def __init__(
        self,
        deliver: Callable[[Event], None],
        metrics: Metrics,
        *,
        requests_max: int,
        bytes_max: int,
        batch_bytes_max: int,
        fetch_bytes_max: int,
        backlog_bytes: Callable[[], int] = lambda: 0,
    ) -> None:
        self._deliver = deliver
        self._metrics = metrics
        self._requests_max = requests_max
        self._bytes_max = bytes_max
        self.batch_bytes_max = batch_bytes_max
        self._fetch_bytes_max = fetch_bytes_max
        self._backlog_bytes = backlog_bytes
        self._waiting: dict[int, _Waiting] = {}
        self._bytes = 0
        self._last_id = 0

    @property
    def in_flight(self) -> int:
        return len(self._waiting)

    def submit(self, request: ClientRequest, respond: Respond) -> int:
        """Take a request; ``respond`` is called once, perhaps before this returns. Returns its id, for `gone`."""
        self._last_id += 1
        request_id = self._last_id
        api = str(request.__struct_config__.tag)
        begun = time.monotonic()
        checked = self._checked(request)
        if isinstance(checked, ErrorResponse):
            self._observe(api, checked, begun)
            respond(checked)
            return request_id
        size = len(checked.batch.data) if isinstance(checked, ProduceRequest) else 0
        if isinstance(checked, ProduceRequest) and checked.acks is Acks.NONE:
            # Nothing is promised and nothing will be said by the node; the caller learns that it was received.
            self._deliver(FromClient(request_id, checked))
            respond(DoneResponse())
            return request_id
        self._waiting[request_id] = _Waiting(respond, api, begun, size)
        self._bytes += size
        self._deliver(FromClient(request_id, checked))
        return request_id

    def reply(self, request_id: int, response: ClientResponse) -> None:
        """The node's answer. One for a client that has gone is dropped."""
        waiting = self._waiting.pop(request_id, None)
        if waiting is None:
            return
        self._bytes -= waiting.bytes
        self._observe(waiting.api, response, waiting.begun)
        waiting.respond(response)

    def gone(self, request_id: int) -> None:
        """The client does not wait any more."""
        waiting = self._waiting.pop(request_id, None)
        if waiting is not None:
            self._bytes -= waiting.bytes
            self._deliver(ClientGone(request_id))

    def refuse_all(self, error: ErrorCode, message: str) -> None:
        """The node has stopped: answer everybody who still waits."""
        for request_id in list(self._waiting):
            self.reply(request_id, ErrorResponse(error, message))

    def _observe(self, api: str, response: ClientResponse, begun: float) -> None:
        error = response.error if isinstance(response, ErrorResponse) else ErrorCode.NONE
        self._metrics.add("broker_request_seconds", api, error.value, value=time.monotonic() - begun)

    def _checked(self, request: ClientRequest) -> ClientRequest | ErrorResponse:
        """The request as the node may see it, or why it is refused."""
        problem = _out_of_range(request)
        if problem:
            return ErrorResponse(ErrorCode.INVALID_REQUEST, problem)
        if len(self._waiting) >= self._requests_max:
            return ErrorResponse(ErrorCode.OVERLOADED, f"{self._requests_max} requests are in flight")
        if isinstance(request, FetchRequest) and request.bytes_max > self._fetch_bytes_max:
            return msgspec.structs.replace(request, bytes_max=self._fetch_bytes_max)
        if isinstance(request, ProduceRequest):
            size = len(request.batch.data)
            if size > self.batch_bytes_max:
                return ErrorResponse(
                    ErrorCode.BATCH_TOO_LARGE, f"a batch of {size} bytes; this broker takes {self.batch_bytes_max}"
                )
            if self._bytes + size > self._bytes_max or self._backlog_bytes() > BACKLOG_BYTES_MAX:
                return ErrorResponse(ErrorCode.OVERLOADED, "too many bytes wait to be written or replicated")
            try:  # the bytes are the truth; what the client says about them is not believed
                return msgspec.structs.replace(request, batch=batches.validate(request.batch.data))
            except batches.CorruptBatch as error:
                return ErrorResponse(ErrorCode.CORRUPT_BATCH, str(error))
        return request


def _out_of_range(request: ClientRequest) -> str:
    """What the wire format's types do not rule out; "" when all is well."""
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
    if isinstance(request, CreateTopicRequest) and not TOPIC_NAME.fullmatch(request.topic):
        return f"topic name {request.topic[:80]!r}: 1 to 199 of A-Z a-z 0-9 . _ -, not beginning with a dot"
    return ""
