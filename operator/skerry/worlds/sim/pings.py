"""Pings between brokers, as the real runtime sends them: the proof that a cut is a cut comes from these alone.

On each peer plane every broker pings every peer every 100 ms over its kept connection, and on request over a new one.
A ping is also a numbered datagram: that it *arrived* proves the one direction, whatever becomes of the answer. A paused
or dead process neither sends nor answers.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from skerry.engine.world import LinkKind, LinkView
from skerry.schema.vocabulary import Plane
from skerry.worlds.sim.cluster import PEER_PLANES, Cluster
from skerry.worlds.sim.scheduler import NS_PER_MS
from skerry_broker.core.types import Plane as BrokerPlane

PING_EVERY_NS = 100 * NS_PER_MS
FAILED_AFTER_NS = 300 * NS_PER_MS
ROUND_TRIPS_KEPT = 5


class Ping(NamedTuple):
    plane: BrokerPlane
    sent_ns: int
    new: bool
    """Over a connection opened for it."""


class Pong(NamedTuple):
    ping: Ping


class _Pair:
    """What one broker knows of its connection to one peer on one plane."""

    def __init__(self, now_ns: int) -> None:
        self.answered_ns = now_ns
        self.arrived: deque[int] = deque(maxlen=8)
        """When pings of the peer arrived."""
        self.round_trips_ns: deque[int] = deque(maxlen=ROUND_TRIPS_KEPT)


class Pinger:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._pairs: dict[tuple[int, int, BrokerPlane], _Pair] = {}
        self._new: dict[tuple[int, int, BrokerPlane], LinkView] = {}
        for source in cluster.broker_ids:
            for target in cluster.broker_ids:
                for plane in PEER_PLANES if source != target else ():
                    self._pairs[source, target, plane] = _Pair(cluster.now_ns)
        for host in cluster.hosts:
            host.on_other = self._received
        self._ping_all(None)

    def _up(self, broker_id: int) -> bool:
        host = self._cluster.hosts[broker_id]
        return host.running and not host.paused

    def _ping_all(self, _: object) -> None:
        now_ns = self._cluster.now_ns
        for source, target, plane in self._pairs:
            if self._up(source):
                self._cluster.network.send(source, target, plane, Ping(plane, now_ns, False))
        self._cluster.scheduler.post(now_ns + PING_EVERY_NS, self._ping_all)

    def check_new(self) -> None:
        """Every running broker opens a new connection to every peer; the outcome is there after 300 ms."""
        now_ns = self._cluster.now_ns
        for key in self._pairs:
            source, target, plane = key
            if self._up(source):
                # Failed until answered.
                self._new[key] = LinkView(source, target, Plane(plane.value), LinkKind.NEW, now_ns, False)
                self._cluster.network.send(source, target, plane, Ping(plane, now_ns, True), new=True)

    def _received(self, place: int, source: int, payload: object) -> None:
        """A payload that is not the node's: the runtime's own."""
        if not self._up(place):
            return
        now_ns = self._cluster.now_ns
        if isinstance(payload, Ping):
            if not payload.new:
                self._pairs[place, source, payload.plane].arrived.append(now_ns)
            self._cluster.network.send(place, source, payload.plane, Pong(payload), new=payload.new)
        elif isinstance(payload, Pong):
            ping = payload.ping
            round_trip_ns = now_ns - ping.sent_ns
            if not ping.new:
                pair = self._pairs[place, source, ping.plane]
                pair.answered_ns = now_ns
                pair.round_trips_ns.append(round_trip_ns)
            elif round_trip_ns <= FAILED_AFTER_NS:
                self._new[place, source, ping.plane] = LinkView(
                    place, source, Plane(ping.plane.value), LinkKind.NEW, ping.sent_ns, True, rtt_ns=round_trip_ns
                )

    def views(self) -> tuple[LinkView, ...]:
        """What the brokers that can answer now say of their connections."""
        now_ns = self._cluster.now_ns
        found = []
        for (source, target, plane), pair in self._pairs.items():
            if not self._up(source):
                continue
            silent_ns = now_ns - pair.answered_ns
            trips = sorted(pair.round_trips_ns)
            found.append(
                LinkView(
                    source,
                    target,
                    Plane(plane.value),
                    LinkKind.KEPT,
                    now_ns,
                    silent_ns < FAILED_AFTER_NS,
                    silent_ns,
                    trips[len(trips) // 2] if trips else -1,
                    received_one_way=sum(at_ns > now_ns - FAILED_AFTER_NS for at_ns in pair.arrived),
                )
            )
        settled_ns = now_ns - FAILED_AFTER_NS
        found += [view for view in self._new.values() if view.ok or view.sampled_ns <= settled_ns]
        return tuple(found)
