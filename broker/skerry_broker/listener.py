"""One port of one plane: who connects is told apart by the first bytes.

The frames' preface leads to the gate, which reads the Hello and returns the session for it; anything else goes to
the HTTP server, where the plane has one, and is otherwise closed, counted, and logged once per second at most.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from skerry_broker.config import Address
from skerry_broker.core.types import Plane
from skerry_broker.dialing import reason
from skerry_broker.errors import PortInUse
from skerry_broker.frames import FrameConnection, Session
from skerry_broker.metrics import Metrics
from skerry_broker.wire import (
    HEADER,
    HELLO_BYTES_MAX,
    PREFACE,
    PROTOCOL,
    FrameError,
    FrameKind,
    Hello,
    Welcome,
    control_frame,
    decode_control,
)

log = logging.getLogger("skerry_broker.listener")

HANDSHAKE_S = 5.0
"""Who has not said what it wants after this is disconnected: an idle connection costs a file descriptor."""

Gate = Callable[[Hello, FrameConnection], "Session | str"]
"""The session for this Hello, or the reason why it is refused."""


class PlaneListener:
    """Invariant: ``open_connections`` never exceeds ``connections_max``."""

    def __init__(
        self,
        plane: Plane,
        address: Address,
        *,
        gate: Gate,
        welcome: Callable[[], Welcome],
        bytes_max: int,
        metrics: Metrics,
        http: Callable[[], asyncio.Protocol] | None = None,
        connections_max: int = 2048,
    ) -> None:
        self.plane = plane
        self.address = address
        self.gate = gate
        self.welcome = welcome
        self.bytes_max = bytes_max
        self.http = http
        self.connections_max = connections_max
        self._metrics = metrics
        self._server: asyncio.Server | None = None
        self._connections: set[Incoming] = set()
        self._undecided: dict[Incoming, float] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._last_warning_s = 0.0

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    async def open(self) -> Address:
        """Listen. Returns the address with its real port. Raises PortInUse."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Incoming(self), self.address.host, self.address.port, backlog=256, reuse_address=True
            )
        except OSError as error:
            raise PortInUse("--listen", *self.address, reason(error)) from None
        self.address = Address(self.address.host, self._server.sockets[0].getsockname()[1])
        return self.address

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.drop()
        if self._server is not None:
            await self._server.wait_closed()

    # --- for its connections

    def opened(self, connection: Incoming) -> bool:
        """False: there are too many."""
        if len(self._connections) >= self.connections_max:
            self.refused("limit", f"over {self.connections_max} connections; see --connections-max")
            return False
        loop = asyncio.get_running_loop()
        self._connections.add(connection)
        self._undecided[connection] = loop.time() + HANDSHAKE_S
        if self._sweep is None:
            self._sweep = loop.call_later(HANDSHAKE_S, self._sweep_undecided)
        return True

    def decided(self, connection: Incoming) -> None:
        self._undecided.pop(connection, None)

    def closed(self, connection: Incoming) -> None:
        self._connections.discard(connection)
        self._undecided.pop(connection, None)

    def refused(self, reason: str, text: str) -> None:
        """Count; log at most once a second, because a sender of garbage sends more of it."""
        self._metrics.add("broker_connections_refused_total", self.plane.value, reason)
        now = asyncio.get_running_loop().time()
        if now - self._last_warning_s >= 1.0:
            self._last_warning_s = now
            log.warning("%s plane: closed a connection: %s", self.plane.value, text)

    def _sweep_undecided(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in [one for one, deadline in self._undecided.items() if deadline <= now]:
            self._metrics.add("broker_connections_refused_total", self.plane.value, "handshake")
            log.debug("%s plane: nothing said for %.0f s by %s", self.plane.value, HANDSHAKE_S, connection.name)
            connection.drop()
        self._sweep = loop.call_later(HANDSHAKE_S / 2, self._sweep_undecided) if self._undecided else None


class Incoming(asyncio.Protocol):
    """A connection from outside: undecided, then frames or HTTP; it stays in between and only passes calls on."""

    def __init__(self, listener: PlaneListener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._first = b""
        self._inner: asyncio.Protocol | None = None
        self.name = "unknown"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.name = f"{peer[0]}:{peer[1]}"
        if not self._listener.opened(self):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)
            return
        self._first += data
        if self._first.startswith(PREFACE):
            self._become(_Greeting(self._listener), self._first[len(PREFACE) :])
        elif self._first[0] == PREFACE[0]:
            if not PREFACE.startswith(self._first):
                self._garbage()
        elif self._listener.http is not None:
            self._listener.decided(self)
            self._become(self._listener.http(), self._first)
        else:
            self._garbage()

    def _become(self, inner: asyncio.Protocol, rest: bytes) -> None:
        assert self._transport is not None
        self._inner, self._first = inner, b""
        if isinstance(inner, _Greeting):
            inner.outer = self
        inner.connection_made(self._transport)
        if rest:
            inner.data_received(rest)

    def _garbage(self) -> None:
        self._listener.refused("garbage", f"{self.name} sent bytes that are no protocol of this port")
        self.drop()

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.closed(self)
        if self._inner is not None:
            self._inner.connection_lost(error)


class _Greeting(FrameConnection):
    """Frames, before and after their Hello. Before it, it is its own session."""

    def __init__(self, listener: PlaneListener) -> None:
        super().__init__(None, HELLO_BYTES_MAX)
        self.session = self
        self._listener = listener
        self.outer: Incoming | None = None

    def broken(self, error: FrameError) -> None:
        self._listener.refused("garbage", f"{self.peer_name} sent {error}")
        super().broken(error)

    def on_payload(self, payload: bytes) -> None:
        hello = decode_control(payload) if payload[0] == FrameKind.CONTROL else None
        if not isinstance(hello, Hello):
            raise FrameError("a first frame that is no Hello")
        if hello.protocol != PROTOCOL:
            self._refuse(f"protocol {hello.protocol}; this broker speaks {PROTOCOL}")
        elif hello.plane != self._listener.plane:
            self._refuse(f"this is the {self._listener.plane.value} port, not the {hello.plane.value} port")
        else:
            self.reader.bytes_max = self._listener.bytes_max
            self.bytes_received -= HEADER.size + len(payload)  # counted from after the Hello
            session = self._listener.gate(hello, self)
            if isinstance(session, str):
                self._refuse(session)
                return
            self.session = session
            if self.outer is not None:
                self._listener.decided(self.outer)
            self.write(control_frame(self._listener.welcome()))

    def _refuse(self, reason: str) -> None:
        self._listener.refused("handshake", f"{self.peer_name}: {reason}")
        self.refuse(reason)

    def on_closed(self, problem: str) -> None:
        """Closed before its Hello: nobody to tell."""
