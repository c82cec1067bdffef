"""The raft and the replication plane: peer messages over one TCP connection per ordered pair and plane.

**One-way on purpose.** What A says to B travels on connections that A opened, and nothing else does; B's answers travel
on B's connections to A. So the network from A to B and the network from B to A fail independently here as they do in
the simulator, and a reply never depends on the path that the request took. Going back there are only Welcome and
Taken (how many bytes have arrived): when bytes are on the way and none has been taken for ``STALL_S``, the path is
dead however well it accepts bytes, and the connection is replaced.

**Bounded.** While a connection is being made, the last ``WAITING_MAX`` messages are kept (the oldest is dropped); if
the attempt fails they are dropped too. On an open connection at most ``UNSENT_BYTES_MAX`` wait to be sent; what comes
on top is dropped. Nothing waits, every drop is counted; the core repeats what matters.

**Late messages.** A cut may hold a connection's bytes and let them go after the sender has long replaced it. A
connection carries its number within the sender's incarnation, and the receiver closes one that is older than the
newest it has seen.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable, Mapping

from skerry_broker.config import Address
from skerry_broker.core.peer_messages import REPLICATION_MESSAGES, PeerMessage
from skerry_broker.core.peer_messages import Identify as WhoAreYou
from skerry_broker.core.peer_messages import Identity as WhoIAm
from skerry_broker.core.types import Plane, Voter
from skerry_broker.dialing import Dialer, Resolver
from skerry_broker.frames import FrameConnection, Outgoing, Session
from skerry_broker.metrics import Metrics
from skerry_broker.wire import (
    HELLO_BYTES_MAX,
    PROTOCOL,
    FrameError,
    FrameKind,
    Hello,
    Purpose,
    Taken,
    Welcome,
    control_frame,
    decode_control,
    decode_peer,
    peer_frame,
)

log = logging.getLogger("skerry_broker.transport")

FORMATION_MESSAGES = (WhoAreYou, WhoIAm)
"""All that an unformatted broker has to say to one that belongs to a cluster."""
MESSAGE_PLANES = (Plane.RAFT, Plane.REPLICATION)
WAITING_MAX = 64
UNSENT_BYTES_MAX = 16 << 20
STALL_S = 1.5
TAKEN_EVERY_BEATS = 3
"""Every 300 ms: often enough for ``STALL_S``, seldom enough to cost nothing."""


class Identity:
    """Who this process is, as its Hellos and Welcomes say it, and what it learned of others from theirs."""

    def __init__(self, voter: Voter, incarnation: str, cluster_id: str | None, advertised: str) -> None:
        self.voter = voter
        self.incarnation = incarnation
        self.cluster_id = cluster_id
        self.advertised: dict[int, str] = {voter.broker_id: advertised}
        """Broker id -> where clients find it."""
        self._connections = itertools.count(1)

    def hello(self, purpose: Purpose, plane: Plane) -> Hello:
        return Hello(
            PROTOCOL,
            purpose,
            plane,
            self.cluster_id,
            self.voter.broker_id,
            self.voter.directory_id,
            self.incarnation,
            next(self._connections),
            self.advertised[self.voter.broker_id],
        )

    def welcome(self) -> Welcome:
        return Welcome(
            self.cluster_id,
            self.voter.broker_id,
            self.voter.directory_id,
            self.advertised[self.voter.broker_id],
        )

    def learn(self, broker_id: int, advertised: str) -> None:
        """From a Welcome only: it came from the address that we were configured with. What a Hello says of itself is
        anybody's word, and clients would be sent there."""
        if broker_id >= 0 and advertised and broker_id != self.voter.broker_id:
            self.advertised[broker_id] = advertised

    def stranger(self, cluster_id: str | None) -> bool:
        """Whether a peer that says this belongs to another cluster."""
        return cluster_id is not None and self.cluster_id is not None and cluster_id != self.cluster_id


class PeerTransport:
    """All message connections of one broker, in both directions.

    ``on_message`` hears what arrives, already decoded; ``on_refused`` that a peer's host says nobody is there.
    """

    def __init__(
        self,
        identity: Identity,
        peers: Mapping[int, Mapping[Plane, Address]],
        *,
        on_message: Callable[[Voter, PeerMessage], None],
        on_refused: Callable[[int, Plane], None],
        metrics: Metrics,
        resolver: Resolver,
        stall_s: float = STALL_S,
    ) -> None:
        self.identity = identity
        self.on_message = on_message
        self.on_refused = on_refused
        self.metrics = metrics
        self.stall_s = stall_s
        self._links = {
            (peer, plane): _Link(self, peer, plane, addresses[plane], resolver)
            for peer, addresses in sorted(peers.items())
            for plane in MESSAGE_PLANES
        }
        self._incoming: dict[tuple[int, Plane], _Arriving] = {}
        self._beats = 0

    def start(self) -> None:
        for link in self._links.values():
            link.dialer.start()

    async def stop(self) -> None:
        await asyncio.gather(*(link.dialer.stop() for link in self._links.values()))

    def send(self, destination: int, message: PeerMessage) -> None:
        """Best effort, in order per destination and plane while a connection lasts. A destination without an address
        (a voter that was configured away) is no error."""
        plane = Plane.REPLICATION if isinstance(message, REPLICATION_MESSAGES) else Plane.RAFT
        link = self._links.get((destination, plane))
        if link is not None:
            link.send(message)

    def set_cluster_id(self, cluster_id: str) -> None:
        """The directory was bound to a cluster: greet everybody anew, and listen to strangers no more."""
        if self.identity.cluster_id == cluster_id:
            return
        self.identity.cluster_id = cluster_id
        for link in self._links.values():
            link.renew()
        for arriving in list(self._incoming.values()):
            if self.identity.stranger(arriving.hello.cluster_id):
                arriving.connection.close("it belongs to another cluster")

    def beat(self, late: bool = False) -> None:
        """To be called about every 100 ms: acknowledge what arrived, replace what is dead. ``late``: this process
        itself stood still, so acknowledgements may lie unread, and no path is blamed this time."""
        now = asyncio.get_running_loop().time()
        if not late:
            for link in self._links.values():
                link.beat(now)
        self._beats += 1
        if self._beats % TAKEN_EVERY_BEATS == 0:
            for arriving in list(self._incoming.values()):
                arriving.beat()

    def accept(self, hello: Hello, connection: FrameConnection) -> Session | str:
        """The gate for connections whose purpose is messages."""
        if hello.plane not in MESSAGE_PLANES:
            return f"the {hello.plane.value} plane carries no peer messages"
        if hello.broker_id < 0 or hello.broker_id == self.identity.voter.broker_id:
            return f"broker id {hello.broker_id} is not a peer of broker {self.identity.voter.broker_id}"
        if self.identity.stranger(hello.cluster_id):
            return (
                f"this broker belongs to cluster {self.identity.cluster_id}, not to {hello.cluster_id}; "
                "correct --peer or --data-dir of one of the two"
            )
        key = (hello.broker_id, hello.plane)
        older = self._incoming.get(key)
        if older is not None:
            if older.hello.incarnation == hello.incarnation and older.hello.connection > hello.connection:
                return "a newer connection of the same process is already here"
            older.connection.close("replaced by a newer connection")
        self._incoming[key] = arriving = _Arriving(self, hello, connection)
        return arriving

    def departed(self, arriving: _Arriving) -> None:
        key = (arriving.hello.broker_id, arriving.hello.plane)
        if self._incoming.get(key) is arriving:
            del self._incoming[key]


class _Arriving:
    """The receiving end of a peer's connection."""

    def __init__(self, transport: PeerTransport, hello: Hello, connection: FrameConnection) -> None:
        self.hello = hello
        self.connection = connection
        self._transport = transport
        self._source = Voter(hello.broker_id, hello.directory_id)
        self._replication = hello.plane is Plane.REPLICATION
        self._acknowledged = 0

    def on_payload(self, payload: bytes) -> None:
        if payload[0] != FrameKind.PEER:
            raise FrameError("a frame that is no peer message")
        message = decode_peer(payload)
        if isinstance(message, REPLICATION_MESSAGES) is not self._replication:
            raise FrameError(f"a {type(message).__name__} on the wrong plane")
        if (
            self.hello.cluster_id is None
            and self._transport.identity.cluster_id is not None
            and not isinstance(message, FORMATION_MESSAGES)
        ):
            raise FrameError(f"a {type(message).__name__} from a broker that belongs to no cluster")
        self._transport.on_message(self._source, message)

    def on_closed(self, problem: str) -> None:
        self._transport.departed(self)

    def beat(self) -> None:
        if self.connection.bytes_received != self._acknowledged:
            self._acknowledged = self.connection.bytes_received
            self.connection.write(control_frame(Taken(self._acknowledged)))


class _Link:
    """The sending end towards one peer on one plane."""

    def __init__(self, transport: PeerTransport, peer: int, plane: Plane, address: Address, resolver: Resolver) -> None:
        self.dialer = Dialer(address, self._make, self._failed, resolver, self._connected)
        self._transport = transport
        self._peer = peer
        self._plane = plane
        self._waiting: deque[PeerMessage] = deque()
        self._sent = 0
        self._taken = 0
        self._progress_at = 0.0
        self._last_reason = ""

    # --- messages

    def send(self, message: PeerMessage) -> None:
        connection = self.dialer.connection
        if connection is None:
            if len(self._waiting) >= WAITING_MAX:
                self._waiting.popleft()
                self._dropped(1)
            self._waiting.append(message)
        elif connection.unsent_bytes > UNSENT_BYTES_MAX:
            self._dropped(1)
        else:
            self._write(connection, message)

    def _write(self, connection: Outgoing, message: PeerMessage) -> None:
        frame = peer_frame(message)
        if self._sent == self._taken:  # the path was idle: progress is owed from now on
            self._progress_at = asyncio.get_running_loop().time()
        self._sent += len(frame)
        connection.write(frame)

    def _dropped(self, count: int) -> None:
        self._transport.metrics.add("broker_peer_messages_dropped_total", self._plane.value, value=count)

    # --- the connection

    def beat(self, now: float) -> None:
        connection = self.dialer.connection
        if connection is None or self._sent == self._taken:
            return
        if now - self._progress_at > self._transport.stall_s:
            connection.close(f"nothing was taken for {self._transport.stall_s:.1f} s")

    def renew(self) -> None:
        """Close on purpose; the dialer opens the next one with a new Hello."""
        if self.dialer.connection is not None:
            self.dialer.connection.close()

    def _make(self) -> Outgoing:
        hello = self._transport.identity.hello(Purpose.MESSAGES, self._plane)
        session = _Departing(self)
        session.connection = Outgoing(session, HELLO_BYTES_MAX, hello, self._peer)
        session.connection.on_welcome = self._welcomed
        return session.connection

    def _connected(self, connection: Outgoing) -> None:
        # Neither side counts preface and Hello: Taken says what came after them.
        self._sent = self._taken = 0
        while self._waiting:
            self._write(connection, self._waiting.popleft())

    def _welcomed(self, welcome: Welcome) -> None:
        self._last_reason = ""
        self._transport.identity.learn(welcome.broker_id, welcome.advertised)

    def taken(self, bytes_total: int) -> None:
        if bytes_total > self._taken:
            self._taken = min(bytes_total, self._sent)
            self._progress_at = asyncio.get_running_loop().time()

    def _failed(self, reason: str, refused: bool) -> None:
        self._dropped(len(self._waiting))
        self._waiting.clear()
        if reason != self._last_reason:  # once per change of reason, not once per attempt
            self._last_reason = reason
            level = logging.ERROR if reason.startswith("refused:") else logging.INFO  # refused: somebody must act
            where = (self._plane.value, self._peer, self.dialer.address)
            log.log(level, "%s plane to broker %d at %s: %s", *where, reason)
        if refused:
            self._transport.on_refused(self._peer, self._plane)


class _Departing:
    """The session of a `_Link`'s connection: only Welcome (handled before) and Taken come back."""

    connection: Outgoing

    def __init__(self, link: _Link) -> None:
        self._link = link

    def on_payload(self, payload: bytes) -> None:
        message = decode_control(payload) if payload[0] == FrameKind.CONTROL else None
        if not isinstance(message, Taken):
            raise FrameError("an answer on a one-way connection")
        self._link.taken(message.bytes_total)

    def on_closed(self, problem: str) -> None:
        self._link.dialer.ended(problem, self.connection.reset)
