"""The replica fetch when processes restart."""

from __future__ import annotations

from skerry_broker.core.api import ErrorCode
from skerry_broker.core.fetcher import FollowerFetcher
from skerry_broker.core.in_sync import BrokerView, PartitionView, ReplicaPorts
from skerry_broker.core.messages import FetchedPartition, ReplicaFetch, ReplicaFetched, Send, TruncateLog
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.replica import PartitionReplica
from skerry_broker.core.types import EpochStart, NodeConfig, RecoveredLog, TopicPartition

P = TopicPartition("orders", 0)


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
