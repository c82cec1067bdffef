"""The leading replica of one partition in one leader epoch: appends, acknowledges, serves readers and followers."""

from __future__ import annotations

from skerry_broker.core.api import (
    ErrorCode,
    ErrorResponse,
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ProduceRequest,
    ProduceResponse,
)
from skerry_broker.core.in_sync import InSync, PartitionView, ReplicaPorts
from skerry_broker.core.messages import LogRead, ServeClient, ServeOffsets
from skerry_broker.core.peer_messages import FetchedPartition, FetchPartition
from skerry_broker.core.pending_produces import PendingProduces
from skerry_broker.core.producers import Verdict
from skerry_broker.core.replica_log import NEVER, ReplicaLog
from skerry_broker.core.status import FollowerStatus
from skerry_broker.core.types import NO_BROKER, NO_PRODUCER, Acks, Batch, EpochStart, NodeConfig, TopicPartition

PRODUCE_TIMEOUT_MAX_MS = 60_000
FETCH_WAITS_MAX = 4096
_NEW, _REFUSED = -1, -2
"""In place of the offset of a duplicate."""


class LeaderReplica:
    """Invariants: the high watermark never falls in an epoch and never passes what any member of the maximal ISR has
    durably (I-SAF-4); no success leaves without the lease holding at that instant (I-SAF-10); no consumer is served
    an offset at or above the high watermark (I-SAF-7)."""

    def __init__(
        self,
        now: int,
        config: NodeConfig,
        partition: TopicPartition,
        log: ReplicaLog,
        ports: ReplicaPorts,
        view: PartitionView,
    ) -> None:
        self._me = config.broker_id
        self._config = config
        self._partition = partition
        self._log = log
        self._ports = ports
        self._out = ports.out
        self.epoch = view.leader_epoch
        self.epoch_start = log.end_offset
        log.assign_epoch(self.epoch)
        self._since = now
        self._ready = False
        self._produces = PendingProduces(ports.out)
        self._readers: dict[int, tuple[FetchRequest, int]] = {}
        self._readers_deadline = NEVER
        self.in_sync = InSync(now, config, log, ports, view, self.epoch_start)
        self._advance(now)

    # --- produce ------------------------------------------------------------------------------------------

    def produce(self, now: int, request_id: int, request: ProduceRequest) -> None:
        """Append one batch, or answer why not. An append with ``acks: None`` is not answered: it promises nothing."""
        batch = request.batch
        acks = request.acks
        if not self._ports.lease(now):
            self._out.fact("broker_fenced_produce_rejections_total", acks.value)
            self._refuse(
                request_id, ErrorCode.LEASE_EXPIRED, "this broker has lost the controller and accepts no writes"
            )
            return
        duplicate_at = _NEW
        if batch.producer_id != NO_PRODUCER:
            duplicate_at = self._judge(request_id, batch)
            if duplicate_at == _REFUSED:
                return
        in_sync = self.in_sync
        if len(self._produces) >= self._config.pending_produces_max:
            self._refuse(
                request_id, ErrorCode.OVERLOADED, f"{len(self._produces)} produce requests are waiting already"
            )
            return
        base_offset = duplicate_at
        if duplicate_at == _NEW:
            if acks is Acks.ALL and len(in_sync.view.isr) < in_sync.min_isr:
                message = f"in-sync replicas {list(in_sync.view.isr)} are fewer than the minimum {in_sync.min_isr}"
                self._refuse(request_id, ErrorCode.NOT_ENOUGH_REPLICAS, message)
                return
            base_offset = self._log.end_offset
            self._log.append((batch.stamped(base_offset, self.epoch),))
            in_sync.appended(now)
            self._ports.wake(self._partition)
        if acks is not Acks.NONE:
            # A duplicate waits like its original: until that is committed, it too may still be lost.
            timeout_ns = min(max(request.timeout_ms, 1), PRODUCE_TIMEOUT_MAX_MS) * 1_000_000
            response = ProduceResponse(base_offset, self.epoch, self._me, duplicate_at >= 0)
            self._produces.add(request_id, base_offset + batch.record_count, acks, response, now + timeout_ns)
        if duplicate_at >= 0:
            self._complete(now)
        elif self._log.counted_end == self._log.end_offset:
            self._advance(now)  # not under `flush: group`: the append counts already

    def _judge(self, request_id: int, batch: Batch) -> int:
        """Where an idempotent batch stands already, `_NEW`, or `_REFUSED` (and then it was answered)."""
        judgement = self._log.producers.judge(batch)
        if judgement.verdict is Verdict.DUPLICATE:
            self._out.fact("broker_duplicate_batches_total")
            return judgement.base_offset
        if judgement.verdict is Verdict.OUT_OF_ORDER:
            self._out.fact("broker_out_of_order_sequences_total")
            self._refuse(request_id, ErrorCode.OUT_OF_ORDER_SEQUENCE, judgement.reason)
            return _REFUSED
        if judgement.verdict is Verdict.OLD_EPOCH:
            self._refuse(request_id, ErrorCode.INVALID_PRODUCER_EPOCH, judgement.reason)
            return _REFUSED
        return _NEW

    def _refuse(self, request_id: int, code: ErrorCode, message: str) -> None:
        leader = NO_BROKER if code is ErrorCode.LEASE_EXPIRED else self._me  # who cannot answer sends nobody here
        self._out.put_reply(request_id, ErrorResponse(code, message, leader, self.epoch))

    # --- the high watermark ---------------------------------------------------------------------------------

    def flushed(self, now: int) -> None:
        self._advance(now)

    def _advance(self, now: int) -> None:
        high_watermark = self.in_sync.high_watermark(now)
        if high_watermark > self._log.high_watermark and self._log.commit(now, high_watermark) and self._readers:
            self._serve_readers(now)
        if not self._ready and self._log.high_watermark >= self.epoch_start:
            self._ready = True
            self._out.fact("broker_leader_ready_seconds", value=(now - self._since) / 1e9)
        if self._produces:
            self._complete(now)

    def _complete(self, now: int) -> None:
        in_sync = self.in_sync
        self._produces.complete(
            self._log.high_watermark,
            self._log.counted_end,
            self._ports.lease(now),
            len(in_sync.view.isr) >= in_sync.min_isr,
        )

    # --- readers ------------------------------------------------------------------------------------------------

    def fetch(self, now: int, request_id: int, request: FetchRequest) -> None:
        log = self._log
        if not self._ports.lease(now):
            self._refuse(request_id, ErrorCode.LEASE_EXPIRED, "this broker has lost the controller and serves no reads")
            return
        offset = request.offset
        if offset < log.start_offset or offset > log.end_offset:
            message = f"offset {offset} is outside of the log [{log.start_offset}, {log.end_offset}]"
            self._refuse(request_id, ErrorCode.OFFSET_OUT_OF_RANGE, message)
        elif offset < log.high_watermark:
            self._serve(request_id, request)
        elif request.wait_ms > 0 and len(self._readers) < FETCH_WAITS_MAX:
            deadline = now + request.wait_ms * 1_000_000
            self._readers[request_id] = (request, deadline)
            self._readers_deadline = min(self._readers_deadline, deadline)
        else:
            self._answer_tail(now, request_id)

    def _serve(self, request_id: int, request: FetchRequest) -> None:
        log = self._log
        self._out.put(
            ServeClient(
                request_id,
                FetchResponse(log.high_watermark, log.start_offset, self.epoch, self._me),
                LogRead(self._partition, request.offset, log.high_watermark, request.bytes_max),
            )
        )

    def _serve_readers(self, now: int) -> None:
        high_watermark = self._log.high_watermark
        for request_id, (request, _) in list(self._readers.items()):
            if request.offset < high_watermark:
                del self._readers[request_id]
                self.fetch(now, request_id, request)  # the lease is asked again: this is the answer
        self._settle_readers_deadline()

    def _settle_readers_deadline(self) -> None:
        self._readers_deadline = min((deadline for _, deadline in self._readers.values()), default=NEVER)

    def _answer_tail(self, now: int, request_id: int) -> None:
        """There is nothing below the high watermark to give: the answer shows the high watermark itself.

        Such a read is linearizable. Take any write that was acknowledged (acks=All) before this read began.
        By a leader of an earlier epoch: this leader was elected from its ISR, so the write lies below this epoch's
        start, and the high watermark has passed that start (or else the read is refused, below). By this leader: its
        high watermark had passed the write when it acknowledged, and never falls. By a leader of a later epoch:
        impossible, since the controller elects one only after this broker applied the end of its leadership, or after
        the session, which outlasts the lease by more than clock drift; and the lease holds now.
        """
        if not self._may_tell_high_watermark(now, request_id):
            return
        log = self._log
        self._out.put_reply(request_id, FetchResponse(log.high_watermark, log.start_offset, self.epoch, self._me))

    def _may_tell_high_watermark(self, now: int, request_id: int) -> bool:
        if not self._ports.lease(now):
            self._refuse(request_id, ErrorCode.LEASE_EXPIRED, "this broker has lost the controller and serves no reads")
            return False
        if self._log.high_watermark < self.epoch_start:
            message = f"a new leader: its high watermark {self._log.high_watermark} is below {self.epoch_start}"
            self._refuse(request_id, ErrorCode.HIGH_WATERMARK_UNKNOWN, message)
            return False
        return True

    def list_offsets(self, now: int, request_id: int, request: ListOffsetsRequest) -> None:
        if not self._may_tell_high_watermark(now, request_id):
            return
        log = self._log
        response = ListOffsetsResponse(log.start_offset, log.high_watermark, self.epoch, self._me)
        if request.at_wall_ms is None:
            self._out.put_reply(request_id, response)
        else:
            self._out.put(ServeOffsets(request_id, response, self._partition, request.at_wall_ms))

    def client_gone(self, request_id: int) -> None:
        self._produces.forget(request_id)
        self._readers.pop(request_id, None)

    # --- followers ------------------------------------------------------------------------------------------------

    def replica_fetch(
        self, now: int, follower_id: int, broker_epoch: int, request: FetchPartition
    ) -> FetchedPartition | None:
        """What is wrong with this fetch; None when nothing is, and then its progress has been noted.

        The caller has compared the epochs. Then the replica must be valid (KAFKA-14078), then its log must not
        diverge: a diverging fetch is not progress.
        """
        follower = self.in_sync.followers.get(follower_id)
        registered = self._ports.brokers.get(follower_id)
        if (
            follower is None
            or broker_epoch < follower.broker_epoch
            or (registered is not None and broker_epoch < registered.broker_epoch)
        ):
            return self.answer(ErrorCode.INVALID_REQUEST)  # sent before it restarted (KAFKA-15221)
        wrong = self.disagreement(request)
        if wrong is not None:
            return wrong
        if broker_epoch != follower.broker_epoch:
            follower.forget(broker_epoch)
        follower.reaches(request.fetch_offset, request.durable_end)
        self.in_sync.reported(now, follower)
        self._advance(now)
        return None

    def disagreement(self, request: FetchPartition) -> FetchedPartition | None:
        log = self._log
        if request.fetch_offset < log.start_offset:
            return self.answer(ErrorCode.OFFSET_OUT_OF_RANGE)
        if request.last_fetched_epoch == log.epochs.latest and request.fetch_offset <= log.end_offset:
            return None  # as nearly always: its last record is of the newest epoch, which ends no earlier here
        if request.last_fetched_epoch >= 0:
            end = log.epochs.end_offset_for(request.last_fetched_epoch, log.end_offset)
            if end is None:
                return self.answer(ErrorCode.OFFSET_OUT_OF_RANGE)
            if end.epoch < request.last_fetched_epoch or end.start_offset < request.fetch_offset:
                return self.answer(ErrorCode.NONE, diverging=end)
        if request.fetch_offset > log.end_offset:
            return self.answer(ErrorCode.OFFSET_OUT_OF_RANGE)
        return None

    def answer(self, error: ErrorCode, diverging: EpochStart | None = None) -> FetchedPartition:
        log = self._log
        return FetchedPartition(
            self._partition, self.epoch, error, log.high_watermark, log.start_offset, log.end_offset, diverging
        )

    def progress(self, now: int, follower_id: int, broker_epoch: int, leader_epoch: int, durable_end: int) -> None:
        """The follower's disk has caught up. Counted only as far as its log was proven equal to this one."""
        follower = self.in_sync.followers.get(follower_id)
        if follower is None or leader_epoch != self.epoch or broker_epoch != follower.broker_epoch:
            return
        if durable_end > follower.claimed_end:
            follower.reaches(follower.log_end, durable_end)
            self.in_sync.reported(now, follower)
            self._advance(now)

    # --- the rest ---------------------------------------------------------------------------------------------------

    def committed(self, now: int, view: PartitionView) -> None:
        """A newer partition epoch of this leader epoch: the high watermark may move at once (KAFKA-13091)."""
        self.in_sync.committed(now, view)
        self._advance(now)

    def brokers_changed(self, now: int) -> None:
        self.in_sync.consider(now)
        self._advance(now)

    def tick(self, now: int) -> None:
        if now >= self._produces.next_deadline:
            in_sync = self.in_sync
            self._produces.expire(now, len(in_sync.view.isr) >= in_sync.min_isr)
        if now >= self._readers_deadline:
            for request_id, (_, deadline) in list(self._readers.items()):
                if deadline <= now:
                    del self._readers[request_id]
                    self._answer_tail(now, request_id)
            self._settle_readers_deadline()
        if now >= self.in_sync.next_deadline:
            self.in_sync.tick(now)
            self._advance(now)  # a replica that was about to join may have stopped following

    def next_deadline(self) -> int:
        in_sync = self.in_sync
        soonest = in_sync.retry_at if in_sync.retry_at < in_sync.lag_deadline else in_sync.lag_deadline
        if self._readers_deadline < soonest:
            soonest = self._readers_deadline
        return soonest if soonest < self._produces.next_deadline else self._produces.next_deadline

    @property
    def produces_pending(self) -> int:
        return len(self._produces)

    def end(self, code: ErrorCode, message: str, leader: int, leader_epoch: int) -> None:
        """Answer everybody: pending acknowledgements fail with an unknown outcome, reads with ``code``."""
        self._produces.fail_all(message, leader, leader_epoch)
        for request_id in self._readers:
            self._out.put_reply(request_id, ErrorResponse(code, message, leader, leader_epoch))
        self._readers.clear()
        self._readers_deadline = NEVER

    def follower_statuses(self, now: int) -> tuple[FollowerStatus, ...]:
        end = self._log.end_offset
        return tuple(
            FollowerStatus(
                broker_id,
                follower.log_end,
                follower.counted_end,
                0 if follower.counted_end >= end else max(now - max(follower.caught_up_at, self._since), 1),
            )
            for broker_id, follower in sorted(self.in_sync.followers.items())
        )
