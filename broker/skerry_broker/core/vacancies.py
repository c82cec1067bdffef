"""Partitions without a leader: whether the old one has surely stopped, and who comes next.

Step two of every two-step move lives here, and every partition that waits for an eligible replica. The old leader is
*released* when it is fenced (or has registered again), has reported the entry that deposed it as applied, or when its
last lease is over. The last proof needs that it gets no new lease: from ``GRACE_HEARTBEATS`` after the deposition on
its heartbeats renew nothing until it has applied the entry (`Contact.barrier`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from skerry_broker.core import election
from skerry_broker.core.contacts import MS, Contact
from skerry_broker.core.metadata import ClusterMetadata, PartitionState
from skerry_broker.core.records import PartitionChanged
from skerry_broker.core.types import NO_BROKER, NodeConfig, TopicPartition

GRACE_HEARTBEATS = 3
"""How long a deposed leader may take to apply the entry before its lease, for all its partitions, runs out."""


class Vacancy:
    """One partition without a leader."""

    __slots__ = ("avoid", "heard_ns", "index", "old_leader", "reason", "since_ns", "waiters", "wanted")

    def __init__(self, old_leader: int, index: int, now: int, heard_ns: int, reason: str) -> None:
        self.old_leader = old_leader
        self.index = index
        """The entry that deposed it, or a later one."""
        self.since_ns = now
        self.heard_ns = heard_ns
        """The last contact with the old leader; for the failover metric."""
        self.reason = reason
        self.wanted = NO_BROKER
        self.avoid = NO_BROKER
        """Unreachable for its followers: elected only if nobody else can be, and out of an ISR that can spare it."""
        self.waiters: list[int] = []
        """Requests (`elect_leader`) that wait for ``wanted`` to lead."""


class Vacancies:
    def __init__(self, view: ClusterMetadata, contacts: dict[int, Contact], config: NodeConfig) -> None:
        self._view = view
        self._contacts = contacts
        self._timing = config.timing
        self._unclean_wait_ns = config.unclean_wait_ms * MS
        self._open: dict[TopicPartition, Vacancy] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def get(self, partition: TopicPartition) -> Vacancy | None:
        return self._open.get(partition)

    def open(self, partition: TopicPartition, vacancy: Vacancy) -> None:
        self._open[partition] = vacancy

    def close(self, partition: TopicPartition) -> Vacancy | None:
        return self._open.pop(partition, None)

    def released(self, now: int, partition: TopicPartition, gone: Collection[int] = ()) -> bool:
        """Has the old leader surely stopped? ``gone``: brokers that this very entry fences or registers anew."""
        vacancy = self._open.get(partition)
        if vacancy is None or vacancy.old_leader == NO_BROKER or vacancy.old_leader in gone:
            return True
        broker = self._view.brokers.get(vacancy.old_leader)
        if broker is None or broker.fenced:
            return True
        contact = self._contacts[vacancy.old_leader]
        if contact.applied_index >= vacancy.index:
            return True
        if contact.lease_surely_over(now, self._timing):
            contact.raise_barrier(now, vacancy.index)  # and it shall get no other
            return True
        return False

    def withhold(self, now: int) -> None:
        """Stop renewing the lease of deposed leaders that do not report the deposition as applied."""
        grace_ns = GRACE_HEARTBEATS * self._timing.broker_heartbeat_ms * MS
        for vacancy in self._open.values():
            contact = self._contacts.get(vacancy.old_leader)
            if contact is not None and now - vacancy.since_ns >= grace_ns:
                contact.raise_barrier(now, vacancy.index)

    def fillable(self, now: int, electable: Callable[[int], bool], wall_ns: int) -> tuple[PartitionChanged, ...]:
        """The elections that can be held now."""
        changes: list[PartitionChanged] = []
        for partition, vacancy in sorted(self._open.items()):
            if self.released(now, partition):
                change = self._elect(now, partition, vacancy, electable, wall_ns)
                if change is not None:
                    changes.append(change)
        return tuple(changes)

    def _elect(
        self,
        now: int,
        partition: TopicPartition,
        vacancy: Vacancy,
        electable: Callable[[int], bool],
        wall_ns: int,
    ) -> PartitionChanged | None:
        state = self._view.partitions[partition]
        avoid = vacancy.avoid
        spared = avoid in state.isr and len(state.isr) > state.isr_needed
        change = election.next_state(
            partition,
            state,
            electable=lambda broker_id: broker_id != avoid and electable(broker_id),
            reason=vacancy.reason,
            wall_ns=wall_ns,
            leaves=(avoid,) if spared else (),
            prefer=vacancy.wanted,
        )
        if (change is None or change.leader == NO_BROKER) and avoid != NO_BROKER:
            change = election.next_state(partition, state, electable=electable, reason=vacancy.reason, wall_ns=wall_ns)
        if change is not None and change.leader != NO_BROKER:
            return change
        leader = self._unclean_leader(now, partition, state, vacancy, electable)
        return None if leader == NO_BROKER else election.unclean_state(partition, state, leader, wall_ns)

    def _unclean_leader(
        self,
        now: int,
        partition: TopicPartition,
        state: PartitionState,
        vacancy: Vacancy,
        electable: Callable[[int], bool],
    ) -> int:
        """Nobody is eligible: wait for all assigned replicas to report, or for the set time (0: for ever)."""
        if self._unclean_wait_ns == 0:
            return NO_BROKER
        log_ends: dict[int, tuple[int, int]] = {}
        for replica in state.replicas:
            contact = self._contacts.get(replica)
            if contact is not None and electable(replica) and partition in contact.log_ends:
                log_ends[replica] = contact.log_ends[partition]
        if len(log_ends) < len(state.replicas) and now - vacancy.since_ns < self._unclean_wait_ns:
            return NO_BROKER
        return election.longest_log(state, log_ends, electable)
