"""Both ends of the replica fetch: the follower's loop, and the leader's long poll."""

from __future__ import annotations

from collections.abc import Mapping

from skerry_broker.core.api import ErrorCode
from skerry_broker.core.messages import LogRead, ServePeer
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.peer_messages import (
    FetchedPartition,
    FetchPartition,
    ReplicaFetch,
    ReplicaFetched,
    ReplicaProgress,
)
from skerry_broker.core.replica import PartitionReplica
from skerry_broker.core.replica_log import NEVER
from skerry_broker.core.types import NodeConfig, TopicPartition

_MS = 1_000_000
_NONE = ErrorCode.NONE
BACKOFF_NS = 25 * _MS
"""Before a partition that was refused is asked for again: often the leader has yet to apply its election."""
LATE_NS = 300 * _MS
"""A fetch unanswered so long after its wait is taken for lost and sent anew; doubled for the first that were late."""
_LATES_MAX = 4
_DOUBLINGS_MAX = 2
"""How often the time allowed is doubled: up to 1.2 s. Nothing but an answer tells a follower that its link is whole
again, so this is also how long it may sleep through the end of a cut (5 s were seen, with four doublings); less is
asked for nevertheless."""
_ASKED_KEPT = 4
_BYTES_MIN = 1 << 16
_FETCHES_PER_REGISTRATION_BITS = 32


class FollowerFetcher:
    """Follower side, one per leader broker: at most one fetch in flight for all partitions followed from it.

    Invariant: of an answer each partition is used only if that replica still stands where it asked from (KAFKA-7786).
    So the answer to a fetch that was given up may still be used: on a link slower than the time allowed no fetch
    would ever succeed otherwise. There, more time is allowed and less is asked for, fetch by fetch.
    """

    def __init__(
        self, config: NodeConfig, leader: int, replicas: Mapping[TopicPartition, PartitionReplica], out: Outbox
    ) -> None:
        self._config = config
        self._leader = leader
        self._replicas = replicas
        self._out = out
        self._followed: dict[TopicPartition, int] = {}  # partition -> not to be asked for before
        self._asked: dict[int, dict[TopicPartition, FetchPartition]] = {}  # the last few fetches, by request id
        self._reported: dict[TopicPartition, int] = {}  # durable end that the leader was told in this epoch
        self._request_id = 0
        self._in_flight = False
        self._late_at = NEVER
        self._lates = 0
        self._silent_from = NEVER

    def follow(self, now: int, partition: TopicPartition) -> None:
        """Also after every change of the leader epoch. A fetch in flight does not hold it up: the leader is asked
        again at once, and the former answer will be stale."""
        self._followed[partition] = now
        self._reported.pop(partition, None)
        self._in_flight = False
        self._late_at = NEVER

    def unfollow(self, now: int, partition: TopicPartition) -> None:
        self._followed.pop(partition, None)
        self._reported.pop(partition, None)
        if not self._followed:
            self._in_flight = False
            self._late_at = self._silent_from = NEVER

    def poll(self, now: int, broker_epoch: int) -> None:
        """Send the next fetch and the progress that is due, if any. Call at the end of every step."""
        if not self._followed:
            return
        if self._in_flight and now >= self._late_at:
            self._in_flight = False
            self._lates = min(self._lates + 1, _LATES_MAX)
        if not self._in_flight:
            self._fetch(now, broker_epoch)
        else:
            self._report(broker_epoch)

    def _fetch(self, now: int, broker_epoch: int) -> None:
        positions = []
        for partition, not_before in self._followed.items():
            replica = self._replicas.get(partition)
            if replica is None or not_before > now:
                continue
            position = replica.fetch_position()
            if position is None:  # offline, or about to be told of another leader
                self._followed[partition] = now + BACKOFF_NS
            else:
                positions.append(position)
        if not positions:
            return
        timing = self._config.timing
        wait_ms = timing.fetch_wait_ms
        if len(positions) < len(self._followed):
            wait_ms = min(wait_ms, BACKOFF_NS // _MS)  # the others must not wait for this long poll
        # Never the number of a former process: its answer may still be on the way, and what it says of another log
        # (diverging there) would be believed of this one. No two registrations share a broker epoch.
        self._request_id = max(self._request_id, max(broker_epoch, 0) << _FETCHES_PER_REGISTRATION_BITS) + 1
        self._in_flight = True
        self._late_at = now + wait_ms * _MS + (LATE_NS << min(self._lates, _DOUBLINGS_MAX))
        bytes_max = max(self._config.fetch_bytes_max >> self._lates, _BYTES_MIN)
        if self._silent_from == NEVER:
            self._silent_from = now + wait_ms * _MS
        self._asked[self._request_id] = {position.partition: position for position in positions}
        if len(self._asked) > _ASKED_KEPT:
            del self._asked[next(iter(self._asked))]
        for position in positions:
            self._reported[position.partition] = position.durable_end
        self._out.send(
            self._leader,
            ReplicaFetch(self._request_id, broker_epoch, tuple(positions), wait_ms, bytes_max),
        )

    def _report(self, broker_epoch: int) -> None:
        """Tell what has become durable since the fetch in flight was sent: the leader waits for it."""
        progress = []
        for partition, reported in self._reported.items():
            replica = self._replicas.get(partition)
            if replica is None or replica.following is None or not replica.following.verified:
                continue
            durable_end = replica.log.counted_end
            if durable_end > reported:
                progress.append((partition, replica.following.epoch, durable_end))
        if progress:
            for partition, _, durable_end in progress:
                self._reported[partition] = durable_end
            self._out.send(self._leader, ReplicaProgress(broker_epoch, tuple(progress)))

    def answered(self, now: int, message: ReplicaFetched) -> None:
        asked = self._asked.pop(message.request_id, None)
        if asked is None:
            return
        self._silent_from = NEVER
        if message.request_id == self._request_id and self._in_flight:
            self._in_flight = False
            self._late_at = NEVER
            self._lates = max(self._lates - 1, 0)
        for answer in message.partitions:
            position = asked.get(answer.partition)
            replica = self._replicas.get(answer.partition)
            if position is None or replica is None or answer.partition not in self._followed:
                continue
            if answer.error is not _NONE and answer.error is not ErrorCode.OFFSET_OUT_OF_RANGE:
                self._followed[answer.partition] = now + BACKOFF_NS
            else:
                replica.fetched(now, position, answer)

    def unreachable_ms(self, now: int) -> int:
        """How long the leader has been silent beyond the wait that was allowed to it; 0 while it answers (I-LIV-3).

        The wait is not held against it: with 200 ms of round trip every long poll would look like a failure.
        """
        return max(now - self._silent_from, 0) // _MS

    def next_deadline(self) -> int:
        """When `poll` has something to do of itself; `NEVER` while nothing is followed."""
        if not self._followed:
            return NEVER
        if self._in_flight:
            return self._late_at
        return min(self._followed.values())


class _Parked:
    __slots__ = ("deadline", "message")

    def __init__(self, message: ReplicaFetch, deadline: int) -> None:
        self.message = message
        self.deadline = deadline


class FetchWaits:
    """Leader side: parks the replica fetches that have nothing to tell yet, at most one per follower.

    A parked fetch is answered when one of its partitions got data or lost its leader (`wake`), or when its wait is
    over; so a follower learns a higher high watermark within its wait at the latest.

    Invariant: ``next_deadline`` is the least deadline of what is parked. Until then `poll` has nothing to do unless
    something is in ``woken``.
    """

    def __init__(self, replicas: Mapping[TopicPartition, PartitionReplica], out: Outbox) -> None:
        self._replicas = replicas
        self._out = out
        self._parked: dict[int, _Parked] = {}
        self.woken: set[TopicPartition] = set()
        self.next_deadline = NEVER

    def arrived(self, now: int, follower: int, message: ReplicaFetch) -> None:
        if self._parked.pop(follower, None) is not None:
            self._settle_deadline()
        answers: list[tuple[FetchedPartition, LogRead | None] | None] = []
        bytes_each = _bytes_each(message)
        for asked in message.partitions:
            replica = self._replicas.get(asked.partition)
            if replica is None:
                answers.append((_unknown(asked), None))
            else:
                answers.append(replica.replica_fetch(now, follower, message.broker_epoch, asked, bytes_each))
        if message.wait_ms > 0 and answers.count(None) == len(answers):
            parked = self._parked[follower] = _Parked(message, now + message.wait_ms * _MS)
            if parked.deadline < self.next_deadline:
                self.next_deadline = parked.deadline
            return
        self._answer(follower, message, answers)

    def wake(self, partition: TopicPartition) -> None:
        if self._parked:
            self.woken.add(partition)

    def poll(self, now: int) -> None:
        """Answer what was woken or is overdue. Call at the end of every step and at ``next_deadline``."""
        if not self._parked:
            self.woken.clear()
            return
        for follower, parked in list(self._parked.items()):
            if parked.deadline <= now or self._is_woken(parked):
                del self._parked[follower]
                self._answer(follower, parked.message, [None] * len(parked.message.partitions))
        self.woken.clear()
        self._settle_deadline()

    def _is_woken(self, parked: _Parked) -> bool:
        woken = self.woken
        if woken:
            for asked in parked.message.partitions:
                if asked.partition in woken:
                    return True
        return False

    def _settle_deadline(self) -> None:
        self.next_deadline = min((parked.deadline for parked in self._parked.values()), default=NEVER)

    def _answer(
        self, follower: int, message: ReplicaFetch, answers: list[tuple[FetchedPartition, LogRead | None] | None]
    ) -> None:
        fetched: list[FetchedPartition] = []
        reads: list[LogRead | None] = []
        bytes_each = _bytes_each(message)
        for asked, answer in zip(message.partitions, answers, strict=True):
            if answer is None:
                replica = self._replicas.get(asked.partition)
                answer = (_unknown(asked), None) if replica is None else replica.replica_answer(asked, bytes_each)
            fetched.append(answer[0])
            reads.append(answer[1])
        self._out.put(ServePeer(follower, ReplicaFetched(message.request_id, tuple(fetched)), tuple(reads)))


def _bytes_each(message: ReplicaFetch) -> int:
    """The core does not know how large a read will be: an even share for each partition, so that none starves."""
    return max(message.bytes_max // max(len(message.partitions), 1), 1)


def _unknown(asked: FetchPartition) -> FetchedPartition:
    return FetchedPartition(asked.partition, asked.leader_epoch, ErrorCode.UNKNOWN_TOPIC, -1, -1, -1)
