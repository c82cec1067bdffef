"""One leading replica, step by step: refusals, limits, long polls, roles."""

from __future__ import annotations

import pytest
from replica_bench import ALONE, MS, TRIO, Bench, P

from skerry_broker.core.api import ErrorCode, FetchResponse, ListOffsetsResponse, ProduceResponse
from skerry_broker.core.messages import (
    AssignEpoch,
    CreateLog,
    DeleteLog,
    LogRead,
    ServeClient,
    ServeOffsets,
    TruncateLog,
)
from skerry_broker.core.replica_log import NEVER
from skerry_broker.core.types import Acks, EpochStart, FlushMode


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
