"""A broker's own session with the controller: registration, heartbeats, the lease.

The lease is the right to answer produce and fetch (I-SAF-10). It counts from the moment a heartbeat was *sent*, once
that heartbeat was answered; the controller answers only after a majority has confirmed it as the leader *after* the
heartbeat arrived. So when a later controller has waited ``session_ms`` from its election, this broker has stopped by
its own clock, however slow or cut off it is (`docs/decisions/0003-timing.md` 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from skerry_broker.core.metadata import Change, ClusterMetadata, PartitionUpdated
from skerry_broker.core.peer_messages import (
    BrokerHeartbeat,
    HeartbeatReply,
    PeerMessage,
    RegisterReply,
    RegisterRequest,
)
from skerry_broker.core.types import NO_BROKER, FlushMode, NodeConfig, TopicPartition, Voter

MS = 1_000_000
NEVER = 1 << 62

HEARTBEATS_REMEMBERED = 64
"""Unanswered heartbeats whose send time is kept; an answer to an older one is as good as none."""


class ReplicaReport(NamedTuple):
    """What the partition replicas of this broker have to tell the controller with the next heartbeat."""

    unreachable_leaders: tuple[tuple[TopicPartition, int, int], ...] = ()
    """(partition, leader epoch, milliseconds since the leader last answered a fetch)"""
    log_ends: tuple[tuple[TopicPartition, int, int], ...] = ()
    """(partition, last epoch, durable end) of every replica here whose partition has no leader."""
    log_offline: bool = False
    disk_waiting_ns: int = 0
    """The age of the oldest write that is not durable; 0 when there is none."""


class BrokerSession:
    """``send(destination, message)`` delivers to a peer, or queues for local delivery when this broker is the
    controller itself (it must not call back before it returns). ``report(now)`` is asked once per heartbeat.

    Node's part: ``tick`` at ``next_deadline``; ``lease_valid(now)`` inline before an append and again before an
    answer, never from a timer (after SIGCONT queued requests run before timers).
    """

    def __init__(
        self,
        config: NodeConfig,
        voter: Voter,
        incarnation: str,
        clean_shutdown_epoch: int | None,
        logs_intact: bool,
        send: Callable[[int, PeerMessage], None],
        report: Callable[[int], ReplicaReport],
        now: int,
    ) -> None:
        self._voter = voter
        self._incarnation = incarnation
        self._registration = RegisterRequest(
            incarnation, clean_shutdown_epoch, logs_intact, config.flush is FlushMode.GROUP
        )
        self._send = send
        self._report = report
        self._interval_ns = config.timing.broker_heartbeat_ms * MS
        self._lease_ns = config.timing.lease_ms * MS
        self.controller = NO_BROKER
        self.broker_epoch = -1
        """-1 until registered."""
        self.fenced = True
        self.lease_until = 0
        """Monotonic nanoseconds; the lease is valid strictly before it. Invariant: never later than the send time of
        a heartbeat that was answered with a grant, plus ``lease_ms``."""
        self.may_stop = False
        """The controller has taken all leaderships: a broker that wants to shut down may go."""
        self.wants_shutdown = False
        self.next_deadline = NEVER
        self._applied_index = 0
        self._sequence = 0
        self._answered_ns = now
        """When the last answered heartbeat (of whatever answer) was sent."""
        self._void_sequence = 0
        """Answers to heartbeats up to this one grant nothing: they were sent before we learned of our fence."""
        self._granted_sequence = 0
        self._sent_ns: dict[int, int] = {}
        self._contact_ns = now - self._interval_ns

    def lease_valid(self, now: int) -> bool:
        """May this broker answer produce and fetch at ``now``?"""
        return now < self.lease_until

    def controller_changed(self, now: int, controller: int) -> None:
        """Raft knows another leader (NO_BROKER: none). Registers or heartbeats there at once.

        The lease stays what it is: it was granted by a majority, not by a person.
        """
        if controller == self.controller:
            return
        self.controller = controller
        self._contact(now)

    def on_registered(self, now: int, reply: RegisterReply) -> None:
        if reply.incarnation != self._incarnation or reply.broker_epoch <= self.broker_epoch:
            return  # of an earlier life of this broker id, or a copy
        self.broker_epoch = reply.broker_epoch
        self._answered_ns = now
        self._revoke()
        self._contact(now)

    def on_heartbeat_reply(self, now: int, reply: HeartbeatReply) -> None:
        sent_ns = self._sent_ns.pop(reply.sequence, None)
        if sent_ns is None or reply.broker_epoch != self.broker_epoch:
            return  # a copy, or about an earlier registration
        if reply.unknown_epoch:
            self.broker_epoch = -1
            self._revoke()
            self._contact(now)
            return
        if sent_ns > self._answered_ns:
            self._answered_ns = sent_ns
        if reply.may_stop and self.wants_shutdown:
            self.may_stop = True
        if reply.fenced:
            if not self.fenced and reply.sequence > self._granted_sequence:
                self._revoke()
        elif reply.granted and reply.sequence > self._void_sequence:
            self.fenced = False
            self._granted_sequence = max(self._granted_sequence, reply.sequence)
            self.lease_until = max(self.lease_until, sent_ns + self._lease_ns)

    def on_applied(self, now: int, metadata: ClusterMetadata, changes: Sequence[Change]) -> None:
        """After every metadata entry (and after a snapshot: ``changes`` empty). Heartbeats at once when the
        controller may be waiting to hear it: a leadership of this broker ended, or it has no lease yet."""
        self._applied_index = metadata.applied_index
        me = metadata.brokers.get(self._voter.broker_id)
        if me is None or self.broker_epoch < 0:
            return
        if me.broker_epoch > self.broker_epoch and me.incarnation != self._incarnation:
            # Another process registered as this broker: we are not it any more.
            self.broker_epoch = -1
            self._revoke()
            self._contact(now)
            return
        if me.broker_epoch == self.broker_epoch and me.fenced and not self.fenced:
            self._revoke()
        deposed = any(
            isinstance(change, PartitionUpdated)
            and change.previous is not None
            and change.previous.leader == self._voter.broker_id
            and (change.current is None or change.current.leader != self._voter.broker_id)
            for change in changes
        )
        if deposed or not self.lease_valid(now) or self.wants_shutdown:
            self._contact_soon(now)

    def begin_shutdown(self, now: int) -> None:
        """SIGTERM: ask for hand-over with a heartbeat that goes out at once; then watch ``may_stop``."""
        if not self.wants_shutdown:
            self.wants_shutdown = True
            self._contact(now)

    def tick(self, now: int) -> None:
        if now >= self.next_deadline:
            self._contact(now)

    # --- inside -----------------------------------------------------------------------------------------

    def _revoke(self) -> None:
        self.fenced = True
        self.lease_until = 0
        self._void_sequence = self._sequence

    def _contact_soon(self, now: int) -> None:
        """At once, but at most ten times as often as the clock would: a log replay applies thousands of entries."""
        if self.controller == NO_BROKER:
            return
        due = self._contact_ns + self._interval_ns // 10
        if now >= due:
            self._contact(now)
        else:
            self.next_deadline = min(self.next_deadline, due)

    def _contact(self, now: int) -> None:
        """Register, or heartbeat; the next one an interval from now (no burst to catch up after a stall)."""
        if self.controller == NO_BROKER:
            self.next_deadline = NEVER
            return
        self._contact_ns = now
        self.next_deadline = now + self._interval_ns
        if self.broker_epoch < 0:
            self._send(self.controller, self._registration)
            return
        self._sequence += 1
        if len(self._sent_ns) >= HEARTBEATS_REMEMBERED:
            del self._sent_ns[next(iter(self._sent_ns))]
        self._sent_ns[self._sequence] = now
        unreachable, log_ends, log_offline, disk_waiting_ns = self._report(now)
        self._send(
            self.controller,
            BrokerHeartbeat(
                self.broker_epoch,
                self._sequence,
                self._applied_index,
                unreachable,
                log_ends,
                self.wants_shutdown,
                log_offline,
                (now - self._answered_ns) // MS,
                disk_waiting_ns // MS,
            ),
        )
