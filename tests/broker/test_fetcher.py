"""The follower's fetch loop and the leader's long poll, over two replicas."""

from __future__ import annotations

from skerry_broker.core.api import ErrorCode, ProduceRequest
from skerry_broker.core.fetcher import FetchWaits, FollowerFetcher
from skerry_broker.core.messages import Send, ServePeer, TruncateLog
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.peer_messages import (
    AlterPartition,
    FetchedPartition,
    ReplicaFetch,
    ReplicaFetched,
    ReplicaProgress,
)
from skerry_broker.core.replica import BrokerView, PartitionReplica, PartitionView, ReplicaPorts
from skerry_broker.core.replica_log import NEVER
from skerry_broker.core.types import Acks, Batch, EpochStart, NodeConfig, RecoveredLog, TopicPartition

P = TopicPartition("orders", 0)
MS = 1_000_000
BROKERS = {1: BrokerView(11, True), 2: BrokerView(12, True)}
VIEW = PartitionView(1, 1, 1, (1, 2), (1, 2), 2)


class Pair:
    """Broker 1 leads, broker 2 follows; the test carries the messages."""

    def __init__(self) -> None:
        self.now = 0
        self.out = {1: Outbox(), 2: Outbox()}
        self.replicas: dict[int, dict[TopicPartition, PartitionReplica]] = {1: {}, 2: {}}
        self.waits = FetchWaits(self.replicas[1], self.out[1])
        alters: list[AlterPartition] = []
        for broker_id in (1, 2):
            ports = ReplicaPorts(
                self.out[broker_id],
                lambda now: True,
                alters.append,
                self.waits.wake if broker_id == 1 else lambda partition: None,
                BROKERS,
                lambda epoch=BROKERS[broker_id].broker_epoch: epoch,  # type: ignore[misc]
            )
            replica = PartitionReplica(NodeConfig(broker_id, (1, 2)), P, "t1", None, ports)
            replica.become(0, VIEW, may_lead=True)
            self.replicas[broker_id][P] = replica
        self.fetcher = FollowerFetcher(NodeConfig(2, (1, 2)), 1, self.replicas[2], self.out[2])
        self.fetcher.follow(0, P)
        self.batches: list[Batch] = []
        self.requests = 0

    def sent(self, kind: type) -> list[object]:
        self.fetcher.poll(self.now, 12)
        return [e.message for e in self.out[2].take() if isinstance(e, Send) and isinstance(e.message, kind)]

    def fetch(self) -> ReplicaFetch:
        (message,) = self.sent(ReplicaFetch)
        assert isinstance(message, ReplicaFetch)
        return message

    def serve(self, message: ReplicaFetch | None = None) -> list[ReplicaFetched]:
        """What the leader answers now, with the batches read."""
        if message is not None:
            self.waits.arrived(self.now, 2, message)
        self.waits.poll(self.now)
        answers = []
        for effect in self.out[1].take():
            if isinstance(effect, ServePeer):
                parts = []
                for part, read in zip(effect.message.partitions, effect.reads, strict=True):
                    found = (
                        ()
                        if read is None
                        else tuple(b for b in self.batches if read.start_offset <= b.base_offset < read.end_offset)
                    )
                    parts.append(FetchedPartition(*(getattr(part, f) for f in part.__struct_fields__[:-1]), found))
                answers.append(ReplicaFetched(effect.message.request_id, tuple(parts)))
        return answers

    def produce(self) -> None:
        self.requests += 1
        batch = Batch(-1, -1, 1, b"x")
        self.batches.append(batch.stamped(len(self.batches), 1))
        self.replicas[1][P].produce(self.now, self.requests, ProduceRequest("orders", 0, batch, Acks.ALL, 1000))

    def high_watermark(self, broker_id: int) -> int:
        return self.replicas[broker_id][P].log.high_watermark


def test_parked_until_there_is_data() -> None:
    pair = Pair()
    fetch = pair.fetch()
    assert fetch.wait_ms == 500
    assert pair.serve(fetch) == []
    assert pair.waits.next_deadline == 500 * MS
    assert pair.sent(ReplicaFetch) == [], "one in flight"
    pair.produce()
    pair.produce()
    (answer,) = pair.serve()  # both in one answer, at the end of the step
    pair.fetcher.answered(pair.now, answer)
    assert pair.replicas[2][P].log.end_offset == 2
    again = pair.fetch()  # at once: it proves how far the follower is
    assert again.partitions[0].fetch_offset == 2
    assert again.partitions[0].durable_end == 0


def test_progress_is_told_when_the_disk_has_caught_up() -> None:
    pair = Pair()
    fetch = pair.fetch()
    pair.serve(fetch)
    pair.produce()
    pair.replicas[1][P].flushed(0, 1 << 40)
    (answer,) = pair.serve()
    pair.fetcher.answered(0, answer)
    assert pair.serve(pair.fetch()) == []
    assert pair.sent(ReplicaProgress) == []
    pair.replicas[2][P].flushed(0, 1 << 40)
    (progress,) = pair.sent(ReplicaProgress)
    assert isinstance(progress, ReplicaProgress)
    assert progress.partitions == ((P, 1, 1),)
    assert pair.sent(ReplicaProgress) == [], "told once"
    pair.replicas[1][P].progress(0, 2, 12, 1, 1)
    assert pair.high_watermark(1) == 1
    # The high watermark alone wakes nobody (KAFKA-9952); the follower learns it at the end of its wait.
    assert pair.serve() == []
    pair.now = 500 * MS
    (answer,) = pair.serve()
    pair.fetcher.answered(pair.now, answer)
    assert pair.high_watermark(2) == 1


def test_a_late_fetch_is_sent_again_with_more_time_for_less() -> None:
    pair = Pair()
    first = pair.fetch()
    pair.produce()
    (late,) = pair.serve(first)
    assert pair.fetcher.next_deadline() == 800 * MS
    pair.now = 800 * MS
    second = pair.fetch()
    assert (second.request_id, second.bytes_max) == (first.request_id + 1, first.bytes_max // 2)
    assert pair.fetcher.next_deadline() == (800 + 500 + 600) * MS
    # On a link too slow for the time allowed, the late answer is the only one that ever comes: it counts, once.
    pair.fetcher.answered(pair.now, late)
    assert pair.replicas[2][P].log.end_offset == 1
    (answer,) = pair.serve(second)
    pair.fetcher.answered(pair.now, answer)
    pair.fetcher.answered(pair.now, answer)
    assert pair.replicas[2][P].log.end_offset == 1
    assert pair.fetch().bytes_max == first.bytes_max, "in time again"


def test_silence_counts_from_the_end_of_the_allowed_wait() -> None:
    pair = Pair()
    fetch = pair.fetch()
    assert pair.fetcher.unreachable_ms(400 * MS) == 0
    assert pair.fetcher.unreachable_ms(700 * MS) == 200
    pair.now = 800 * MS
    pair.fetch()
    assert pair.fetcher.unreachable_ms(1300 * MS) == 800, "asking again does not make it answer"
    pair.fetcher.answered(pair.now, ReplicaFetched(fetch.request_id, ()))
    assert pair.fetcher.unreachable_ms(1300 * MS) == 0


def test_a_refusal_backs_off() -> None:
    pair = Pair()
    fetch = pair.fetch()
    refusal = FetchedPartition(P, 1, ErrorCode.UNKNOWN_LEADER_EPOCH, 0, 0, 0)
    pair.fetcher.answered(0, ReplicaFetched(fetch.request_id, (refusal,)))
    assert pair.sent(ReplicaFetch) == []
    assert pair.fetcher.next_deadline() == 25 * MS
    pair.now = 25 * MS
    assert len(pair.sent(ReplicaFetch)) == 1


def test_a_deposed_leader_answers_at_once() -> None:
    pair = Pair()
    assert pair.serve(pair.fetch()) == []
    pair.replicas[1][P].become(0, VIEW._replace(leader=-1, leader_epoch=2, partition_epoch=2), may_lead=True)
    (answer,) = pair.serve()
    assert answer.partitions[0].error is ErrorCode.FENCED_LEADER_EPOCH


def test_unfollowed_is_not_asked_for() -> None:
    pair = Pair()
    pair.fetch()
    pair.fetcher.unfollow(0, P)
    assert pair.fetcher.next_deadline() == NEVER
    assert pair.fetcher.unreachable_ms(10_000 * MS) == 0
    pair.now = 10_000 * MS
    assert pair.sent(ReplicaFetch) == []


# --- when processes restart ------------------------------------------------------------------------------------


class Process:
    """A process of broker 2, which follows broker 1 in epoch 5."""

    def __init__(self, broker_epoch: int, end_offset: int, epochs: tuple[EpochStart, ...]) -> None:
        self.broker_epoch = broker_epoch
        self.out = Outbox(2)
        ports = ReplicaPorts(
            self.out,
            lambda now: True,
            lambda message: None,
            lambda partition: None,
            {1: BrokerView(11, True)},
            lambda: broker_epoch,
        )
        recovered = RecoveredLog(P, "t1", 0, end_offset, 0, epochs, (), True)
        config = NodeConfig(2, (1, 2))
        replica = PartitionReplica(config, P, "t1", recovered, ports)
        replica.become(0, PartitionView(1, 5, 9, (1, 2), (1, 2), 1), may_lead=True)
        self.fetcher = FollowerFetcher(config, 1, {P: replica}, self.out)
        self.fetcher.follow(0, P)

    def fetch(self) -> ReplicaFetch:
        self.fetcher.poll(0, self.broker_epoch)
        (effect,) = self.out.take()
        assert isinstance(effect, Send)
        assert isinstance(effect.message, ReplicaFetch)
        return effect.message


def diverging(request: ReplicaFetch, epoch: int, end_offset: int) -> ReplicaFetched:
    answer = FetchedPartition(P, 5, ErrorCode.NONE, 4, 0, 30, EpochStart(epoch, end_offset))
    return ReplicaFetched(request.request_id, (answer,))


def test_an_answer_to_a_former_process_is_not_taken_for_one_of_ours() -> None:
    """The former process had a tail that diverged after epoch 2; this one holds epochs 2 and 4, as the leader does. The
    late answer would cut epoch 4 off: records that this replica has reported as durable, and that count."""
    former = Process(20, 12, (EpochStart(2, 0), EpochStart(3, 8)))
    asked = former.fetch()
    now = Process(27, 20, (EpochStart(2, 0), EpochStart(4, 8)))
    fetch = now.fetch()
    now.fetcher.answered(0, diverging(asked, 2, 8))
    assert now.out.take() == []
    now.fetcher.answered(0, diverging(fetch, 4, 18))
    assert now.out.take()[-1] == TruncateLog(1, P, 18)
