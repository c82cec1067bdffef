"""One replica of one partition on this broker: leader, follower, or neither.

Theory of operation. The replica obeys the applied metadata (`become`): a new leader epoch makes it leader or follower,
ends everything that waited under the old one, and resets what was known of the others. As leader it appends and asks
the controller for ISR changes (`leader_replica`, `in_sync`); as follower it fetches and truncates (`follower_replica`).
Both work on one `ReplicaLog`, which outlives all roles.

The node calls `flushed` when the disk has caught up; under ``flush: group`` nothing is acknowledged, counted for the
high watermark, or counted for the ISR before that.
"""

from __future__ import annotations

import msgspec

from skerry_broker.core.api import ErrorCode, ErrorResponse, FetchRequest, ListOffsetsRequest, ProduceRequest
from skerry_broker.core.follower_replica import FollowerReplica
from skerry_broker.core.in_sync import BrokerView, PartitionView, ReplicaPorts
from skerry_broker.core.leader_replica import LeaderReplica
from skerry_broker.core.messages import DeleteLog, LogRead
from skerry_broker.core.peer_messages import AlterPartitionReply, FetchedPartition, FetchPartition
from skerry_broker.core.replica_log import NEVER, CommittedDataLost, ReplicaLog
from skerry_broker.core.status import PartitionStatus
from skerry_broker.core.types import NO_BROKER, NodeConfig, RecoveredLog, TopicPartition

__all__ = ["BrokerView", "CommittedDataLost", "PartitionReplica", "PartitionView", "ReplicaPorts"]

_NO_VIEW = PartitionView(NO_BROKER, -1, -1, (), (), 1)


class PartitionReplica:
    """Invariants: at most one of ``leading`` and ``following`` is set, and it belongs to the leader epoch of
    ``view``; once ``offline`` it is neither, for good (I-SAF-9)."""

    def __init__(
        self,
        config: NodeConfig,
        partition: TopicPartition,
        topic_id: str,
        recovered: RecoveredLog | None,
        ports: ReplicaPorts,
    ) -> None:
        self._config = config
        self._me = config.broker_id
        self._ports = ports
        self._out = ports.out
        self.partition = partition
        self.topic_id = topic_id
        self.log = ReplicaLog(partition, topic_id, recovered, config.flush, ports.out)
        self.view = _NO_VIEW
        self.leading: LeaderReplica | None = None
        self.following: FollowerReplica | None = None
        self.offline = False
        self._catching_up_since: int | None = None

    # --- roles --------------------------------------------------------------------------------------------

    def become(self, now: int, view: PartitionView, *, may_lead: bool) -> None:
        """Follow the applied metadata; an older partition epoch is ignored.

        ``may_lead`` is False until this process's registration is applied: before, the metadata may still name this
        broker leader of an epoch in which its former process led, and (epoch, offset) must identify one record
        (KAFKA-10527).
        """
        if view.partition_epoch < self.view.partition_epoch or view.leader_epoch < self.view.leader_epoch:
            return
        self.view = view
        if self.offline:
            return
        if self._me in view.isr and self._catching_up_since is not None:
            self._out.fact("broker_catchup_seconds", value=(now - self._catching_up_since) / 1e9)
            self._catching_up_since = None
        if view.leader == self._me and may_lead:
            if self.leading is not None and self.leading.epoch == view.leader_epoch:
                if view.partition_epoch > self.leading.in_sync.view.partition_epoch:
                    self.leading.committed(now, view)
                return
            self._step_down("a new leader epoch has begun")
            self.leading = LeaderReplica(now, self._config, self.partition, self.log, self._ports, view)
        elif view.leader in (NO_BROKER, self._me):
            self._step_down("this broker does not lead the partition any more; it has no leader now")
        else:
            if self.following is not None and self.following.epoch == view.leader_epoch:
                return
            self._step_down(f"this broker does not lead the partition any more; broker {view.leader} does")
            self.following = FollowerReplica(self.partition, self.topic_id, self.log, view)

    def _step_down(self, message: str) -> None:
        if self.leading is not None:
            self.leading.end(ErrorCode.NOT_LEADER, message, self.view.leader, self.view.leader_epoch)
            self.leading = None
            self._ports.wake(self.partition)
        self.following = None

    def lease_lost(self, now: int) -> None:
        """Those who wait are told so; the leadership itself ends only by metadata."""
        if self.leading is not None:
            self.leading.end(ErrorCode.LEASE_EXPIRED, "this broker has lost the controller", NO_BROKER, -1)

    def disk_failed(self, now: int) -> None:
        """What was not reported flushed may be lost, and an fsync is never repeated: out of service (I-SAF-9)."""
        self.offline = True
        if self.leading is not None:
            self.leading.end(ErrorCode.LOG_OFFLINE, "the disk of this broker failed", NO_BROKER, -1)
            self.leading = None
            self._ports.wake(self.partition)
        self.following = None

    @property
    def log_end(self) -> tuple[int, int]:
        """(epoch of the last record, end of what counts): how good a leader this replica would make."""
        return self.log.last_record_epoch, self.log.counted_end

    def remove(self, now: int) -> None:
        """The topic is gone, or this broker holds no replica any more."""
        if self.leading is not None:
            self.leading.end(ErrorCode.UNKNOWN_TOPIC, f"{self.partition} was removed", NO_BROKER, -1)
            self.leading = None
            self._ports.wake(self.partition)
        self.following = None
        if not self.offline:  # else the next process finds that nobody wants it
            self._out.put(DeleteLog(self._out.next_write_id(), self.partition))

    # --- clients ------------------------------------------------------------------------------------------

    def produce(self, now: int, request_id: int, request: ProduceRequest) -> None:
        if self.leading is None:
            self._refuse(request_id)
        else:
            self.leading.produce(now, request_id, request)

    def fetch(self, now: int, request_id: int, request: FetchRequest) -> None:
        if self.leading is None:
            self._refuse(request_id)
        else:
            self.leading.fetch(now, request_id, request)

    def list_offsets(self, now: int, request_id: int, request: ListOffsetsRequest) -> None:
        if self.leading is None:
            self._refuse(request_id)
        else:
            self.leading.list_offsets(now, request_id, request)

    def client_gone(self, request_id: int) -> None:
        if self.leading is not None:
            self.leading.client_gone(request_id)

    def _refuse(self, request_id: int) -> None:
        leader, epoch = self.view.leader, self.view.leader_epoch
        if self.offline:
            response = ErrorResponse(ErrorCode.LOG_OFFLINE, f"the disk of broker {self._me} failed")
        elif leader in (NO_BROKER, self._me):
            response = ErrorResponse(ErrorCode.NOT_LEADER, f"{self.partition} has no leader", NO_BROKER, epoch)
        else:
            response = ErrorResponse(ErrorCode.NOT_LEADER, f"broker {leader} leads {self.partition}", leader, epoch)
        self._out.put_reply(request_id, response)

    # --- followers of this leader ---------------------------------------------------------------------------

    def replica_fetch(
        self, now: int, follower: int, broker_epoch: int, request: FetchPartition, bytes_max: int
    ) -> tuple[FetchedPartition, LogRead | None] | None:
        """A follower's fetch: its progress is noted; None when there is nothing to tell yet.

        A higher high watermark alone is nothing to tell: followers learn it with the next data or at the end of
        their wait (KAFKA-9952: waking them for it doubled the fetch traffic).
        """
        wrong = self._unfit(request)
        if wrong is None and self.leading is not None:
            wrong = self.leading.replica_fetch(now, follower, broker_epoch, request)
        if wrong is not None:
            return wrong, None
        if request.fetch_offset >= self.log.end_offset:
            return None
        return self.replica_answer(request, bytes_max)

    def replica_answer(self, request: FetchPartition, bytes_max: int) -> tuple[FetchedPartition, LogRead | None]:
        """The answer to a fetch as of now, even when there is nothing new in it."""
        wrong = self._unfit(request)
        leading = self.leading
        if wrong is None and leading is not None:
            wrong = leading.disagreement(request)
        if wrong is not None:
            return wrong, None
        assert leading is not None, "an answer without fault comes from a leader"
        end = self.log.end_offset
        read = None
        if request.fetch_offset < end:
            read = LogRead(self.partition, request.fetch_offset, end, bytes_max)
        return leading.answer(ErrorCode.NONE), read

    def _unfit(self, request: FetchPartition) -> FetchedPartition | None:
        """Epochs first: of what another epoch asks, nothing else can be judged (KIP-320)."""
        epoch = self.view.leader_epoch
        if self.offline:
            error = ErrorCode.LOG_OFFLINE
        elif request.topic_id != self.topic_id:
            error = ErrorCode.UNKNOWN_TOPIC
        elif request.leader_epoch < epoch:
            error = ErrorCode.FENCED_LEADER_EPOCH
        elif request.leader_epoch > epoch:
            error = ErrorCode.UNKNOWN_LEADER_EPOCH
        elif self.leading is None:
            error = ErrorCode.NOT_LEADER
        else:
            return None
        log = self.log
        return FetchedPartition(self.partition, epoch, error, log.high_watermark, log.start_offset, log.end_offset)

    def progress(self, now: int, follower: int, broker_epoch: int, leader_epoch: int, durable_end: int) -> None:
        if self.leading is not None:
            self.leading.progress(now, follower, broker_epoch, leader_epoch, durable_end)

    def alter_reply(self, now: int, reply: AlterPartitionReply) -> None:
        if self.leading is not None:
            self.leading.in_sync.replied(now, reply)

    def brokers_changed(self, now: int) -> None:
        """A broker was fenced, unfenced, registered, or began to leave."""
        if self.leading is not None:
            self.leading.brokers_changed(now)

    # --- following ------------------------------------------------------------------------------------------

    def fetch_position(self) -> FetchPartition | None:
        """What to ask the leader for; None when not following."""
        return None if self.following is None else self.following.fetch_position()

    def fetched(self, now: int, asked: FetchPartition, answer: FetchedPartition) -> None:
        """Raises CommittedDataLost when the leader's log contradicts committed records."""
        if self.following is None:
            return
        if self._catching_up_since is None and self._me not in self.view.isr and answer.error is ErrorCode.NONE:
            self._catching_up_since = now
        self.following.fetched(now, asked, answer)

    # --- disk and time ----------------------------------------------------------------------------------------

    def flushed(self, now: int, write_id: int) -> None:
        if not self.offline and self.log.flushed(write_id) and self.leading is not None:
            self.leading.flushed(now)

    def advance_log_start(self, now: int, offset: int) -> None:
        """Retention is the leader's business; followers take over its log start."""
        if self.leading is not None:
            self.log.advance_start(offset)

    def tick(self, now: int) -> None:
        if self.leading is not None:
            self.leading.tick(now)
        if now >= self.log.checkpoint_due and not self.offline:
            self.log.checkpoint()

    @property
    def next_deadline(self) -> int:
        """When ``tick`` is due, in ns; `NEVER` when nothing is."""
        deadline = NEVER if self.offline else self.log.checkpoint_due
        if self.leading is not None and (soonest := self.leading.next_deadline()) < deadline:
            return soonest
        return deadline

    @property
    def produces_pending(self) -> int:
        return 0 if self.leading is None else self.leading.produces_pending

    def describe(self, now: int, metadata: PartitionStatus) -> PartitionStatus:
        """``metadata`` with this replica's own fields filled in."""
        log = self.log
        return msgspec.structs.replace(
            metadata,
            role="Leader" if self.leading is not None else "Follower" if self.following is not None else None,
            log_start_offset=log.start_offset,
            log_end_offset=log.end_offset,
            durable_end=log.durable_end,
            high_watermark=log.high_watermark,
            offline=self.offline,
            epochs=log.epochs.entries,
            truncations=log.truncations,
            truncated_records=log.truncated_records,
            followers=() if self.leading is None else self.leading.follower_statuses(now),
        )
