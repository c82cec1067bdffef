"""Pings between brokers, as the real runtime sends them: the proof that a cut is a cut comes from these alone.

On each peer plane every broker pings every peer every 100 ms over its kept connection, and on request over a new one.
A ping is also a numbered datagram: that it *arrived* proves the one direction, whatever becomes of the answer. A paused
or dead process neither sends nor answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from skerry.engine.world import LinkKind, LinkView
from skerry.worlds.sim.cluster import PEER_PLANES, Cluster
from skerry.worlds.sim.scheduler import NS_PER_MS
from skerry_broker.core.types import Plane

PING_EVERY_NS = 100 * NS_PER_MS
FAILED_AFTER_NS = 300 * NS_PER_MS
ROUND_TRIPS_KEPT = 5
KEPT = 0
"""In place of the number of a check: over the kept connection."""

Done = Callable[[list[LinkView]], None]


class Ping(NamedTuple):
    plane: Plane
    sent_ns: int
    check: int
    """Number of the check whose new connection it goes over, or `KEPT`."""


class Pong(NamedTuple):
    ping: Ping


class _Pair:
    """What one broker knows of its connection to one peer on one plane."""

    def __init__(self, now_ns: int) -> None:
        self.answered_ns = now_ns
        self.arrived: deque[int] = deque(maxlen=8)
        """When pings of the peer arrived."""
        self.round_trips_ns: deque[int] = deque(maxlen=ROUND_TRIPS_KEPT)
        self.between = (0, 0)
        """The starts of the two processes that they are between: a connection ends with either."""


class _Check:
    """New connections that one broker was asked to open. Over when all are answered, or after 300 ms."""

    def __init__(self, source: int, links: dict[tuple[int, Plane], LinkView], done: Done) -> None:
        self.source = source
        self.links = links
        self.unanswered = len(links)
        self.done = done


class Pinger:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._pairs: dict[int, dict[tuple[int, Plane], _Pair]] = {
            source: {
                (target, plane): _Pair(cluster.now_ns)
                for target in cluster.broker_ids
                if target != source
                for plane in PEER_PLANES
            }
            for source in cluster.broker_ids
        }
        self._checks: dict[int, _Check] = {}
        self._checks_begun = 0
        for host in cluster.hosts:
            host.on_other = self._received
        self._ping_all(None)

    def _up(self, broker_id: int) -> bool:
        host = self._cluster.hosts[broker_id]
        return host.running and not host.paused

    def _ping_all(self, _: object) -> None:
        now_ns = self._cluster.now_ns
        for source, pairs in self._pairs.items():
            if self._up(source):
                for target, plane in pairs:
                    self._cluster.network.send(source, target, plane, Ping(plane, now_ns, KEPT))
        self._cluster.scheduler.post(now_ns + PING_EVERY_NS, self._ping_all)

    def check_new(self, broker_id: int, done: Done) -> None:
        """The broker opens a new connection to every peer on every plane; ``done`` gets what came of them.

        Nothing comes of a broker that is gone, or goes meanwhile. Checks do not wait for each other.
        """
        now_ns = self._cluster.now_ns
        self._checks_begun = number = self._checks_begun + 1
        # Failed until answered.
        links = {
            (target, plane): LinkView(broker_id, target, plane.value, LinkKind.NEW, now_ns, False)
            for target, plane in self._pairs[broker_id]
        }
        self._checks[number] = _Check(broker_id, links, done)
        if not self._up(broker_id) or not links:
            self._cluster.scheduler.post(now_ns, self._end, number)
            return
        self._cluster.scheduler.post(now_ns + FAILED_AFTER_NS, self._end, number)
        for target, plane in links:
            self._cluster.network.send(broker_id, target, plane, Ping(plane, now_ns, number), new=True)

    def _end(self, number: int) -> None:
        check = self._checks.pop(number, None)
        if check is not None:
            check.done(list(check.links.values()) if self._up(check.source) else [])

    def _received(self, place: int, source: int, payload: object) -> None:
        """A payload that is not the node's: the runtime's own."""
        if not self._up(place):
            return
        if isinstance(payload, Ping):
            if payload.check == KEPT:
                self._pairs[place][source, payload.plane].arrived.append(self._cluster.now_ns)
            self._cluster.network.send(place, source, payload.plane, Pong(payload), new=payload.check != KEPT)
        elif isinstance(payload, Pong):
            self._answered(place, source, payload.ping)

    def _answered(self, place: int, source: int, ping: Ping) -> None:
        now_ns = self._cluster.now_ns
        round_trip_ns = now_ns - ping.sent_ns
        if ping.check == KEPT:
            pair = self._pairs[place][source, ping.plane]
            between = self._cluster.hosts[place].starts, self._cluster.hosts[source].starts
            if pair.between != between:
                pair.between = between
                pair.round_trips_ns.clear()
            pair.answered_ns = now_ns
            pair.round_trips_ns.append(round_trip_ns)
            return
        check = self._checks.get(ping.check)
        if check is None or check.links[source, ping.plane].ok:
            return
        check.links[source, ping.plane] = LinkView(
            place, source, ping.plane.value, LinkKind.NEW, ping.sent_ns, True, rtt_ns=round_trip_ns
        )
        check.unanswered -= 1
        if not check.unanswered:
            self._end(ping.check)

    def kept(self, broker_id: int) -> list[LinkView]:
        """What a broker that can answer now says of its kept connections."""
        now_ns = self._cluster.now_ns
        found = []
        for (target, plane), pair in self._pairs[broker_id].items():
            silent_ns = now_ns - pair.answered_ns
            trips = sorted(pair.round_trips_ns)
            found.append(
                LinkView(
                    broker_id,
                    target,
                    plane.value,
                    LinkKind.KEPT,
                    now_ns,
                    silent_ns < FAILED_AFTER_NS,
                    silent_ns,
                    rtt_ns=trips[len(trips) // 2] if trips else -1,
                    received_one_way=sum(at_ns > now_ns - FAILED_AFTER_NS for at_ns in pair.arrived),
                )
            )
        return found
