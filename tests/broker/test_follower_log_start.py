"""What a follower makes of a leader that has removed the beginning of its log."""

from __future__ import annotations

from skerry_broker.core.api import ErrorCode
from skerry_broker.core.follower_replica import FollowerReplica
from skerry_broker.core.in_sync import PartitionView
from skerry_broker.core.messages import AppendLog, ResetLog, TruncateLog
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.peer_messages import FetchedPartition
from skerry_broker.core.replica_log import ReplicaLog
from skerry_broker.core.types import Batch, EpochStart, FlushMode, RecoveredLog, TopicPartition

P = TopicPartition("orders", 0)
EPOCH = 4


def follower(end_offset: int) -> tuple[FollowerReplica, ReplicaLog, Outbox]:
    """Epoch 2 from 100 on; the leader's epoch 4 began at 102, but its log begins at 120 now."""
    out = Outbox(2)
    epochs = (EpochStart(0, 0), EpochStart(2, 100))
    log = ReplicaLog(P, "t1", RecoveredLog(P, "t1", 0, end_offset, 90, epochs, (), True), FlushMode.GROUP, out)
    view = PartitionView(1, EPOCH, 9, (1, 2), (1, 2), 1)
    return FollowerReplica(P, "t1", log, view), log, out


def answer(diverging: EpochStart | None = None, *batches: Batch) -> FetchedPartition:
    return FetchedPartition(P, EPOCH, ErrorCode.NONE, 130, 120, 140, diverging, batches)


def written(out: Outbox) -> list[object]:
    return [effect for effect in out.take() if isinstance(effect, AppendLog | ResetLog | TruncateLog)]


def test_a_tail_that_ends_where_the_leader_begins_is_dropped() -> None:
    """All that the leader can say of epoch 2 is that it ended by 120. It ended at 102: offsets 102 to 119 differ, and a
    replica that kept them would serve them as leader, should it crash before it has advanced its own start."""
    replica, log, out = follower(end_offset=120)
    batch = Batch(120, EPOCH, 2, b"x")
    replica.fetched(0, replica.fetch_position(), answer(None, batch))
    assert written(out) == [ResetLog(1, P, 120), AppendLog(2, P, (batch,))]
    assert (log.start_offset, log.end_offset) == (120, 122)
    assert log.epochs.entries == (EpochStart(EPOCH, 120),)


def test_a_longer_tail_is_cut_first() -> None:
    replica, log, out = follower(end_offset=196)
    replica.fetched(0, replica.fetch_position(), answer(EpochStart(2, 120)))
    assert written(out) == [TruncateLog(1, P, 120)]
    replica.fetched(0, replica.fetch_position(), answer())
    assert written(out) == [ResetLog(2, P, 120)]
    assert (log.start_offset, log.end_offset) == (120, 120)


def test_a_log_that_reaches_beyond_the_leaders_start_is_kept() -> None:
    replica, log, out = follower(end_offset=119)
    position = replica.fetch_position()
    replica.fetched(0, position, FetchedPartition(P, EPOCH, ErrorCode.NONE, 119, 110, 140))
    assert written(out) == []
    assert (log.start_offset, log.end_offset) == (110, 119)
