"""What replicas learn from the applied metadata: which partitions this broker holds, who leads them, who is alive."""

from __future__ import annotations

from collections.abc import Sequence

from skerry_broker.core.describe import partition_view
from skerry_broker.core.metadata import BrokerUpdated, Change, ClusterMetadata, PartitionState, PartitionUpdated
from skerry_broker.core.partitions import Partitions
from skerry_broker.core.replica import BrokerView
from skerry_broker.core.types import TopicPartition


class Assignment:
    """Invariant: no partition is assigned before this process's registration is applied (`Partitions` invariant 3)."""

    def __init__(
        self,
        broker_id: int,
        incarnation: str,
        metadata: ClusterMetadata,
        partitions: Partitions,
        brokers: dict[int, BrokerView],
    ) -> None:
        """``brokers`` is kept up to date here, and read by every replica."""
        self._broker_id = broker_id
        self._incarnation = incarnation
        self._metadata = metadata
        self._partitions = partitions
        self._brokers = brokers
        self._caught_up = False
        """The metadata of this process's own registration is applied; what came before was a replay."""

    def applied(self, now: int, changes: Sequence[Change]) -> None:
        """One entry was applied. Partitions hear of brokers first: who may join an ISR depends on it."""
        brokers = [change for change in changes if isinstance(change, BrokerUpdated)]
        for change in brokers:
            current = change.current
            self._brokers[change.broker_id] = BrokerView(current.broker_epoch, current.electable)
        if not self._caught_up:
            if self._may_lead:
                self._catch_up(now)
            return
        for update in changes:
            if isinstance(update, PartitionUpdated):
                self._tell(now, update.partition, update.current)
        if brokers:
            self._partitions.brokers_changed(now)

    def replaced(self, now: int) -> None:
        """The metadata was replaced whole, by a snapshot."""
        self._brokers.clear()
        for broker in self._metadata.brokers.values():
            self._brokers[broker.broker_id] = BrokerView(broker.broker_epoch, broker.electable)
        if self._caught_up:
            self._tell_all(now)
        elif self._may_lead:
            self._catch_up(now)

    def _catch_up(self, now: int) -> None:
        """The metadata is at least as new as everything that former processes wrote to this disk."""
        self._caught_up = True
        self._tell_all(now)
        self._partitions.drop_leftovers()

    def _tell_all(self, now: int) -> None:
        for partition in sorted(set(self._partitions.replicas) - set(self._metadata.partitions)):
            self._partitions.unassign(now, partition)
        for partition, state in self._metadata.partitions.items():
            self._tell(now, partition, state)
        self._partitions.brokers_changed(now)

    def _tell(self, now: int, partition: TopicPartition, state: PartitionState | None) -> None:
        if state is None or self._broker_id not in state.replicas:
            self._partitions.unassign(now, partition)
        else:
            self._partitions.assign(now, partition, state.topic_id, partition_view(state), self._may_lead)

    @property
    def _may_lead(self) -> bool:
        """Only this process's own registration gives it leaderships: a leader never acts twice in an epoch (B10)."""
        own = self._metadata.brokers.get(self._broker_id)
        return own is not None and own.incarnation == self._incarnation
