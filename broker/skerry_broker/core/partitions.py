"""All partition replicas of one broker, and the fetching between them and their leaders and followers.

The node hands it what it applied from the metadata log, what arrived for a partition, and what the disk reported;
it decides nothing about partitions itself, it only knows who must be told.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping

from skerry_broker.core.api import (
    ErrorCode,
    ErrorResponse,
    FetchRequest,
    ListOffsetsRequest,
    ProduceRequest,
)
from skerry_broker.core.fetcher import FetchWaits, FollowerFetcher
from skerry_broker.core.messages import DeleteLog
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.peer_messages import AlterPartitionReply, ReplicaFetch, ReplicaFetched, ReplicaProgress
from skerry_broker.core.replica import PartitionReplica, PartitionView, ReplicaPorts
from skerry_broker.core.status import PartitionStatus
from skerry_broker.core.types import NO_BROKER, NodeConfig, RecoveredLog, TopicPartition, Voter

FOREVER = 1 << 62
UNKNOWN = -1


class Partitions:
    """The replicas that the applied metadata assigns to this broker.

    Invariant 1: ``_fetchers[l]`` fetches exactly the partitions whose applied leader is ``l`` (another broker).
    Invariant 2: ``_deadlines`` holds the present deadline of every replica.
    Invariant 3: nothing is assigned, and no log that the start found is touched, before this process's own registration
    is applied (the node sees to it). The metadata log that is replayed until then is the past: it tells of a topic's
    creation before it tells that the topic was deleted and made anew, and only the last of the three is what the disk
    holds. And a log that was found lost must be found lost again by the next process, if this one dies before the
    controller has heard of it.
    Invariant 4: a fetcher whose leader is not in ``_dirty`` would find nothing to do before ``_quiet_until``. Only what
    happens to a replica that follows is its fetcher's business, and most steps of a broker are not: asking every
    fetcher after each of them was a fifth of the whole core's time. (`FetchWaits` knows by itself when it is woken.)
    Invariant 5: ``_soonest`` is the least of ``_deadlines``, or `UNKNOWN` until somebody asks.
    Invariant 6: unless ``stirred``, `poll` would find nothing to do before ``next_deadline``, and would leave it as it
    is. A step that concerns the cluster's metadata alone asks no further.
    """

    def __init__(self, config: NodeConfig, logs: Iterable[RecoveredLog], ports: ReplicaPorts) -> None:
        self._config = config
        self._ports = ports
        self._out: Outbox = ports.out
        self._recovered = {log.partition: log for log in logs}
        self.replicas: dict[TopicPartition, PartitionReplica] = {}
        self._leaders: dict[TopicPartition, int] = {}
        self._leader_epochs: dict[TopicPartition, int] = {}
        self._leaderless: set[TopicPartition] = set()
        self._fetchers: dict[int, FollowerFetcher] = {}
        self._deadlines: dict[TopicPartition, int] = {}
        self._soonest = FOREVER
        self._disk_failed = False
        self._dirty: set[int] = set()
        self._quiet_until = 0
        self.stirred = True
        self.next_deadline = 0
        """When `tick` or `poll` is due; settled by `poll`."""
        self.waits = FetchWaits(self.replicas, ports.out)

    # --- metadata ---------------------------------------------------------------------------------------

    def assign(self, now: int, partition: TopicPartition, topic_id: str, view: PartitionView, may_lead: bool) -> None:
        """The applied metadata says this of a partition that this broker holds a replica of."""
        replica = self.replicas.get(partition)
        if replica is not None and replica.topic_id != topic_id:
            self.unassign(now, partition)  # a snapshot: deleted and made anew, and nobody told us in between
            replica = None
        if replica is None:
            replica = self._begin(now, partition, topic_id)
            if replica is None:
                return
        replica.become(now, view, may_lead=may_lead)
        if view.leader == NO_BROKER:
            self._leaderless.add(partition)
        else:
            self._leaderless.discard(partition)
        self._follow(now, partition, view)
        self.touched(partition)

    def _begin(self, now: int, partition: TopicPartition, topic_id: str) -> PartitionReplica | None:
        found = self._recovered.get(partition)
        if found is not None and found.topic_id != topic_id:
            found = None  # of a topic of the same name that is gone
        if self._disk_failed and (found is None or not found.intact):
            return None  # nothing may be written here any more, not even an empty log (I-SAF-9)
        self._recovered.pop(partition, None)
        replica = PartitionReplica(self._config, partition, topic_id, found, self._ports)
        self.replicas[partition] = replica
        if self._disk_failed:
            replica.disk_failed(now)  # the disk failed before the metadata said that this replica exists
        return replica

    def drop_leftovers(self) -> None:
        """All partitions of this broker are assigned: what the start found besides them belongs to nobody."""
        leftovers = sorted(self._recovered)
        self._recovered.clear()
        if self._disk_failed:
            return
        for partition in leftovers:
            self._out.put(DeleteLog(self._out.next_write_id(), partition))

    def unassign(self, now: int, partition: TopicPartition) -> None:
        """The topic is gone, or this broker is no replica any more."""
        replica = self.replicas.pop(partition, None)
        if replica is None:
            return
        self._stop_following(now, partition)
        self._leaderless.discard(partition)
        self._deadlines.pop(partition, None)
        self._soonest = UNKNOWN
        self.stirred = True
        replica.remove(now)

    def _follow(self, now: int, partition: TopicPartition, view: PartitionView) -> None:
        leader = view.leader
        if self._leaders.get(partition, NO_BROKER) != leader:
            self._stop_following(now, partition)
        if leader in (NO_BROKER, self._config.broker_id):
            return
        if self._leaders.get(partition) == leader and self._leader_epochs[partition] == view.leader_epoch:
            return
        fetcher = self._fetchers.get(leader)
        if fetcher is None:
            fetcher = FollowerFetcher(self._config, leader, self.replicas, self._out)
            self._fetchers[leader] = fetcher
        fetcher.follow(now, partition)
        self._leaders[partition] = leader
        self._leader_epochs[partition] = view.leader_epoch

    def _stop_following(self, now: int, partition: TopicPartition) -> None:
        leader = self._leaders.pop(partition, None)
        if leader is not None:
            self.stirred = True
            self._dirty.add(leader)
            self._leader_epochs.pop(partition)
            self._fetchers[leader].unfollow(now, partition)

    def brokers_changed(self, now: int) -> None:
        for partition, replica in self.replicas.items():
            replica.brokers_changed(now)
            self.touched(partition)

    # --- requests and messages ----------------------------------------------------------------------------

    def serve(
        self,
        now: int,
        request_id: int,
        request: ProduceRequest | FetchRequest | ListOffsetsRequest,
        known: Container[TopicPartition],
    ) -> None:
        """A client's request for one partition; ``known``: all that the applied metadata has (anywhere)."""
        partition = TopicPartition(request.topic, request.partition)
        replica = self.replicas.get(partition)
        if replica is None:
            code = ErrorCode.NOT_LEADER if partition in known else ErrorCode.UNKNOWN_TOPIC
            message = f"broker {self._config.broker_id} holds no replica of {partition}"
            self._out.put_reply(request_id, ErrorResponse(code, message))
            return
        if isinstance(request, ProduceRequest):
            replica.produce(now, request_id, request)
        elif isinstance(request, FetchRequest):
            replica.fetch(now, request_id, request)
        else:
            replica.list_offsets(now, request_id, request)
        self.touched(partition)

    def client_gone(self, request_id: int) -> None:
        for replica in self.replicas.values():
            replica.client_gone(request_id)

    def fetch_arrived(self, now: int, follower: Voter, message: ReplicaFetch) -> None:
        self.stirred = True
        self.waits.arrived(now, follower.broker_id, message)
        for asked in message.partitions:
            self.touched(asked.partition)

    def progress_arrived(self, now: int, follower: Voter, message: ReplicaProgress) -> None:
        for partition, leader_epoch, durable_end in message.partitions:
            replica = self.replicas.get(partition)
            if replica is not None:
                replica.progress(now, follower.broker_id, message.broker_epoch, leader_epoch, durable_end)
                self.touched(partition)

    def fetched(self, now: int, leader: Voter, message: ReplicaFetched) -> None:
        fetcher = self._fetchers.get(leader.broker_id)
        if fetcher is not None:
            self.stirred = True
            self._dirty.add(leader.broker_id)
            fetcher.answered(now, message)
            for answer in message.partitions:
                self.touched(answer.partition)

    def altered(self, now: int, controller: Voter, reply: AlterPartitionReply) -> None:
        replica = self.replicas.get(reply.partition)
        if replica is not None:
            replica.alter_reply(now, reply)
            self.touched(reply.partition)

    # --- disk and time --------------------------------------------------------------------------------------

    def flushed(self, now: int, write_id: int) -> None:
        unflushed = self._out.unflushed
        for partition in list(unflushed):
            replica = self.replicas.get(partition)
            if replica is None or replica.offline:
                del unflushed[partition]
                continue
            replica.flushed(now, write_id)
            if not replica.log.unflushed:
                del unflushed[partition]
            self.touched(partition)

    def disk_failed(self, now: int) -> None:
        self._disk_failed = True
        self._each(lambda replica: replica.disk_failed(now))

    def lease_lost(self, now: int) -> None:
        self._each(lambda replica: replica.lease_lost(now))

    def advance_log_start(self, now: int, partition: TopicPartition, offset: int) -> None:
        replica = self.replicas.get(partition)
        if replica is not None:
            replica.advance_log_start(now, offset)
            self.touched(partition)

    def tick(self, now: int) -> None:
        if now < self._soonest:
            return
        due = [partition for partition, deadline in self._deadlines.items() if deadline <= now]
        for partition in due:
            self.replicas[partition].tick(now)
            self.touched(partition)

    def poll(self, now: int, broker_epoch: int) -> None:
        """The end of a step: answer the fetches that something was found for, and fetch on."""
        self.stirred = False
        waits = self.waits
        if waits.woken or now >= waits.next_deadline:
            waits.poll(now)
        dirty, overdue = self._dirty, now >= self._quiet_until
        if dirty or overdue:
            quiet_until = FOREVER
            for leader, fetcher in self._fetchers.items():
                if overdue or leader in dirty:
                    fetcher.poll(now, broker_epoch)
                deadline = fetcher.next_deadline()
                if deadline < quiet_until:
                    quiet_until = deadline
            dirty.clear()
            self._quiet_until = quiet_until
        soonest = self._soonest
        if soonest == UNKNOWN:
            soonest = self._soonest = min(self._deadlines.values(), default=FOREVER)
        if self._quiet_until < soonest:
            soonest = self._quiet_until
        self.next_deadline = waits.next_deadline if waits.next_deadline < soonest else soonest

    def touched(self, partition: TopicPartition) -> None:
        """Keep invariants 2, 4, 5 and 6."""
        self.stirred = True
        leader = self._leaders.get(partition)
        if leader is not None:
            self._dirty.add(leader)
        replica = self.replicas.get(partition)
        if replica is not None:
            deadline = replica.next_deadline
            before = self._deadlines.get(partition)
            if deadline != before:
                self._deadlines[partition] = deadline
                if deadline <= self._soonest:
                    self._soonest = deadline
                elif before == self._soonest:
                    self._soonest = UNKNOWN

    def _each(self, act: Callable[[PartitionReplica], None]) -> None:
        for partition, replica in self.replicas.items():
            act(replica)
            self.touched(partition)

    # --- what the heartbeat and the status tell ---------------------------------------------------------------

    def unreachable_leaders(self, now: int) -> tuple[tuple[TopicPartition, int, int], ...]:
        """(partition, leader epoch, ms) of every leader that has stopped answering this follower (I-LIV-3)."""
        silent = {leader: fetcher.unreachable_ms(now) for leader, fetcher in self._fetchers.items()}
        return tuple(
            (partition, self._leader_epochs[partition], silent[leader])
            for partition, leader in sorted(self._leaders.items())
            if silent[leader] > 0
        )

    def leaderless_log_ends(self) -> tuple[tuple[TopicPartition, int, int], ...]:
        """(partition, last epoch, durable end) of the replicas here without a leader: unclean elections."""
        return tuple((partition, *self.replicas[partition].log_end) for partition in sorted(self._leaderless))

    @property
    def produces_pending(self) -> int:
        return sum(replica.produces_pending for replica in self.replicas.values())

    def describe(self, now: int, metadata: Mapping[TopicPartition, PartitionStatus]) -> tuple[PartitionStatus, ...]:
        return tuple(
            self.replicas[partition].describe(now, status) if partition in self.replicas else status
            for partition, status in sorted(metadata.items())
        )
