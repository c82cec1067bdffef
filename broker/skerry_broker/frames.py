"""A TCP connection that speaks frames, from either side.

`FrameConnection` cuts the stream into payloads and hands them to a `Session`; what the payloads mean is the
session's business. `Outgoing` is the side that opened it: it writes preface and Hello and does not wait for the answer,
so that where only one direction of the network works, messages still flow in that direction.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol, cast

from skerry_broker.wire import (
    PREFACE,
    FrameError,
    FrameKind,
    FrameReader,
    Hello,
    Refused,
    Welcome,
    control_frame,
    decode_control,
)

USER_TIMEOUT_MS = 3000
"""The kernel gives up a connection whose bytes nobody acknowledged for so long."""


class Session(Protocol):
    """What a connection is used for."""

    def on_payload(self, payload: bytes) -> None:
        """One frame. Raises FrameError: the connection is closed, and the error says why."""

    def on_closed(self, problem: str) -> None:
        """Called once. ``problem``: one phrase; "" when it was closed on purpose by this side."""


def set_socket_options(transport: asyncio.BaseTransport) -> None:
    sock = transport.get_extra_info("socket")
    if sock is None:  # a transport of a test
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)


class FrameConnection(asyncio.Protocol):
    """Invariants: after ``on_closed`` nothing is handed over and nothing is written; ``on_closed`` is called once."""

    def __init__(self, session: Session | None, bytes_max: int) -> None:
        self.session = session
        self.reader = FrameReader(bytes_max)
        self.transport: asyncio.Transport | None = None
        self.bytes_received = 0
        self.reset = False
        """The other host refused or reset it: nobody is there."""
        self._closed = False
        self._problem = ""

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        set_socket_options(transport)

    def data_received(self, data: bytes) -> None:
        self.bytes_received += len(data)
        try:
            for payload in self.reader.feed(data):
                if self._closed or self.session is None:
                    return
                self.session.on_payload(payload)
        except FrameError as error:
            self.broken(error)

    def connection_lost(self, error: Exception | None) -> None:
        if isinstance(error, ConnectionResetError | BrokenPipeError):
            self.reset = True
        self._finish(self._problem or (str(error) if error else "the other side closed the connection"))

    # --- for sessions

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def unsent_bytes(self) -> int:
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    @property
    def peer_name(self) -> str:
        name = None if self.transport is None else self.transport.get_extra_info("peername")
        return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "unknown"

    def write(self, frame: bytes | bytearray) -> None:
        """Queue a frame; silently nothing once closed. Who writes much watches ``unsent_bytes``."""
        if self.transport is not None and not self._closed and not self.transport.is_closing():
            self.transport.write(frame)

    def close(self, problem: str = "") -> None:
        """Close at once; what was not sent is lost. The session hears ``problem``."""
        self._problem = problem
        if self.transport is not None:
            if problem:
                self.transport.abort()
            else:
                self.transport.close()
        self._finish(problem)

    def broken(self, error: FrameError) -> None:
        """What arrived is not what frames look like."""
        self.close(str(error))

    def refuse(self, reason: str) -> None:
        """Say why, then close."""
        self.write(control_frame(Refused(reason)))
        if self.transport is not None:
            self.transport.close()
        self._finish(reason)

    def _finish(self, problem: str) -> None:
        if not self._closed:
            self._closed = True
            if self.session is not None:
                self.session.on_closed(problem)


class Outgoing(FrameConnection):
    """The side that opened the connection."""

    def __init__(self, session: Session, bytes_max: int, hello: Hello, expected_broker: int | None = None) -> None:
        """``expected_broker``: a Welcome from another broker closes the connection (a wrong address)."""
        super().__init__(session, bytes_max)
        self.hello = hello
        self.expected_broker = expected_broker
        self.welcome: Welcome | None = None
        self.on_welcome: Callable[[Welcome], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.write(PREFACE + control_frame(self.hello))

    def data_received(self, data: bytes) -> None:
        self.bytes_received += len(data)
        try:
            for payload in self.reader.feed(data):
                if self._closed or self.session is None:
                    return
                if self.welcome is None:
                    self._greeted(payload)
                else:
                    self.session.on_payload(payload)
        except FrameError as error:
            self.broken(error)

    def _greeted(self, payload: bytes) -> None:
        answer = decode_control(payload) if payload[0] == FrameKind.CONTROL else None
        if isinstance(answer, Refused):
            self.close(f"refused: {answer.reason}")
        elif not isinstance(answer, Welcome):
            raise FrameError("an answer that is no Welcome")
        elif self.expected_broker is not None and answer.broker_id != self.expected_broker:
            self.close(f"broker {answer.broker_id} answers at the address of broker {self.expected_broker}")
        else:
            self.welcome = answer
            if self.on_welcome is not None:
                self.on_welcome(answer)
