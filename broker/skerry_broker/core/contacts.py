"""What the controller has heard from each broker: soft state, never in the log.

Two times per broker, because liveness and safety ask different questions:

* ``contact_ns``: when was it last *heard*? It is fenced ``session_ms`` after that. Late heartbeats count too: a
  controller that stalled must not fence everybody for its own sleep (KAFKA-15019).
* ``granted_ns``: the receipt of the last heartbeat whose answer *renewed its lease*. Nobody may act for this broker
  before ``granted_ns + session_ms``, unless the broker has reported that it knows it lost its leadership. The lease
  itself ends by ``lease_ms`` after the heartbeat's *sending*, which is earlier.
"""

from __future__ import annotations

from skerry_broker.core.peer_messages import BrokerHeartbeat
from skerry_broker.core.types import Timing, TopicPartition

MS = 1_000_000


class Contact:
    """One registration of one broker, as this controller has heard it."""

    __slots__ = (
        "applied_index",
        "barrier",
        "barrier_ns",
        "broker_epoch",
        "contact_ns",
        "deaf_since_ns",
        "disk_stuck",
        "granted_ns",
        "log_ends",
        "refused",
        "sequence",
        "unreachable",
        "watched",
    )

    def __init__(self, broker_epoch: int, now: int, barrier: int, watched: bool, granted_ns: int) -> None:
        self.broker_epoch = broker_epoch
        self.contact_ns = now
        self.granted_ns = granted_ns
        self.applied_index = 0
        self.barrier = barrier
        """No lease, and no unfencing, before the broker reports this entry as applied: it may have ended one of its
        leaderships. A fixed entry, not the moving log end: else constant writes keep it fenced (KAFKA-13959)."""
        self.barrier_ns = now
        """Since when."""
        self.watched = watched
        """Silence has consequences: it is unfenced, or fenced by its registration and still in an ISR."""
        self.sequence = 0
        self.deaf_since_ns: int | None = None
        self.refused = False
        """Its host has refused connections since the last heartbeat: it crashed, rather than being cut off."""
        self.unreachable: dict[TopicPartition, int] = {}
        """Leaders that it cannot reach: partition -> the leader epoch under which it misses them (I-LIV-3)."""
        self.log_ends: dict[TopicPartition, tuple[int, int]] = {}
        self.disk_stuck = False
        """Its disk has owed an answer for longer than a follower may lag (`docs/decisions/0011-a-disk-that-hangs.md`).
        It ends at half of that, so that a disk which is about this slow does not switch it with every heartbeat."""

    def deaf(self, now: int, timing: Timing) -> bool:
        """It is heard, but for too long it has not heard us: a cut in one direction. Its lease has lapsed."""
        return self.deaf_since_ns is not None and now - self.deaf_since_ns >= timing.peer_unreachable_ms * MS

    def raise_barrier(self, now: int, index: int) -> None:
        if index > self.barrier:
            self.barrier, self.barrier_ns = index, now

    def silent(self, now: int, timing: Timing) -> bool:
        """Its session is over. Of one that is heard, but deaf or stuck before its barrier (so that no lease can be
        renewed), the session ends with the last lease that it may hold."""
        session_ns = timing.session_ms * MS
        if now - self.contact_ns >= session_ns:
            return True
        stuck = self.applied_index < self.barrier and now - self.barrier_ns >= session_ns
        return (stuck or self.deaf(now, timing)) and self.lease_surely_over(now, timing)

    def may_be_granted(self, now: int, timing: Timing) -> bool:
        return self.applied_index >= self.barrier and not self.deaf(now, timing)

    def lease_surely_over(self, now: int, timing: Timing) -> bool:
        return now - self.granted_ns >= timing.session_ms * MS

    def heard(self, now: int, message: BrokerHeartbeat, timing: Timing) -> bool:
        """Take note of a heartbeat. False for a copy or a straggler of one already heard: it is no contact."""
        if message.sequence <= self.sequence:
            return False
        self.sequence = message.sequence
        self.contact_ns = now
        self.refused = False
        if message.applied_index > self.applied_index:
            self.applied_index = message.applied_index
        if message.answered_age_ms < timing.lease_ms:
            self.deaf_since_ns = None
        elif self.deaf_since_ns is None:
            self.deaf_since_ns = now
        if message.unreachable_leaders or self.unreachable:
            self.unreachable = {
                partition: epoch
                for partition, epoch, silence_ms in message.unreachable_leaders
                if silence_ms >= timing.peer_unreachable_ms
            }
        if message.log_ends or self.log_ends:
            self.log_ends = {partition: (epoch, end) for partition, epoch, end in message.log_ends}
        if message.disk_waiting_ms >= timing.replica_lag_ms:
            self.disk_stuck = True
        elif message.disk_waiting_ms < timing.replica_lag_ms // 2:
            self.disk_stuck = False
        return True
