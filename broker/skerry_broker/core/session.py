"""A broker's own session with the controller: registration, heartbeats, the lease.

The lease is the right to answer produce and fetch (I-SAF-10). It counts from the moment a heartbeat was *sent*, once
that heartbeat was answered; the controller answers only after a majority has confirmed it as the leader *after* the
heartbeat arrived. So when a later controller has waited ``session_ms`` from its election, this broker has stopped by
its own clock, however slow or cut off it is (`docs/decisions/0003-timing.md` 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from skerry_broker.core.messages import HeartbeatReply, PeerMessage, RegisterReply
from skerry_broker.core.metadata import Change, ClusterMetadata
from skerry_broker.core.types import NodeConfig, TopicPartition, Voter


class ReplicaReport(NamedTuple):
    """What the partition replicas of this broker have to tell the controller with the next heartbeat."""

    unreachable_leaders: tuple[tuple[TopicPartition, int, int], ...] = ()
    """(partition, leader epoch, milliseconds since the leader last answered a fetch)"""
    log_ends: tuple[tuple[TopicPartition, int, int], ...] = ()
    """(partition, last epoch, durable end) of every replica here whose partition has no leader"""
    log_offline: bool = False


class BrokerSession:
    """``send(destination, message)`` delivers to a peer, or locally when this broker is the controller itself;
    it must not call back into the session before it returns (queue local messages)."""

    broker_epoch: int
    """-1 until registered."""
    fenced: bool
    lease_until: int
    """Monotonic nanoseconds; the lease is valid strictly before it."""
    may_stop: bool
    """The controller has taken all leaderships: a broker that wants to shut down may go."""
    next_deadline: int

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
        raise NotImplementedError

    def lease_valid(self, now: int) -> bool:
        """May this broker answer produce and fetch at ``now``? Ask before the append and again before the answer."""
        raise NotImplementedError

    def controller_changed(self, now: int, controller: int) -> None:
        """Raft knows another leader (NO_BROKER: none). Registers or heartbeats there at once."""
        raise NotImplementedError

    def on_registered(self, now: int, reply: RegisterReply) -> None:
        raise NotImplementedError

    def on_heartbeat_reply(self, now: int, reply: HeartbeatReply) -> None:
        raise NotImplementedError

    def on_applied(self, now: int, metadata: ClusterMetadata, changes: Sequence[Change]) -> None:
        """After every metadata entry (and after a snapshot: ``changes`` empty). Heartbeats at once when the
        controller may be waiting for it: a leadership of this broker ended, or it has no lease yet."""
        raise NotImplementedError

    def begin_shutdown(self, now: int) -> None:
        """SIGTERM: ask for hand-over with the next heartbeat, which goes out at once; then watch ``may_stop``."""
        raise NotImplementedError

    def tick(self, now: int) -> None:
        raise NotImplementedError
