"""A client's connection that speaks frames: many calls at once, answered in whatever order they are done."""

from __future__ import annotations

from skerry_broker.core.api import ClientResponse, ErrorCode, ErrorResponse, MetadataResponse
from skerry_broker.core.types import NO_BROKER
from skerry_broker.frames import FrameConnection
from skerry_broker.gateway import Gateway
from skerry_broker.transport import Identity
from skerry_broker.wire import (
    CORRELATION,
    SKIPPED_BYTES_MAX,
    AddressBook,
    FrameError,
    FrameKind,
    Ping,
    Pong,
    answer_frame,
    control_frame,
    decode_call,
    decode_control,
)

UNSENT_BYTES_MAX = 16 << 20
"""A client that does not read its answers is disconnected above this."""


class Calls:
    """The session of one client connection. Invariant: when it is closed, all its requests have been given up."""

    def __init__(self, connection: FrameConnection, gateway: Gateway, identity: Identity) -> None:
        self._connection = connection
        connection.reader.skip_max = SKIPPED_BYTES_MAX
        self._gateway = gateway
        self._identity = identity
        self._waiting: set[int] = set()
        """Request ids; a plain set, because only membership matters (they are given up in sorted order)."""
        self._addresses: tuple[tuple[int, str], ...] = ()

    def on_payload(self, payload: bytes) -> None:
        if payload[0] == FrameKind.CONTROL:
            ping = decode_control(payload)
            if not isinstance(ping, Ping):
                raise FrameError("a frame that is no call")
            self._connection.write(control_frame(Pong(ping.number)))  # slow broker or dead path? the client asks
            return
        if payload[0] == FrameKind.OVERSIZED and payload[1] == FrameKind.CALL:
            correlation = CORRELATION.unpack_from(payload, 2)[0]
            text = f"the request is too large; this broker takes batches of {self._gateway.batch_bytes_max} bytes"
            self.answer(_Call(self, correlation), ErrorResponse(ErrorCode.BATCH_TOO_LARGE, text))
            return
        if payload[0] != FrameKind.CALL:
            raise FrameError("a frame that is no call")
        correlation, request = decode_call(payload)
        call = _Call(self, correlation)
        request_id = self._gateway.submit(request, call.respond)
        if not call.answered:
            call.request_id = request_id
            self._waiting.add(request_id)

    def on_closed(self, problem: str) -> None:
        for request_id in sorted(self._waiting):
            self._gateway.gone(request_id)
        self._waiting.clear()

    def answer(self, call: _Call, response: ClientResponse) -> None:
        self._waiting.discard(call.request_id)
        if isinstance(response, MetadataResponse) or (
            isinstance(response, ErrorResponse) and response.leader != NO_BROKER
        ):
            addresses = tuple(sorted(self._identity.advertised.items()))
            if addresses != self._addresses:
                self._addresses = addresses
                self._connection.write(control_frame(AddressBook(addresses)))
        self._connection.write(answer_frame(call.correlation, response))
        if self._connection.unsent_bytes > UNSENT_BYTES_MAX:
            self._connection.close("the client does not read its answers")


class _Call:
    def __init__(self, session: Calls, correlation: int) -> None:
        self.correlation = correlation
        self.request_id = -1
        self.answered = False
        self._session = session

    def respond(self, response: ClientResponse) -> None:
        self.answered = True
        self._session.answer(self, response)
