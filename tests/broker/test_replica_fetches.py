"""What a leader makes of its followers' fetches: checks, progress, who is in sync."""

from __future__ import annotations

import pytest
from replica_bench import ALONE, MS, TRIO, Bench, P

from skerry_broker.core.api import ErrorCode
from skerry_broker.core.peer_messages import AlterPartitionReply, AlterResult, FetchPartition
from skerry_broker.core.replica import BrokerView
from skerry_broker.core.types import Acks, EpochStart


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
