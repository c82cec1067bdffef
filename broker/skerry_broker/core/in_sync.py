"""The in-sync replicas of one partition, on its leader: who is caught up, who goes, who comes (KIP-497, KIP-841).

The leader only *proposes* an ISR; the controller commits it by compare-and-set on the partition epoch. Until then
the high watermark waits for everybody who may be a member: the *maximal* ISR, the committed one together with every
proposal sent under the present partition epoch. A proposal that was refused stays in it: a copy of it may still be
on its way and be accepted later. Only a new partition epoch, which voids all copies, ends that; so a refused
expansion is followed by a proposal of the committed ISR itself, whose commit is a new partition epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from skerry_broker.core.outbox import Outbox
from skerry_broker.core.peer_messages import AlterPartition, AlterPartitionReply, AlterResult
from skerry_broker.core.replica_log import NEVER, ReplicaLog
from skerry_broker.core.types import NodeConfig, TopicPartition

ALTER_RETRY_NS = 200_000_000
"""An unanswered proposal is repeated after this; one that was refused is thought over again after it."""

_LAG_CHECK_NS = 50_000_000
"""While a lagging member cannot be removed (a proposal is in flight), it is looked at again after this."""

NEVER_CAUGHT_UP = -(1 << 62)


class BrokerView(NamedTuple):
    """A broker as the applied metadata knows it; the node keeps one live mapping of them for all replicas."""

    broker_epoch: int
    eligible: bool
    """Registered, not fenced, not leaving: it may join an ISR."""


class PartitionView(NamedTuple):
    """The applied metadata of one partition, as `PartitionReplica.become` wants it."""

    leader: int
    leader_epoch: int
    partition_epoch: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    min_isr: int
    recovering: bool = False
    unclean_epoch: int = -1
    """The leader epoch of the last unclean election; only after one may a log shrink below its high watermark."""


class ReplicaPorts(NamedTuple):
    """What a replica needs from its node."""

    out: Outbox
    lease: Callable[[int], bool]
    """Does the lease hold at this instant? Asked inline at every append and again at every answer (I-SAF-10)."""
    alter: Callable[[AlterPartition], None]
    """Send to the present controller, if one is known; a lost request is repeated."""
    wake: Callable[[TopicPartition], None]
    """New data, or nothing to wait for any more: the parked fetches of this partition's followers (`FetchWaits`)."""
    brokers: Mapping[int, BrokerView]
    broker_epoch: Callable[[], int]
    """This broker's own epoch."""


class Follower:
    """A follower as its leader knows it, in this leader epoch only."""

    __slots__ = (
        "broker_epoch",
        "broker_id",
        "caught_up_at",
        "claimed_end",
        "counted_end",
        "log_end",
        "mark_at",
        "mark_end",
    )

    def __init__(self, broker_id: int, caught_up_at: int) -> None:
        self.broker_id = broker_id
        self.caught_up_at = caught_up_at
        self.broker_epoch = -1
        self.forget(-1)

    def forget(self, broker_epoch: int) -> None:
        """It restarted: what its former process said of its log is void (KAFKA-15221)."""
        self.broker_epoch = broker_epoch
        self.log_end = -1  # proven equal to the leader's log up to here, by a fetch that did not diverge
        self.claimed_end = -1  # durable, as it says
        self.counted_end = -1
        """Durable *and* proven equal to the leader's log, the lesser of the two; -1 while unknown. Asked for far more
        often than it changes (`reaches`)."""
        self.mark_at = NEVER_CAUGHT_UP
        self.mark_end = -1

    def reaches(self, log_end: int, claimed_end: int) -> None:
        """It has told how far it is. Within an epoch its log can only grow: what says less came late."""
        if log_end > self.log_end:
            self.log_end = log_end
        if claimed_end > self.claimed_end:
            self.claimed_end = claimed_end
        self.counted_end = min(self.log_end, self.claimed_end)


class InSync:
    """Invariants: the leader is in every ISR; at most one proposal is in flight; ``maximal`` holds the committed ISR
    and every id proposed under the present partition epoch (I-SAF-4)."""

    def __init__(
        self, now: int, config: NodeConfig, log: ReplicaLog, ports: ReplicaPorts, view: PartitionView, epoch_start: int
    ) -> None:
        self._me = config.broker_id
        self._lag_ns = config.timing.replica_lag_ms * 1_000_000
        self._log = log
        self._ports = ports
        self._epoch_start = epoch_start
        self.view = view
        self.min_isr = min(view.min_isr, len(view.replicas))
        # An ISR member has a full lag time to show up at its new leader.
        self.followers = {
            broker_id: Follower(broker_id, now if broker_id in view.isr else NEVER_CAUGHT_UP)
            for broker_id in view.replicas
            if broker_id != self._me
        }
        self._pending: AlterPartition | None = None
        self._pending_lagging: frozenset[int] = frozenset()
        self.retry_at = NEVER
        """When a proposal is to be sent again, or thought over again."""
        self._not_before = now
        self._removed_at: dict[int, int] = {}
        self.lag_deadline = NEVER
        """When the next follower will have lagged too long."""
        self.maximal: frozenset[int] = frozenset(view.isr)
        self.consider(now)

    # --- reports of followers -----------------------------------------------------------------------------

    def reported(self, now: int, follower: Follower) -> None:
        """``follower`` has told how far it is: is it caught up, may it join?

        Caught up at ``t`` means: it now has all that the log held at ``t``. The mark is moved only when it has been
        reached: a follower that is always two fetches behind is still caught up, two fetches ago. Only what counts
        as durable counts here, so that a replica with a hanging disk leaves the ISR.
        """
        end = follower.counted_end
        log_end = self._log.end_offset
        if end >= log_end:
            follower.caught_up_at = now
            follower.mark_at = now
            follower.mark_end = log_end
        elif end >= follower.mark_end:
            if follower.mark_at > follower.caught_up_at:
                follower.caught_up_at = follower.mark_at
            follower.mark_at = now
            follower.mark_end = log_end
        if follower.broker_id not in self.maximal:
            self.consider(now)

    def is_caught_up(self, now: int, follower: Follower) -> bool:
        return follower.counted_end >= self._log.end_offset or now - follower.caught_up_at <= self._lag_ns

    def appended(self, now: int) -> None:
        """The leader's log grew: who does not follow will have to be judged."""
        if self.lag_deadline == NEVER:
            self.lag_deadline = self._next_lag(now)

    def _next_lag(self, now: int) -> int:
        """When the next follower will have lagged too long: a member must go then, and the high watermark need not
        wait any longer for a replica that was about to join."""
        due = NEVER
        log_end = self._log.end_offset
        for broker_id, follower in self.followers.items():
            lagging_at = follower.caught_up_at + self._lag_ns + 1
            if follower.counted_end < log_end and (broker_id in self.view.isr or lagging_at > now):
                due = min(due, lagging_at)
        return due

    # --- the high watermark ---------------------------------------------------------------------------------

    def high_watermark(self, now: int) -> int:
        """The highest offset that may be committed now; -1 when it must not move.

        Frozen below min ISR (KIP-966): an ELR member then still holds all that is committed. Besides the maximal ISR
        it waits for a replica about to join (else a follower might never reach it), but not for one that may not
        join (KAFKA-15021).
        """
        if len(self.view.isr) < self.min_isr:
            return -1
        lowest = self._log.counted_end
        for broker_id, follower in self.followers.items():
            end = follower.counted_end
            if end < lowest and (broker_id in self.maximal or self._may_join(now, follower)):
                lowest = end
        return lowest

    def _may_join(self, now: int, follower: Follower) -> bool:
        return self._is_eligible(follower) and self.is_caught_up(now, follower)

    def _is_eligible(self, follower: Follower) -> bool:
        broker = self._ports.brokers.get(follower.broker_id)
        return broker is not None and broker.eligible and broker.broker_epoch == follower.broker_epoch

    # --- proposals --------------------------------------------------------------------------------------------

    @property
    def pending(self) -> AlterPartition | None:
        return self._pending

    @property
    def next_deadline(self) -> int:
        return self.retry_at if self.retry_at < self.lag_deadline else self.lag_deadline

    def tick(self, now: int) -> None:
        if now >= self.lag_deadline:
            self.lag_deadline = max(self._next_lag(now), now + _LAG_CHECK_NS)
        self.consider(now)

    def consider(self, now: int) -> None:
        """Propose what is called for, unless a proposal is in flight; repeat that one when it is overdue."""
        if self._pending is not None:
            if now >= self.retry_at:
                self.retry_at = now + ALTER_RETRY_NS
                self._ports.alter(self._pending)
            return
        if now >= self.retry_at:
            self.retry_at = NEVER
        committed = self.view.isr
        if now < self._not_before:
            self.retry_at = self._not_before
            return
        if self.view.recovering:
            # After an unclean election this log is the truth; nobody joins before that is recorded (KIP-966).
            self._propose(now, committed, recovered=True)
            return
        lagging = frozenset(
            broker_id
            for broker_id in committed
            if broker_id != self._me
            and (follower := self.followers.get(broker_id)) is not None
            and not self.is_caught_up(now, follower)
        )
        if lagging:
            self._pending_lagging = lagging
            self._propose(now, tuple(broker_id for broker_id in committed if broker_id not in lagging))
            return
        if not self.maximal.issubset(committed):
            self._propose(now, committed)
            return
        joining = [f.broker_id for f in self.followers.values() if f.broker_id not in committed and self._joins(now, f)]
        if joining:
            self._propose(now, (*committed, *joining))

    def _joins(self, now: int, follower: Follower) -> bool:
        """It holds every committed record: durable up to the high watermark *and* to the start of this epoch, since
        a new leader's high watermark may still be behind what was committed (KAFKA-7128).

        And it must be caught up: a follower that was just removed for its silence still holds all that is committed,
        because the high watermark has waited for it. Taken back at once it would block the partition for another lag
        time, for as long as it is cut off (I-LIV-3).
        """
        return (
            follower.counted_end >= max(self._log.high_watermark, self._epoch_start)
            and self._is_eligible(follower)
            and self.is_caught_up(now, follower)
        )

    def _propose(self, now: int, isr: tuple[int, ...], *, recovered: bool = False) -> None:
        members = tuple((broker_id, self._epoch_of(broker_id)) for broker_id in sorted(isr))
        self._pending = AlterPartition(
            self._log.partition,
            self._ports.broker_epoch(),
            self.view.leader_epoch,
            self.view.partition_epoch,
            members,
            recovered,
        )
        self.maximal = self.maximal.union(isr)
        self.retry_at = now + ALTER_RETRY_NS
        self._ports.alter(self._pending)

    def _epoch_of(self, broker_id: int) -> int:
        """The epoch that a joining member fetched under; of a committed member the registered one, since it may not
        have fetched from this leader yet."""
        if broker_id == self._me:
            return self._ports.broker_epoch()
        if broker_id not in self.view.isr:
            return self.followers[broker_id].broker_epoch
        broker = self._ports.brokers.get(broker_id)
        return broker.broker_epoch if broker is not None else self.followers[broker_id].broker_epoch

    def replied(self, now: int, reply: AlterPartitionReply) -> None:
        """A refusal that is final takes the proposal back. All others leave it pending: accepted or overtaken means
        that metadata is on its way; not-the-controller means to ask again (never for ever: I-LIV-5)."""
        pending = self._pending
        if (
            pending is None
            or reply.leader_epoch != pending.leader_epoch
            or reply.requested_partition_epoch != pending.partition_epoch
        ):
            return
        if reply.result is not AlterResult.ACCEPTED:
            self._ports.out.fact("broker_isr_updates_failed_total", reply.result.value)
        if reply.result in (AlterResult.INELIGIBLE_REPLICA, AlterResult.INVALID_REQUEST):
            self._pending = None
            self._pending_lagging = frozenset()
            self._not_before = self.retry_at = now + ALTER_RETRY_NS

    def committed(self, now: int, view: PartitionView) -> None:
        """A newer partition epoch of this leader epoch: all proposals are settled."""
        out = self._ports.out
        for broker_id in sorted(set(self.view.isr) - set(view.isr)):
            out.fact("broker_isr_shrinks_total", "lag" if broker_id in self._pending_lagging else "fenced")
            self._removed_at.setdefault(broker_id, now)
        for broker_id in sorted(set(view.isr) - set(self.view.isr)):
            out.fact("broker_isr_expands_total")
            removed_at = self._removed_at.pop(broker_id, None)
            if removed_at is not None:
                out.fact("broker_isr_recovery_seconds", value=(now - removed_at) / 1e9)
        self.view = view
        self.min_isr = min(view.min_isr, len(view.replicas))
        self.maximal = frozenset(view.isr)
        self._pending = None
        self._pending_lagging = frozenset()
        self.retry_at = NEVER
        self.lag_deadline = self._next_lag(now)
        self.consider(now)
