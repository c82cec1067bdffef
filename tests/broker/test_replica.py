"""One leading replica, step by step: refusals, limits, long polls, roles."""

from __future__ import annotations

import pytest

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
from skerry_broker.core.messages import (
    AdvanceLogStart,
    AppendLog,
    AssignEpoch,
    Checkpoint,
    CreateLog,
    DeleteLog,
    DiskEffect,
    Effect,
    LogRead,
    Reply,
    ResetLog,
    ServeClient,
    ServeOffsets,
    TruncateLog,
)
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.peer_messages import (
    AlterPartition,
    AlterPartitionReply,
    AlterResult,
    FetchedPartition,
    FetchPartition,
)
from skerry_broker.core.replica import BrokerView, CommittedDataLost, PartitionReplica, PartitionView, ReplicaPorts
from skerry_broker.core.replica_log import NEVER
from skerry_broker.core.types import Acks, Batch, EpochStart, FlushMode, NodeConfig, RecoveredLog, TopicPartition

P = TopicPartition("orders", 0)
MS = 1_000_000
ALONE = PartitionView(1, 1, 1, (1, 2, 3), (1,), 1)
TRIO = PartitionView(1, 1, 1, (1, 2, 3), (1, 2, 3), 2)


class Bench:
    def __init__(
        self,
        view: PartitionView | None = ALONE,
        *,
        flush: FlushMode = FlushMode.GROUP,
        recovered: RecoveredLog | None = None,
        pending_max: int = 100,
    ) -> None:
        self.now = 0
        self.lease = True
        self.alters: list[AlterPartition] = []
        self.brokers = {n: BrokerView(10 + n, True) for n in (1, 2, 3)}
        self.out = Outbox()
        config = NodeConfig(1, (1, 2, 3), flush=flush, pending_produces_max=pending_max)
        ports = ReplicaPorts(
            self.out, lambda now: self.lease, self.alters.append, lambda p: None, self.brokers, lambda: 11
        )
        self.replica = PartitionReplica(config, P, "t1", recovered, ports)
        self.effects: list[Effect] = []
        self.requests = 0
        if view is not None:
            self.become(view)

    def become(self, view: PartitionView, *, may_lead: bool = True) -> None:
        self.replica.become(self.now, view, may_lead=may_lead)
        self.take()

    def take(self) -> list[Effect]:
        taken = self.out.take()
        self.effects += taken
        return taken

    def disk(self) -> list[DiskEffect]:
        kinds = (CreateLog, AppendLog, TruncateLog, ResetLog, AssignEpoch, AdvanceLogStart, DeleteLog)
        return [effect for effect in self.effects if isinstance(effect, kinds)]

    def produce(self, acks: Acks = Acks.ALL, *, count: int = 1, data: bytes = b"x", timeout_ms: int = 1000) -> int:
        self.requests += 1
        request = ProduceRequest("orders", 0, Batch(-1, -1, count, data), acks, timeout_ms)
        self.replica.produce(self.now, self.requests, request)
        self.take()
        return self.requests

    def fetch(self, offset: int, wait_ms: int = 0) -> int:
        self.requests += 1
        self.replica.fetch(self.now, self.requests, FetchRequest("orders", 0, offset, wait_ms))
        self.take()
        return self.requests

    def offsets(self, at: int | None = None) -> int:
        self.requests += 1
        self.replica.list_offsets(self.now, self.requests, ListOffsetsRequest("orders", 0, at))
        self.take()
        return self.requests

    def flush(self) -> None:
        self.replica.flushed(self.now, 1 << 40)
        self.take()

    def tick(self, at_ms: int) -> None:
        self.now = at_ms * MS
        self.replica.tick(self.now)
        self.take()

    def reply(self, request_id: int) -> object:
        """The response, the read, or None while there is none."""
        found: list[object] = []
        for effect in self.effects:
            if isinstance(effect, Reply) and effect.request_id == request_id:
                found.append(effect.response)
            elif isinstance(effect, ServeClient | ServeOffsets) and effect.request_id == request_id:
                found.append(effect)
        assert len(found) <= 1, "answered twice"
        return found[0] if found else None

    def code(self, request_id: int) -> ErrorCode | None:
        response = self.reply(request_id)
        return response.error if isinstance(response, ErrorResponse) else None

    def follow(self, follower: int, offset: int, durable: int, *, epoch: int | None = None, last: int = 1) -> object:
        asked = FetchPartition(P, "t1", 1, offset, last if offset else -1, durable)
        result = self.replica.replica_fetch(self.now, follower, 10 + follower if epoch is None else epoch, asked, 1000)
        self.take()
        return result


def test_an_epoch_is_entered_before_there_is_data() -> None:
    """As KAFKA-7415 taught."""
    assert Bench().disk() == [CreateLog(1, P, "t1"), AssignEpoch(2, P, EpochStart(1, 0))]


def test_acknowledged_when_durable() -> None:
    bench = Bench()
    leader, everybody = bench.produce(Acks.LEADER), bench.produce(Acks.ALL)
    assert bench.reply(leader) is None
    bench.flush()
    assert bench.reply(leader) == ProduceResponse(0, 1, 1)
    assert bench.reply(everybody) == ProduceResponse(1, 1, 1)


@pytest.mark.parametrize("flush", [FlushMode.INTERVAL, FlushMode.NONE])
def test_weaker_flush_modes_do_not_wait_for_the_disk(flush: FlushMode) -> None:
    bench = Bench(flush=flush)
    assert bench.reply(bench.produce(Acks.ALL)) == ProduceResponse(0, 1, 1)
    assert bench.replica.log.durable_end == 0
    for _ in range(3000):
        bench.produce(Acks.NONE)
    bench.flush()
    assert bench.replica.log.durable_end == 3001


def test_overloaded() -> None:
    bench = Bench(pending_max=2)
    bench.produce()
    bench.produce()
    assert bench.code(bench.produce()) is ErrorCode.OVERLOADED
    assert bench.replica.produces_pending == 2
    bench.flush()
    assert bench.code(bench.produce()) is None


@pytest.mark.parametrize("acks", list(Acks))
def test_no_lease_no_append(acks: Acks) -> None:
    bench = Bench()
    bench.lease = False
    assert bench.code(bench.produce(acks)) is ErrorCode.LEASE_EXPIRED
    assert bench.replica.log.end_offset == 0
    assert [e.labels for e in bench.effects if getattr(e, "name", "") == "broker_fenced_produce_rejections_total"] == [
        (acks.value,)
    ]


@pytest.mark.parametrize("acks", [Acks.LEADER, Acks.ALL])
def test_the_lease_is_asked_again_at_the_answer(acks: Acks) -> None:
    """I-SAF-10: after SIGCONT the flush may be reported before any timer has noticed the lapse."""
    bench = Bench()
    request = bench.produce(acks)
    bench.lease = False
    bench.flush()
    assert bench.code(request) is ErrorCode.LEADERSHIP_LOST


def test_lease_lost_answers_everybody_and_keeps_the_role() -> None:
    bench = Bench()
    write, read = bench.produce(), bench.fetch(0, wait_ms=1000)
    bench.replica.lease_lost(0)
    bench.take()
    assert (bench.code(write), bench.code(read)) == (ErrorCode.LEADERSHIP_LOST, ErrorCode.LEASE_EXPIRED)
    bench.flush()
    assert bench.code(bench.produce()) is None


def test_a_tail_read_waits_for_data() -> None:
    bench = Bench()
    at_once, waiting, patient = bench.fetch(0), bench.fetch(0, 1000), bench.fetch(1, 100)
    assert bench.reply(at_once) == FetchResponse(0, 0, 1, 1)
    assert bench.code(patient) is ErrorCode.OFFSET_OUT_OF_RANGE
    bench.produce()
    assert bench.reply(waiting) is None, "not committed"
    bench.flush()
    answer = bench.reply(waiting)
    assert isinstance(answer, ServeClient)
    assert answer.read == LogRead(P, 0, 1, 1 << 20)
    assert answer.response.high_watermark == 1


def test_a_tail_read_is_answered_at_its_deadline_if_the_lease_holds() -> None:
    bench = Bench()
    first, second = bench.fetch(0, 100), bench.fetch(0, 200)
    assert bench.replica.next_deadline == 100 * MS
    bench.tick(100)
    assert bench.reply(first) == FetchResponse(0, 0, 1, 1)
    bench.lease = False
    bench.tick(200)
    assert bench.code(second) is ErrorCode.LEASE_EXPIRED


def test_nothing_at_or_above_the_high_watermark_is_served() -> None:
    bench = Bench(TRIO)
    bench.produce()
    bench.flush()
    assert bench.replica.log.end_offset == 1
    assert bench.reply(bench.fetch(0)) == FetchResponse(0, 0, 1, 1)


def test_offsets() -> None:
    bench = Bench()
    assert bench.reply(bench.offsets()) == ListOffsetsResponse(0, 0, 1, 1)
    assert bench.reply(bench.offsets(5)) == ServeOffsets(2, ListOffsetsResponse(0, 0, 1, 1), P, 5)
    bench.lease = False
    assert bench.code(bench.offsets()) is ErrorCode.LEASE_EXPIRED


def test_a_gone_client_is_not_answered() -> None:
    bench = Bench()
    write, read = bench.produce(), bench.fetch(0, 1000)
    bench.replica.client_gone(write)
    bench.replica.client_gone(read)
    assert bench.replica.produces_pending == 0
    bench.flush()
    bench.tick(2000)
    assert (bench.reply(write), bench.reply(read)) == (None, None)
    assert bench.replica.log.high_watermark == 1, "the append stands"


def test_a_write_not_replicated_in_time_is_unknown() -> None:
    bench = Bench(TRIO)
    first, second = bench.produce(timeout_ms=100), bench.produce(timeout_ms=900)
    bench.flush()
    bench.tick(100)
    assert bench.code(first) is ErrorCode.TIMED_OUT
    assert bench.reply(second) is None


def test_the_log_goes_offline_after_a_disk_error() -> None:
    """I-SAF-9: and no flush that comes later counts."""
    bench = Bench()
    write, read = bench.produce(), bench.fetch(0, 1000)
    bench.replica.disk_failed(0)
    bench.flush()
    assert (bench.code(write), bench.code(read)) == (ErrorCode.LEADERSHIP_LOST, ErrorCode.LOG_OFFLINE)
    bench.become(ALONE._replace(leader_epoch=2, partition_epoch=2))
    assert bench.code(bench.produce()) is ErrorCode.LOG_OFFLINE
    bench.become(TRIO._replace(leader=2, leader_epoch=3, partition_epoch=3))
    assert bench.replica.fetch_position() is None
    assert bench.replica.next_deadline == NEVER


def test_before_its_registration_a_broker_does_not_lead() -> None:
    """KAFKA-10527: the metadata may still name it leader of the epoch in which its former process led."""
    bench = Bench(None)
    bench.become(ALONE, may_lead=False)
    assert bench.code(bench.produce()) is ErrorCode.NOT_LEADER
    assert not [effect for effect in bench.disk() if isinstance(effect, AssignEpoch)]


def test_older_metadata_is_ignored() -> None:
    bench = Bench()
    bench.become(TRIO._replace(leader=2, partition_epoch=0))
    assert bench.code(bench.produce()) is None


def test_stepping_down_gives_an_empty_epoch_back() -> None:
    """At the offset where epoch 1 would have started, epoch 0's records may still come."""
    bench = Bench()
    bench.become(TRIO._replace(leader=2, leader_epoch=2, partition_epoch=2))
    assert bench.replica.log.epochs.entries == ()
    assert bench.disk()[-1] == TruncateLog(3, P, 0)
    assert bench.replica.log.truncations == 0


def test_removed() -> None:
    bench = Bench()
    write = bench.produce()
    bench.replica.remove(0)
    bench.take()
    assert bench.code(write) is ErrorCode.LEADERSHIP_LOST
    assert isinstance(bench.disk()[-1], DeleteLog)


# --- followers' fetches -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"topic_id": "t0"}, ErrorCode.UNKNOWN_TOPIC),
        ({"leader_epoch": 0}, ErrorCode.FENCED_LEADER_EPOCH),
        ({"leader_epoch": 2}, ErrorCode.UNKNOWN_LEADER_EPOCH),
        ({"leader_epoch": 2, "fetch_offset": 99}, ErrorCode.UNKNOWN_LEADER_EPOCH),  # epochs first
        ({"fetch_offset": 99, "last_fetched_epoch": -1}, ErrorCode.OFFSET_OUT_OF_RANGE),
        ({"last_fetched_epoch": 7}, ErrorCode.OFFSET_OUT_OF_RANGE),
        ({}, None),
    ],
)
def test_checks_of_a_fetch(change: dict[str, object], error: ErrorCode | None) -> None:
    bench = Bench(TRIO)
    bench.produce()
    fields = {
        "topic_id": "t1",
        "leader_epoch": 1,
        "fetch_offset": 1,
        "last_fetched_epoch": 1,
        "durable_end": 1,
    } | change
    result = bench.replica.replica_fetch(0, 2, 12, FetchPartition(P, **fields), 1000)  # type: ignore[arg-type]
    assert (None if result is None else result[0].error) is error
    follower = bench.replica.leading.in_sync.followers[2]  # type: ignore[union-attr]
    assert follower.log_end == (1 if error is None else -1), "a wrong fetch is no progress"


@pytest.mark.parametrize(("follower", "epoch"), [(2, 11), (9, 19)])
def test_an_invalid_replica(follower: int, epoch: int) -> None:
    """An earlier process's fetch (KAFKA-15221); a broker that is no replica (KAFKA-14078)."""
    result = Bench(TRIO).follow(follower, 0, 0, epoch=epoch)
    assert isinstance(result, tuple)
    assert result[0].error is ErrorCode.INVALID_REQUEST


def test_diverging_is_no_progress() -> None:
    bench = Bench(TRIO._replace(leader_epoch=1))
    bench.produce()
    bench.become(TRIO._replace(leader_epoch=3, partition_epoch=2))
    asked = FetchPartition(P, "t1", 3, 2, 2, 2)
    result = bench.replica.replica_fetch(0, 2, 12, asked, 1000)
    assert result is not None
    assert result[0].diverging == EpochStart(1, 1)
    assert bench.replica.leading.in_sync.followers[2].counted_end == -1  # type: ignore[union-attr]


def test_progress_counts_only_what_was_proven_equal() -> None:
    bench = Bench(TRIO)
    bench.produce()
    bench.flush()
    for follower in (2, 3):
        bench.follow(follower, 0, 0)
        bench.replica.progress(0, follower, 10 + follower, 1, 1)
    assert bench.replica.log.high_watermark == 0
    bench.follow(2, 1, 0)
    bench.follow(3, 1, 0)
    assert bench.replica.log.high_watermark == 1


def test_a_hanging_disk_leaves_the_isr() -> None:
    """It fetches and fetches, and nothing becomes durable."""
    bench = Bench(TRIO)
    bench.produce()
    bench.flush()
    for ms in range(0, 1501, 100):
        bench.now = ms * MS
        bench.follow(2, 1, 1)
        bench.follow(3, 1, 0)
    assert bench.alters == []
    bench.tick(1501)
    assert [member for member, _ in bench.alters[0].isr] == [1, 2]


def test_always_two_fetches_behind_is_caught_up() -> None:
    bench = Bench(TRIO)
    for turn in range(60):
        bench.now = turn * 100 * MS
        bench.produce(Acks.LEADER)
        bench.flush()
        for follower in (2, 3):
            offset = max(turn - 2, 0)
            bench.follow(follower, offset, offset)
        bench.tick(turn * 100)
    assert bench.alters == []


def test_a_replica_about_to_join_does_not_hold_the_high_watermark_for_ever() -> None:
    """KAFKA-15021 and its kin: it was caught up, then it stopped."""
    bench = Bench(ALONE._replace(isr=(1, 2)))
    bench.brokers[3] = BrokerView(13, True)
    bench.follow(3, 0, 0)
    assert len(bench.alters) == 1
    bench.become(ALONE._replace(isr=(1, 2), partition_epoch=2))  # the proposal was overtaken
    bench.produce()
    bench.flush()
    bench.follow(2, 1, 1)
    assert bench.replica.log.high_watermark == 0
    bench.brokers[3] = BrokerView(13, False)
    bench.alters.clear()
    bench.become(ALONE._replace(isr=(1, 2), partition_epoch=3))
    assert bench.replica.log.high_watermark == 1


@pytest.mark.parametrize(
    ("result", "retried"),
    [
        (AlterResult.ACCEPTED, True),
        (AlterResult.NOT_CONTROLLER, True),
        (AlterResult.INVALID_UPDATE_VERSION, True),
        (AlterResult.UNKNOWN_PARTITION, True),
        (AlterResult.INELIGIBLE_REPLICA, False),
        (AlterResult.INVALID_REQUEST, False),
    ],
)
def test_replies_to_a_proposal(result: AlterResult, retried: bool) -> None:
    bench = Bench(ALONE)
    bench.follow(2, 0, 0)
    (request,) = bench.alters
    assert request.isr == ((1, 11), (2, 12))
    bench.replica.alter_reply(0, AlterPartitionReply(P, 1, 0, result))  # of an older one: ignored
    bench.replica.alter_reply(0, AlterPartitionReply(P, 1, 1, result))
    bench.tick(200)
    again = bench.alters[1]
    assert (again == request) == retried
    if not retried:
        assert again.isr == ((1, 11),), "what voids the copies of the refused one"
    assert 2 in bench.replica.leading.in_sync.maximal  # type: ignore[union-attr]


# --- as a follower ---------------------------------------------------------------------------------------------


def found(start: int, end: int, high_watermark: int, epochs: tuple[tuple[int, int], ...]) -> RecoveredLog:
    return RecoveredLog(P, "t1", start, end, high_watermark, tuple(EpochStart(*e) for e in epochs), (), True)


FOLLOW = PartitionView(2, 5, 9, (1, 2, 3), (2, 3), 2)


def answer(**fields: object) -> FetchedPartition:
    base: dict[str, object] = {
        "partition": P,
        "leader_epoch": 5,
        "error": ErrorCode.NONE,
        "high_watermark": 0,
        "log_start_offset": 0,
        "log_end_offset": 100,
    }
    return FetchedPartition(**(base | fields))  # type: ignore[arg-type]


def following(recovered: RecoveredLog, **change: object) -> Bench:
    bench = Bench(None, recovered=recovered)
    bench.become(FOLLOW._replace(**change))  # type: ignore[arg-type]
    return bench


def give(bench: Bench, **fields: object) -> None:
    asked = bench.replica.fetch_position()
    assert asked is not None
    bench.replica.fetched(0, asked, answer(**fields))
    bench.take()


def test_becoming_a_follower_keeps_the_log() -> None:
    bench = following(found(0, 10, 4, ((1, 0), (2, 6))))
    assert bench.disk() == []
    assert bench.replica.fetch_position() == FetchPartition(P, "t1", 5, 10, 2, 10)


def test_truncates_by_epoch_and_ignores_that_answers_high_watermark() -> None:
    """As KAFKA-14704 taught."""
    bench = following(found(0, 10, 4, ((1, 0), (2, 6))))
    give(bench, diverging=EpochStart(1, 5), high_watermark=50)
    log = bench.replica.log
    assert (log.end_offset, log.high_watermark, log.epochs.entries) == (5, 4, (EpochStart(1, 0),))
    give(bench, high_watermark=50)
    assert log.high_watermark == 5


def test_never_below_the_high_watermark() -> None:
    bench = following(found(0, 10, 8, ((1, 0), (2, 6))))
    with pytest.raises(CommittedDataLost, match=r"orders-0: refusing to truncate to 5, below the high watermark 8"):
        give(bench, diverging=EpochStart(1, 5))


def test_below_the_high_watermark_after_an_unclean_election() -> None:
    bench = following(found(0, 10, 8, ((1, 0), (2, 6))), unclean_epoch=4)
    give(bench, diverging=EpochStart(1, 5))
    assert (bench.replica.log.end_offset, bench.replica.log.high_watermark) == (5, 5)


def test_behind_the_leaders_log_start() -> None:
    """KAFKA-9491: the high watermark is the new start."""
    bench = following(found(0, 10, 8, ((1, 0),)))
    give(bench, error=ErrorCode.OFFSET_OUT_OF_RANGE, log_start_offset=40)
    log = bench.replica.log
    assert (log.start_offset, log.end_offset, log.high_watermark, log.durable_end) == (40, 40, 40, 10)
    bench.flush()
    assert log.durable_end == 40
    assert bench.replica.fetch_position() == FetchPartition(P, "t1", 5, 40, -1, 40)


def test_a_follower_takes_over_the_log_start_up_to_its_high_watermark() -> None:
    bench = following(found(0, 10, 8, ((1, 0),)))
    give(bench, log_start_offset=9, high_watermark=8)
    assert bench.replica.log.start_offset == 8
    bench.replica.advance_log_start(0, 10)
    assert bench.replica.log.start_offset == 8, "retention is the leader's business"


def test_a_damaged_log_keeps_its_sound_prefix() -> None:
    damaged = RecoveredLog(P, "t1", 0, 6, 9, (EpochStart(1, 0),), (), False)
    bench = Bench(None, recovered=damaged)
    assert bench.take() == [TruncateLog(1, P, 6)]
    assert bench.replica.log.high_watermark == 6


def test_a_log_of_another_topic_is_replaced() -> None:
    bench = Bench(None, recovered=RecoveredLog(P, "t0", 0, 6, 6, (), (), True))
    assert bench.take() == [CreateLog(1, P, "t1")]


def test_the_high_watermark_is_checkpointed_now_and_then() -> None:
    bench = Bench()
    for _ in range(5):
        bench.produce()
        bench.flush()
    assert bench.replica.next_deadline == 1000 * MS
    bench.tick(1000)
    assert [e for e in bench.effects if isinstance(e, Checkpoint)] == [Checkpoint(P, 5)]
    assert bench.replica.next_deadline == NEVER
