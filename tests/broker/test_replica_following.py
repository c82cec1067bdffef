"""One following replica, step by step: what it truncates, and what it takes over."""

from __future__ import annotations

import pytest
from replica_bench import MS, Bench, P, answer, found

from skerry_broker.core.api import ErrorCode
from skerry_broker.core.messages import Checkpoint, CreateLog, TruncateLog
from skerry_broker.core.peer_messages import FetchPartition
from skerry_broker.core.replica import CommittedDataLost, PartitionView
from skerry_broker.core.replica_log import NEVER
from skerry_broker.core.types import EpochStart, RecoveredLog

FOLLOW = PartitionView(2, 5, 9, (1, 2, 3), (2, 3), 2)


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
