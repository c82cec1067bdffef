"""Can this broker reach its peers? Measured on every plane, as proof that a fault bites.

Kept: one connection per peer and plane stays open and is pinged every 100 ms, and every 25 ms for a second after
somebody asked to look closely. It shows what a cut does to connections that existed before it, and when. New: on
request, a new connection to every peer, with one ping, at most 300 ms. Received: the numbered pings of the others as
they arrive, which makes one-way cuts visible from both ends.

A kept connection without an answer for ``SILENCE_S`` is replaced: TCP's retransmission backs off by doubling, and would
otherwise hide that the network has healed for as long again as it was cut.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping

from skerry_broker.clocks import boot_ns
from skerry_broker.config import PLANES, Address
from skerry_broker.core.types import Plane
from skerry_broker.dialing import Dialer, Resolver, reason
from skerry_broker.frames import FrameConnection, Outgoing, Session
from skerry_broker.status_report import KeptConnection, PeerCheck, PeerCheckReport, Probe, Received
from skerry_broker.transport import Identity
from skerry_broker.wire import (
    HELLO_BYTES_MAX,
    FrameError,
    FrameKind,
    Hello,
    Ping,
    Pong,
    Purpose,
    Welcome,
    control_frame,
    decode_control,
)

log = logging.getLogger("skerry_broker.peer_checks")

PROBE_TIMEOUT_S = 0.3
"""Failed = no answer for this long."""
SILENCE_S = 1.0
CLOSE_S = 1.0
CLOSE_EVERY_S = 0.025
"""For how long, and how often, the kept connections are pinged after somebody asked to look closely."""
IN_FLIGHT_MAX = 64
"""Pings whose answer is still awaited; older ones are counted as lost."""


class PeerChecks:
    """All pings of one broker, sent and received."""

    def __init__(self, identity: Identity, peers: Mapping[int, Mapping[Plane, Address]], resolver: Resolver) -> None:
        self.identity = identity
        self._peers = peers
        self._resolver = resolver
        self._kept = {
            (peer, plane): _Kept(self, peer, plane, addresses[plane], resolver)
            for peer, addresses in sorted(peers.items())
            for plane in PLANES
        }
        self._received = {key: _Count() for key in self._kept}
        self._close_until_ns = 0
        self._closely: asyncio.Task[None] | None = None

    def start(self) -> None:
        for kept in self._kept.values():
            kept.dialer.start()

    async def stop(self) -> None:
        if self._closely is not None:
            self._closely.cancel()
            await asyncio.gather(self._closely, return_exceptions=True)
        await asyncio.gather(*(kept.dialer.stop() for kept in self._kept.values()))

    def beat(self, late: bool = False) -> None:
        """To be called every 100 ms: one ping on every kept connection. ``late``: this process itself stood still, so
        answers may lie unread, and nobody is blamed for silence this time."""
        now = boot_ns()
        for kept in self._kept.values():
            kept.ping(now, late)

    def accept(self, hello: Hello, connection: FrameConnection) -> Session | str:
        """The gate for pings and probes, on all planes. A stranger's pings are answered too: this says what the
        network does, not who belongs where."""
        count = self._received.get((hello.broker_id, hello.plane)) if hello.purpose is Purpose.PINGS else None
        return _Answering(connection, count)

    def report(self) -> tuple[PeerCheck, ...]:
        """Sorted by peer, then plane in the order of ports."""
        now = boot_ns()
        return tuple(
            PeerCheck(peer, plane, kept.report(now), self._received[peer, plane].report(now))
            for (peer, plane), kept in self._kept.items()
        )

    def look_closely(self) -> None:
        """Ping the kept connections more often for a second from now on: what begins or ends in it is known better."""
        self._close_until_ns = boot_ns() + int(CLOSE_S * 1e9)
        if self._closely is None or self._closely.done():
            self._closely = asyncio.create_task(self._ping_closely())

    async def _ping_closely(self) -> None:
        while boot_ns() < self._close_until_ns:
            self.beat(late=True)  # only the regular beat knows whether this process stood still, and may blame somebody
            await asyncio.sleep(CLOSE_EVERY_S)

    async def probe(
        self, planes: Collection[Plane] = PLANES, brokers: Collection[int] | None = None
    ) -> PeerCheckReport:
        """Open a new connection to every peer on these planes, all at once; done within 300 ms."""
        begun, wall = boot_ns(), time.time_ns()
        targets = [
            (peer, plane)
            for peer in sorted(self._peers)
            for plane in PLANES
            if plane in planes and (brokers is None or peer in brokers)
        ]
        probes = await asyncio.gather(*(self._probe(peer, plane) for peer, plane in targets))
        return PeerCheckReport(self.identity.voter.broker_id, begun, boot_ns(), wall, tuple(probes))

    async def _probe(self, peer: int, plane: Plane) -> Probe:
        loop = asyncio.get_running_loop()
        begun = boot_ns()
        address = self._peers[peer][plane]
        probing = _Probing(loop.create_future())
        connection = Outgoing(probing, HELLO_BYTES_MAX, self.identity.hello(Purpose.PROBE, plane), peer)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                host = await self._resolver.resolve(address.host)
                await loop.create_connection(lambda: connection, host, address.port)
                connection.write(control_frame(Ping(1)))
                problem = await probing.answered
        except TimeoutError:
            problem = f"no answer within {PROBE_TIMEOUT_S * 1000:.0f} ms"
        except OSError as error:
            problem = reason(error)
        finally:
            if connection.transport is not None:
                connection.transport.abort()
        return Probe(peer, plane, not problem, None if problem else boot_ns() - begun, problem)


class _Count:
    """Pings received from one peer on one plane."""

    def __init__(self) -> None:
        self.number = 0
        self.count = 0
        self.last_ns: int | None = None

    def arrived(self, number: int) -> None:
        self.number = number
        self.count += 1
        self.last_ns = boot_ns()

    def report(self, now: int) -> Received:
        return Received(self.number, self.count, None if self.last_ns is None else now - self.last_ns)


class _Answering:
    """The receiving end: answers each ping with its number."""

    def __init__(self, connection: FrameConnection, count: _Count | None) -> None:
        self._connection = connection
        self._count = count

    def on_payload(self, payload: bytes) -> None:
        message = decode_control(payload) if payload[0] == FrameKind.CONTROL else None
        if not isinstance(message, Ping):
            raise FrameError("a frame that is no ping")
        if self._count is not None:
            self._count.arrived(message.number)
        self._connection.write(control_frame(Pong(message.number)))

    def on_closed(self, problem: str) -> None:
        """The other end knows."""


class _Probing:
    """The session of a probe: "" when its ping was answered, else why not."""

    def __init__(self, answered: asyncio.Future[str]) -> None:
        self.answered = answered

    def on_payload(self, payload: bytes) -> None:
        message = decode_control(payload) if payload[0] == FrameKind.CONTROL else None
        if not isinstance(message, Pong):
            raise FrameError("an answer that is no pong")
        if not self.answered.done():
            self.answered.set_result("")

    def on_closed(self, problem: str) -> None:
        if not self.answered.done():
            self.answered.set_result(problem or "closed")


class _Kept:
    """The one kept connection to one peer on one plane."""

    def __init__(self, checks: PeerChecks, peer: int, plane: Plane, address: Address, resolver: Resolver) -> None:
        self.dialer = Dialer(address, self._make, self._failed, resolver, self._connected)
        self._checks = checks
        self._peer = peer
        self._plane = plane
        self._number = 0
        self._pongs = 0
        self._in_flight: dict[int, int] = {}
        """Ping number -> when it was sent."""
        self._rtt_ns: int | None = None
        self._last_pong_ns = boot_ns()
        self._unanswered_ns: int | None = None
        """When the first ping was due that has no answer, since the last answer."""
        self._connected_ns = 0
        self._connected_wall_ns: int | None = None
        self._error = ""

    def ping(self, now: int, late: bool = False) -> None:
        self._number += 1  # a ping that could not even be sent is a lost one too
        if self._unanswered_ns is None:
            self._unanswered_ns = now
        connection = self.dialer.connection
        if connection is None:
            return
        if not late and now - max(self._last_pong_ns, self._connected_ns) > SILENCE_S * 1e9:
            connection.close(f"no answer for {SILENCE_S:.0f} s")
            return
        self._in_flight[self._number] = now
        if len(self._in_flight) > IN_FLIGHT_MAX:
            del self._in_flight[next(iter(self._in_flight))]
        connection.write(control_frame(Ping(self._number)))

    def answered(self, number: int) -> None:
        sent_ns = self._in_flight.pop(number, None)
        if sent_ns is not None:
            # TCP answers in order: what was sent before this one is answered, or was lost with its connection.
            self._unanswered_ns = min((at_ns for each, at_ns in self._in_flight.items() if each > number), default=None)
            self._last_pong_ns = boot_ns()
            self._rtt_ns = self._last_pong_ns - sent_ns
            self._pongs += 1

    def report(self, now: int) -> KeptConnection:
        return KeptConnection(
            self._connected_wall_ns,
            self.dialer.opened,
            now - self._last_pong_ns,
            None if self._unanswered_ns is None else now - self._unanswered_ns,
            self._rtt_ns,
            self._number,
            self._pongs,
            self._error,
        )

    def _make(self) -> Outgoing:
        session = _Pinging(self)
        hello = self._checks.identity.hello(Purpose.PINGS, self._plane)
        session.connection = Outgoing(session, HELLO_BYTES_MAX, hello, self._peer)
        session.connection.on_welcome = self._welcomed
        return session.connection

    def _welcomed(self, welcome: Welcome) -> None:
        self._checks.identity.learn(welcome.broker_id, welcome.advertised)

    def _connected(self, connection: Outgoing) -> None:
        self._connected_ns = boot_ns()
        self._connected_wall_ns = time.time_ns()
        self._in_flight.clear()
        self.ping(self._connected_ns)

    def _failed(self, reason: str, refused: bool) -> None:
        self._connected_wall_ns = None
        self._error = reason


class _Pinging:
    """The session of a kept connection."""

    connection: Outgoing

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept

    def on_payload(self, payload: bytes) -> None:
        message = decode_control(payload) if payload[0] == FrameKind.CONTROL else None
        if not isinstance(message, Pong):
            raise FrameError("an answer that is no pong")
        self._kept.answered(message.number)

    def on_closed(self, problem: str) -> None:
        self._kept.dialer.ended(problem, self.connection.reset)
