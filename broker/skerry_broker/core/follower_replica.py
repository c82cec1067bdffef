"""The following replica of one partition in one leader epoch: fetches, truncates what diverged, appends.

On becoming a follower the log is kept as it is. What of it is wrong, the leader's answer tells: it compares the epoch
of the follower's last record with its own epochs and names the largest common one (KIP-101, KIP-595). A few rounds may
be needed when both sides wrote in several epochs that the other has not seen (KIP-279).
"""

from __future__ import annotations

from skerry_broker.core.api import ErrorCode
from skerry_broker.core.in_sync import PartitionView
from skerry_broker.core.peer_messages import FetchedPartition, FetchPartition
from skerry_broker.core.replica_log import ReplicaLog
from skerry_broker.core.types import EpochStart, TopicPartition


class FollowerReplica:
    """Invariant: with ``verified``, the whole log is a prefix of the leader's. Only then is a durable end reported on
    its own: before, the disk may be catching up with records that the leader will have truncated."""

    def __init__(self, partition: TopicPartition, topic_id: str, log: ReplicaLog, view: PartitionView) -> None:
        self._partition = partition
        self._topic_id = topic_id
        self._log = log
        self.leader = view.leader
        self.epoch = view.leader_epoch
        # Records of an epoch before the last unclean election may be gone for good, committed or not.
        self._unclean = view.unclean_epoch > log.epochs.latest or view.recovering
        self.verified = False
        log.drop_empty_epoch()

    def fetch_position(self) -> FetchPartition:
        log = self._log
        return FetchPartition(
            self._partition, self._topic_id, self.epoch, log.end_offset, log.last_record_epoch, log.counted_end
        )

    def fetched(self, now: int, asked: FetchPartition, answer: FetchedPartition) -> None:
        """``asked`` is the position that this answers; if the log has moved since, the answer is stale and ignored
        (KAFKA-7786, KAFKA-8429: a late answer truncated what a newer one had appended)."""
        log = self._log
        if (
            answer.leader_epoch != self.epoch
            or asked.leader_epoch != self.epoch
            or asked.fetch_offset != log.end_offset
            or asked.last_fetched_epoch != log.last_record_epoch
        ):
            return
        if answer.error is ErrorCode.OFFSET_OUT_OF_RANGE:
            self._out_of_range(answer)
            return
        if answer.error is not ErrorCode.NONE:
            return
        if answer.diverging is not None:
            # Before anything else, and the high watermark of this answer is not looked at: it counts the leader's
            # records, not the ones that are here now (KAFKA-14704).
            self._truncate_to(answer.diverging)
            return
        if log.start_offset < answer.log_start_offset == log.end_offset:
            # Retention has taken everything that could be compared from the leader, and with it the true start of the
            # epoch that follows: the tail here may differ from what the leader had in its place.
            log.reset(answer.log_start_offset)
        if answer.batches:
            if answer.batches[0].base_offset != log.end_offset:
                return
            log.append(answer.batches)
        self.verified = True
        self._unclean = False
        log.commit(now, answer.high_watermark)
        if answer.log_start_offset > log.start_offset:
            log.advance_start(answer.log_start_offset)

    def _truncate_to(self, diverging: EpochStart) -> None:
        """Cut to where the largest epoch that both know ends, on the side where it ends first."""
        log = self._log
        mine = log.epochs.end_offset_for(diverging.epoch, log.end_offset)
        if mine is None:
            end = diverging.start_offset
        elif mine.epoch == diverging.epoch:
            end = min(mine.start_offset, diverging.start_offset)
        else:
            end = mine.start_offset  # the leader's epoch is not here at all: the next round goes on below it
        log.truncate(end, "epoch", unclean=self._unclean)

    def _out_of_range(self, answer: FetchedPartition) -> None:
        log = self._log
        if answer.log_end_offset < log.end_offset:
            log.truncate(answer.log_end_offset, "epoch", unclean=self._unclean)
        elif answer.log_start_offset > log.end_offset:
            log.reset(answer.log_start_offset)  # retention has removed what this replica would have to fetch
