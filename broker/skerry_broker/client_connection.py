"""One client's connection to one broker: opened when it is first needed, given up when it is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from skerry_broker.config import Address
from skerry_broker.core.api import ClientRequest, ClientResponse, ErrorCode
from skerry_broker.core.types import Plane
from skerry_broker.frames import Outgoing
from skerry_broker.wire import (
    PEER_BYTES_MAX,
    PROTOCOL,
    AddressBook,
    FrameError,
    FrameKind,
    Hello,
    Ping,
    Pong,
    Purpose,
    call_frame,
    control_frame,
    decode_answer,
    decode_control,
)

CONNECT_TIMEOUT_S = 1.0
SILENCE_S = 1.0
"""After a call went unanswered a ping is sent; without any byte for so long the connection is replaced."""


class ClientConnection:
    """Invariant: every call that was given to it is answered, failed, or cancelled; never two of them.

    A call whose frame was never written fails with CONNECTION_FAILED (it surely did not happen); one whose frame was
    written, even in part, fails with CONNECTION_LOST (it may have happened).
    """

    def __init__(
        self,
        address: Address,
        on_answer: Callable[[int, ClientResponse], None],
        on_failed: Callable[[int, ErrorCode], None],
        on_addresses: Callable[[AddressBook], None],
    ) -> None:
        self.address = address
        self._on_answer = on_answer
        self._on_failed = on_failed
        self._on_addresses = on_addresses
        self._connection: Outgoing | None = None
        self._opening: asyncio.Task[None] | None = None
        self._unsent: dict[int, ClientRequest] = {}
        self._sent: set[int] = set()
        self._ping: asyncio.TimerHandle | None = None
        self._ping_number = 0

    def call(self, call_id: int, request: ClientRequest) -> None:
        if self._connection is not None:
            self._write(self._connection, call_id, request)
            return
        self._unsent[call_id] = request
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    def cancel(self, call_id: int) -> None:
        """Nobody waits any more. An answer that still comes is dropped."""
        self._unsent.pop(call_id, None)
        if call_id in self._sent:
            self._sent.discard(call_id)
            self._doubt()

    async def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._ping is not None:
            self._ping.cancel()
        self._unsent.clear()
        self._sent.clear()
        if self._connection is not None:
            self._connection.close()

    # --- the session of the connection

    def on_payload(self, payload: bytes) -> None:
        if payload[0] == FrameKind.ANSWER:
            call_id, response = decode_answer(payload)
            if call_id in self._sent:
                self._sent.discard(call_id)
                self._on_answer(call_id, response)
            return
        message = decode_control(payload) if payload[0] == FrameKind.CONTROL else None
        if isinstance(message, AddressBook):
            self._on_addresses(message)
        elif not isinstance(message, Pong):
            raise FrameError("a frame that is no answer")

    def on_closed(self, problem: str) -> None:
        self._connection = None
        if self._ping is not None:
            self._ping.cancel()
            self._ping = None
        lost, self._sent = sorted(self._sent), set()
        for call_id in lost:
            self._on_failed(call_id, ErrorCode.CONNECTION_LOST)

    # --- inside

    async def _open(self) -> None:
        hello = Hello(PROTOCOL, Purpose.CALLS, Plane.CLIENT)
        connection = Outgoing(self, PEER_BYTES_MAX, hello)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.get_running_loop().create_connection(lambda: connection, *self.address)
        except (OSError, TimeoutError):
            self._opening = None
            self._fail_unsent()
            return
        self._opening = None
        if connection.closed:
            self._fail_unsent()
            return
        self._connection = connection
        unsent, self._unsent = self._unsent, {}
        for call_id, request in unsent.items():
            self._write(connection, call_id, request)

    def _fail_unsent(self) -> None:
        unsent, self._unsent = self._unsent, {}
        for call_id in unsent:
            self._on_failed(call_id, ErrorCode.CONNECTION_FAILED)

    def _write(self, connection: Outgoing, call_id: int, request: ClientRequest) -> None:
        self._sent.add(call_id)
        connection.write(call_frame(call_id, request))

    def _doubt(self) -> None:
        """Slow broker or dead path? Only the latter answers no ping."""
        connection = self._connection
        if connection is None or self._ping is not None:
            return
        self._ping_number += 1
        connection.write(control_frame(Ping(self._ping_number)))
        before = connection.bytes_received
        self._ping = asyncio.get_running_loop().call_later(SILENCE_S, self._judge, connection, before)

    def _judge(self, connection: Outgoing, bytes_before: int) -> None:
        self._ping = None
        if connection is self._connection and connection.bytes_received == bytes_before:
            connection.close("the broker is silent")
