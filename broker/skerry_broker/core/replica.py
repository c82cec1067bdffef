"""One replica of one partition on this broker (skeleton: signatures first)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from skerry_broker.core.api import FetchRequest, ListOffsetsRequest, ProduceRequest
from skerry_broker.core.messages import AlterPartition, AlterPartitionReply, FetchedPartition, FetchPartition, LogRead
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.status import PartitionStatus
from skerry_broker.core.types import NodeConfig, RecoveredLog, TopicPartition


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


class PartitionReplica:
    def __init__(
        self,
        config: NodeConfig,
        partition: TopicPartition,
        topic_id: str,
        recovered: RecoveredLog | None,
        ports: ReplicaPorts,
    ) -> None: ...

    def become(self, now: int, view: PartitionView, *, may_lead: bool) -> None:
        """Follow the applied metadata. ``may_lead`` is False until this process's registration is applied (B10)."""

    def produce(self, now: int, request_id: int, request: ProduceRequest) -> None: ...

    def fetch(self, now: int, request_id: int, request: FetchRequest) -> None: ...

    def list_offsets(self, now: int, request_id: int, request: ListOffsetsRequest) -> None: ...

    def client_gone(self, request_id: int) -> None: ...

    def replica_fetch(
        self, now: int, follower: int, broker_epoch: int, request: FetchPartition
    ) -> tuple[FetchedPartition, LogRead | None] | None:
        """A follower's fetch: its progress is noted; None: nothing to tell yet."""
        raise NotImplementedError

    def replica_answer(self, request: FetchPartition, bytes_max: int) -> tuple[FetchedPartition, LogRead | None]:
        """The answer to a fetch as of now, even when there is nothing new in it."""
        raise NotImplementedError

    def progress(self, now: int, follower: int, broker_epoch: int, leader_epoch: int, durable_end: int) -> None: ...

    def alter_reply(self, now: int, reply: AlterPartitionReply) -> None: ...

    def brokers_changed(self, now: int) -> None: ...

    def fetch_position(self) -> FetchPartition | None:
        """Follower: what to ask the leader for; None when not following or offline."""
        raise NotImplementedError

    def fetched(self, now: int, asked: FetchPartition, answer: FetchedPartition) -> None: ...

    def flushed(self, now: int, write_id: int) -> None: ...

    def advance_log_start(self, now: int, offset: int) -> None: ...

    def lease_lost(self, now: int) -> None: ...

    def disk_failed(self, now: int) -> None: ...

    def remove(self, now: int) -> None:
        """The topic is gone, or this broker holds no replica any more: DeleteLog."""

    def tick(self, now: int) -> None: ...

    @property
    def next_deadline(self) -> int | None:
        raise NotImplementedError

    @property
    def produces_pending(self) -> int:
        raise NotImplementedError

    def describe(self, now: int, metadata: PartitionStatus) -> PartitionStatus:
        """``metadata`` with this replica's own fields filled in."""
        raise NotImplementedError
