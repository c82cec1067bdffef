"""The simulated network: one directed link per ordered pair of places and plane.

A link is one direction of one connection. What it carries arrives **in order**, as over TCP, unless the fault
``reorder`` is on. Faults of a link (`LinkFaults`), all off by default:

* ``loss``: this message alone vanishes. TCP does not do that inside one connection; it is harsher than reality, and
  the protocol must survive it (a reconnecting transport drops what it had queued).
* ``reset``: the connection breaks; everything in flight in both directions vanishes, later messages use a new one.
* ``retransmit``: the packet is lost, TCP sends it again after 200 ms, and everything behind it waits. This is what
  ``slow.lossPercent`` means.
* ``duplicate``, ``reorder``: harsher than TCP again; a transport that retries on a new connection may do both. Never
  ``duplicate`` between clients and brokers: no HTTP request happens twice behind its client's back, and a client that
  was told of a refusal would rightly call failed what the copy then does.
* ``rate_kbps``: messages queue behind each other.

A cut either drops what is sent (the connection died, the bytes with it) or holds it until the heal (TCP keeps
retransmitting: a short partition delays, it does not lose). A message never reaches another incarnation of the
receiver than the one that was running when it was sent: its connection died with it. A message of a crashed *sender*
may still arrive, even behind messages of the restarted one: the bytes were in the receiver's kernel.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import IntEnum

import msgspec

from skerry.worlds.sim.scheduler import Scheduler
from skerry.worlds.sim.streams import Streams
from skerry_broker.core.types import Plane

CLIENTS = -1
"""The place where all clients are: the one recording process."""

RETRANSMIT_NS = 200_000_000

Receiver = Callable[[int, object], None]
"""Takes (source, payload)."""


class CutMode(IntEnum):
    NEW_ONLY = 1
    """Established connections go on; a new one is not possible (what a NetworkPolicy does)."""
    NEW_REJECT = 2
    """Established connections go on; a new one is refused at once."""
    HOLD = 3
    """What is sent waits for the heal, as a kernel waits that sends a lost segment again and again."""
    DROP = 4
    """What is sent is lost, though the connection is kept: harsher than TCP."""
    REJECT = 5
    """What is sent is lost, and the sender is told at once (a firewall that answers with a reset)."""


_LOSES = (CutMode.DROP, CutMode.REJECT)
_OF_NEW = (CutMode.NEW_ONLY, CutMode.NEW_REJECT)
_TELLS = (CutMode.REJECT, CutMode.NEW_REJECT)


class LinkFaults(msgspec.Struct, frozen=True):
    """Probabilities are per message; times are added to the base delay."""

    latency_ns: int = 0
    jitter_ns: int = 0
    loss: float = 0.0
    reset: float = 0.0
    retransmit: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    rate_kbps: int = 0

    def worse(self, other: LinkFaults) -> LinkFaults:
        """Both at once: latencies add up, the higher probability and the lower rate count."""
        rates = [rate for rate in (self.rate_kbps, other.rate_kbps) if rate]
        return LinkFaults(
            self.latency_ns + other.latency_ns,
            self.jitter_ns + other.jitter_ns,
            max(self.loss, other.loss),
            max(self.reset, other.reset),
            max(self.retransmit, other.retransmit),
            max(self.duplicate, other.duplicate),
            max(self.reorder, other.reorder),
            min(rates, default=0),
        )


class Link:
    """One direction between two places on one plane."""

    __slots__ = (
        "busy_until_ns",
        "connected",
        "cuts",
        "destination",
        "faults",
        "generation",
        "held",
        "last_arrival_ns",
        "mode",
        "ordered",
        "plain",
        "plane",
        "random",
        "rng",
        "slowed",
        "source",
    )

    def __init__(self, source: int, destination: int, plane: Plane, rng: random.Random) -> None:
        self.source = source
        self.destination = destination
        self.plane = plane
        self.rng = rng
        self.random = rng.random
        self.ordered = plane is not Plane.CLIENT
        """Clients use several connections at once: between them there is no order."""
        self.generation = 0
        """Grows when the connection breaks; what was sent under an older one does not arrive."""
        self.connected = True
        self.last_arrival_ns = 0
        self.busy_until_ns = 0
        self.cuts: dict[str, CutMode] = {}
        """How the link is cut, by the name of the fault that cuts it."""
        self.slowed: dict[str, LinkFaults] = {}
        self.mode: CutMode | None = None
        self.faults: LinkFaults | None = None
        self.plain = True
        """Neither cut nor slowed, as nearly all are nearly always: one thing to ask for every message."""
        self.held: list[object] = []

    def settle(self) -> None:
        """Work out what all cuts and faults together mean."""
        self.mode = max(self.cuts.values(), default=None)
        faults: LinkFaults | None = None
        for one in self.slowed.values():
            faults = one if faults is None else faults.worse(one)
        self.faults = faults
        self.plain = self.mode is None and faults is None

    @property
    def blocked(self) -> bool:
        """Nothing gets through now."""
        mode = self.mode
        return mode is not None and (mode not in _OF_NEW or not self.connected)


class Network:
    """Carries payloads between places. It knows nothing of brokers except that a place may be down."""

    def __init__(
        self,
        scheduler: Scheduler,
        streams: Streams,
        *,
        delay_ns: int = 200_000,
        jitter_ns: int = 300_000,
        size: Callable[[object], int] = lambda _: 256,
    ) -> None:
        """``size`` tells the bytes of a payload; asked only on links with a rate."""
        self._scheduler = scheduler
        self._streams = streams
        self._delay_ns = delay_ns
        self._jitter_ns = jitter_ns
        self._size = size
        self._links: dict[tuple[int, int, Plane], Link] = {}
        self._receivers: dict[int, Receiver] = {}
        self._silent: set[int] = set()

    # --- places ---------------------------------------------------------------------------------------------

    def attach(self, place: int, receiver: Receiver) -> None:
        """From now on what is sent to ``place`` reaches ``receiver``."""
        self._receivers[place] = receiver
        self._silent.discard(place)

    def detach(self, place: int, *, silent: bool = False) -> None:
        """Nobody is there: its connections break, what is on the way to it vanishes.

        ``silent``: the whole machine is gone; nothing answers there, not even with a refusal.
        """
        self._receivers.pop(place, None)
        if silent:
            self._silent.add(place)
        for link in self._links.values():
            if link.destination == place:
                self._break(link)

    # --- links and their faults -----------------------------------------------------------------------------

    def link(self, source: int, destination: int, plane: Plane) -> Link:
        key = (source, destination, plane)
        link = self._links.get(key)
        if link is None:
            rng = self._streams.stream("net", source, destination, plane.value)
            link = self._links[key] = Link(source, destination, plane, rng)
        return link

    def cut(self, source: int, destination: int, plane: Plane, fault: str, mode: CutMode = CutMode.DROP) -> None:
        link = self.link(source, destination, plane)
        link.cuts[fault] = mode
        link.settle()

    def slow(self, source: int, destination: int, plane: Plane, fault: str, faults: LinkFaults) -> None:
        link = self.link(source, destination, plane)
        link.slowed[fault] = faults
        link.settle()

    def heal(self, fault: str | None = None) -> None:
        """End this fault on every link; without a name, every fault."""
        for link in self._links.values():
            if fault is None:
                link.cuts.clear()
                link.slowed.clear()
            else:
                link.cuts.pop(fault, None)
                link.slowed.pop(fault, None)
            link.settle()
            if link.mode is None:
                link.connected = True
            if not link.blocked:
                held, link.held = link.held, []
                for payload in held:
                    self._carry(link, payload)

    @property
    def whole(self) -> bool:
        """No fault is on any link."""
        return not any(link.cuts or link.slowed for link in self._links.values())

    def reachable(self, source: int, destination: int, plane: Plane) -> bool:
        """Packets pass from source to destination (whether or not anybody is there)."""
        link = self._links.get((source, destination, plane))
        return link is None or not link.blocked

    def refuses(self, source: int, destination: int, plane: Plane) -> bool:
        """A connection from source to destination is refused, and the refusal gets back."""
        link = self.link(source, destination, plane)
        if link.blocked:
            return link.mode in _TELLS
        if destination in self._receivers or destination in self._silent:
            return False
        return self.reachable(destination, source, plane)

    def reset(self, a: int, b: int, plane: Plane) -> None:
        """Break the connection between two places."""
        self._break(self.link(a, b, plane))
        self._break(self.link(b, a, plane))

    def _break(self, link: Link) -> None:
        link.generation += 1
        link.held.clear()
        link.last_arrival_ns = 0
        if link.mode is not None:
            link.connected = False

    # --- carrying -------------------------------------------------------------------------------------------

    def send(self, source: int, destination: int, plane: Plane, payload: object, *, new: bool = False) -> bool:
        """Put ``payload`` on its way. False: it is lost, because the connection was refused, and the sender knows.

        ``new``: over a connection opened for it, which any cut prevents.
        """
        link = self._links.get((source, destination, plane)) or self.link(source, destination, plane)
        if destination not in self._receivers:
            return not self.refuses(source, destination, plane)
        if not link.plain:
            if link.mode is not None and (new or link.blocked):
                if link.mode is CutMode.HOLD:
                    link.held.append(payload)
                    return True
                return link.mode not in _TELLS
            if link.faults is not None:
                self._carry(link, payload)
                return True
        scheduler = self._scheduler
        arrival_ns = scheduler.now_ns + self._delay_ns + int(link.random() * self._jitter_ns)
        if link.ordered:
            if arrival_ns < link.last_arrival_ns:
                arrival_ns = link.last_arrival_ns
            link.last_arrival_ns = arrival_ns
        scheduler.post(arrival_ns, self._arrive, (link, link.generation, payload))
        return True

    def _carry(self, link: Link, payload: object) -> None:
        """The slow path: a link with faults."""
        faults = link.faults or LinkFaults()
        rng = link.rng
        now_ns = self._scheduler.now_ns
        if faults.reset and rng.random() < faults.reset:
            self.reset(link.source, link.destination, link.plane)
            return
        if faults.loss and rng.random() < faults.loss:
            return
        arrival_ns = now_ns + self._delay_ns + int(rng.random() * self._jitter_ns) + faults.latency_ns
        if faults.jitter_ns:
            arrival_ns += int((2 * rng.random() - 1) * faults.jitter_ns)
        if faults.rate_kbps:
            link.busy_until_ns = max(link.busy_until_ns, now_ns)
            link.busy_until_ns += self._size(payload) * 8_000_000 // faults.rate_kbps
            arrival_ns += link.busy_until_ns - now_ns
        if faults.retransmit and rng.random() < faults.retransmit:
            arrival_ns += RETRANSMIT_NS
        if faults.reorder and rng.random() < faults.reorder:
            arrival_ns += int(rng.random() * 20_000_000)
        elif link.ordered:
            arrival_ns = max(arrival_ns, link.last_arrival_ns)
            link.last_arrival_ns = arrival_ns
        self._scheduler.post(arrival_ns, self._arrive, (link, link.generation, payload))
        if faults.duplicate and link.plane is not Plane.CLIENT and rng.random() < faults.duplicate:
            late_ns = arrival_ns + int(rng.random() * 50_000_000)
            self._scheduler.post(late_ns, self._arrive, (link, link.generation, payload))

    def _arrive(self, flight: tuple[Link, int, object]) -> None:
        link, generation, payload = flight
        if generation != link.generation or (not link.plain and link.mode in _LOSES):
            return
        receiver = self._receivers.get(link.destination)
        if receiver is not None:
            receiver(link.source, payload)
