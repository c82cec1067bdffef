"""Both ends of the replica fetch (skeleton: signatures first)."""

from __future__ import annotations

from collections.abc import Mapping

from skerry_broker.core.messages import ReplicaFetch, ReplicaFetched
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.replica import PartitionReplica
from skerry_broker.core.types import NodeConfig, TopicPartition


class FollowerFetcher:
    """Follower side, one per leader broker: one fetch in flight for all partitions followed from it."""

    def __init__(
        self, config: NodeConfig, leader: int, replicas: Mapping[TopicPartition, PartitionReplica], out: Outbox
    ) -> None: ...

    def follow(self, now: int, partition: TopicPartition) -> None:
        """Also after every change of the leader epoch."""

    def unfollow(self, now: int, partition: TopicPartition) -> None: ...

    def poll(self, now: int, broker_epoch: int) -> None:
        """Send the next fetch and the progress that is due, if any. Call at the end of a step that touched it."""

    def answered(self, now: int, message: ReplicaFetched) -> None: ...

    def unreachable_ms(self, now: int) -> int:
        """How long the leader has been silent beyond the wait that was allowed to it; 0 while it answers (I-LIV-3)."""
        raise NotImplementedError

    @property
    def next_deadline(self) -> int | None:
        raise NotImplementedError


class FetchWaits:
    """Leader side: parks the replica fetches that have nothing to tell yet, at most one per follower."""

    def __init__(self, replicas: Mapping[TopicPartition, PartitionReplica], out: Outbox) -> None: ...

    def arrived(self, now: int, follower: int, message: ReplicaFetch) -> None: ...

    def wake(self, partition: TopicPartition) -> None: ...

    def poll(self, now: int) -> None:
        """Answer what was woken or is overdue. Call at the end of every step and at ``next_deadline``."""

    @property
    def next_deadline(self) -> int | None:
        raise NotImplementedError
