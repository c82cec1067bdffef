"""The whole broker as one machine: ``step(now, event) -> effects``.

The node is a switchboard: it knows which part an event is for and in which order the parts must hear of its
consequences. After every event it *settles*: messages to itself are delivered, a snapshot that was installed replaces
the metadata, committed entries are applied, the parts hear of the changes, until nothing is left to tell.
Decisions are made elsewhere: consensus in `raft`, the cluster's in `controller`, this broker's standing in `session`, a
partition's in `replica`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skerry_broker.core.api import (
    FetchRequest,
    ListOffsetsRequest,
    MetadataRequest,
    ProduceRequest,
)
from skerry_broker.core.assignment import Assignment
from skerry_broker.core.controller_host import ControllerHost
from skerry_broker.core.describe import metadata_response, partition_statuses
from skerry_broker.core.disk_watch import DiskWatch
from skerry_broker.core.messages import (
    ClientGone,
    DiskFailed,
    Effect,
    Event,
    Flushed,
    FromClient,
    FromPeer,
    LogStartAdvanced,
    PeerRefused,
    Recovered,
    ShutdownRequested,
    StopNode,
    Tick,
    WallClock,
)
from skerry_broker.core.metadata import ClusterMetadata
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.partitions import Partitions
from skerry_broker.core.peer_messages import (
    AlterPartition,
    AlterPartitionReply,
    AppendReply,
    AppendRequest,
    BrokerHeartbeat,
    HeartbeatReply,
    Identify,
    Identity,
    JoinRequest,
    RegisterReply,
    RegisterRequest,
    ReplicaFetch,
    ReplicaFetched,
    ReplicaProgress,
    SnapshotRequest,
    TimeoutNow,
    VoteReply,
    VoteRequest,
)
from skerry_broker.core.raft import Raft
from skerry_broker.core.replica import BrokerView, ReplicaPorts
from skerry_broker.core.session import BrokerSession, ReplicaReport
from skerry_broker.core.shutdown import Shutdown
from skerry_broker.core.status import BrokerStatus, NodeStatus
from skerry_broker.core.types import NO_BROKER, NodeConfig, Rng, Voter

CONSENSUS = (
    VoteRequest,
    VoteReply,
    AppendRequest,
    AppendReply,
    SnapshotRequest,
    TimeoutNow,
    Identify,
    Identity,
    JoinRequest,
)
OF_A_PARTITION = (ProduceRequest, FetchRequest, ListOffsetsRequest)
MS = 1_000_000


class Node:
    """One broker.

    Invariant 1: a controller exists exactly while this replica is Raft leader and has applied the no-op of its term
    (`controller_host` keeps it).
    Invariant 2: when ``step`` returns, everything committed is applied and every part has heard of it.
    Invariant 3: after StopNode, or an exception, nothing more is emitted.
    """

    def __init__(self, config: NodeConfig, recovered: Recovered, rng: Rng, now: int) -> None:
        """``recovered`` is all that survived. Raises ValueError when the timing breaks an inequality."""
        problems = config.timing.problems()
        if problems:
            raise ValueError("; ".join(problems))
        self.config = config
        self.self_voter = Voter(config.broker_id, recovered.directory_id)
        self._out = Outbox(config.broker_id)
        self._disk = DiskWatch()
        self._incarnation = recovered.incarnation
        self._found_clean = recovered.clean_shutdown_epoch is not None
        self._wall_offset_ns = 0
        self._stopped = False
        self._log_offline = False
        self._raft = Raft(config, recovered, rng, self._out, now)
        self._metadata = ClusterMetadata()
        self._controller_host = ControllerHost(config, self._raft, self._metadata, self._out, rng, self._wall_ns, now)
        self._brokers: dict[int, BrokerView] = {}
        self._shutdown: Shutdown | None = None
        self._lease_held = False
        self._raft_deadline = self._raft.next_deadline
        """Raft's deadline when it was last followed; it stays the same until Raft is dirty."""
        self.next_deadline = now
        """When ``Tick`` is due, in ns; settled by every step."""
        self.commit_index = self._raft.commit_index
        """The commit index of the metadata log; everything up to it is applied."""
        self._session = BrokerSession(
            config,
            self.self_voter,
            recovered.incarnation,
            recovered.clean_shutdown_epoch,
            all(log.intact for log in recovered.logs),
            self._out.send,
            self._replica_report,
            now,
        )
        ports = ReplicaPorts(
            out=self._out,
            lease=self._session.lease_valid,
            alter=self._send_alter,
            wake=lambda partition: self._partitions.waits.wake(partition),
            brokers=self._brokers,
            broker_epoch=lambda: self._session.broker_epoch,
        )
        self._partitions = Partitions(config, recovered.logs, ports)
        self._assignment = Assignment(
            config.broker_id, recovered.incarnation, self._metadata, self._partitions, self._brokers
        )
        self._handlers = self._event_handlers()
        self._peer_handlers = self._message_handlers()

    def _event_handlers(self) -> dict[type, Callable[[int, Any], None]]:
        return {
            Tick: self._on_tick,
            FromPeer: self._on_peer,
            FromClient: self._on_client,
            ClientGone: self._on_client_gone,
            Flushed: self._on_flushed,
            DiskFailed: self._on_disk_failed,
            PeerRefused: self._on_refused,
            WallClock: self._on_wall_clock,
            LogStartAdvanced: self._on_log_start,
            ShutdownRequested: self._on_shutdown,
        }

    def _message_handlers(self) -> dict[type, Callable[[int, Voter, Any], None]]:
        return {
            **dict.fromkeys(CONSENSUS, self._raft.step),
            AppendRequest: self._on_append,
            RegisterRequest: self._controller_host.register,
            BrokerHeartbeat: self._controller_host.heartbeat,
            AlterPartition: self._controller_host.alter_partition,
            RegisterReply: lambda at, source, reply: self._session.on_registered(at, reply),
            HeartbeatReply: lambda at, source, reply: self._session.on_heartbeat_reply(at, reply),
            AlterPartitionReply: self._partitions.altered,
            ReplicaFetch: self._partitions.fetch_arrived,
            ReplicaFetched: self._partitions.fetched,
            ReplicaProgress: self._partitions.progress_arrived,
        }

    # --- the driver's side ----------------------------------------------------------------------------------

    def step(self, now: int, event: Event) -> list[Effect]:
        """Everything that follows from one event, in the order in which it must be carried out.

        Whatever this raises (`RaftInvariantError`, `CommittedDataLost`, any bug) ends the node: the driver must end the
        process as after a StopNode without a clean mark.
        """
        if self._stopped:
            return []
        out = self._out
        try:
            self._handlers[type(event)](now, event)
            if not self._stopped:
                self._settle(now)
            if out.write_id > self._disk.last_id:
                self._disk.wrote(now, out.write_id)
        except BaseException:
            # Half a step was made: this memory is not to be trusted, and nothing of it may leave (KAFKA-12460).
            self._stopped = True
            out.take()
            raise
        effects, out.effects = out.effects, []  # `take`, without a call for every step
        return effects

    # --- events ---------------------------------------------------------------------------------------------

    def _on_tick(self, now: int, event: Tick) -> None:
        if self._raft.next_deadline <= now:
            self._raft.tick(now)
        if self._session.next_deadline <= now:
            self._session.tick(now)
        self._controller_host.tick(now)
        self._partitions.tick(now)

    def _on_peer(self, now: int, event: FromPeer) -> None:
        self._peer_handlers[type(event.message)](now, event.source, event.message)

    def _on_client(self, now: int, event: FromClient) -> None:
        request_id, request = event.request_id, event.request
        if isinstance(request, OF_A_PARTITION):
            self._partitions.serve(now, request_id, request, self._metadata.partitions)
        elif isinstance(request, MetadataRequest):
            self._out.put_reply(
                request_id, metadata_response(self._metadata, self._controller_host.known, request.topics)
            )
        else:
            self._controller_host.request(now, request_id, request)

    def _on_client_gone(self, now: int, event: ClientGone) -> None:
        self._partitions.client_gone(event.request_id)
        self._controller_host.client_gone(event.request_id)

    def _on_flushed(self, now: int, event: Flushed) -> None:
        self._disk.flushed(event.write_id)
        self._raft.flushed(now, event.write_id)
        self._partitions.flushed(now, event.write_id)

    def _on_disk_failed(self, now: int, event: DiskFailed) -> None:
        if event.raft:
            # A metadata replica that cannot remember must not speak (I-SAF-9); its successor starts from the disk.
            self._stop(StopNode(f"the metadata log's disk failed: {event.reason}"))
        elif not self._log_offline:
            self._log_offline = True
            self._partitions.disk_failed(now)

    def _on_refused(self, now: int, event: PeerRefused) -> None:
        self._raft.suspect(now, event.broker_id)
        self._controller_host.peer_refused(now, event.broker_id)

    def _on_wall_clock(self, now: int, event: WallClock) -> None:
        self._wall_offset_ns = event.offset_ns

    def _on_log_start(self, now: int, event: LogStartAdvanced) -> None:
        self._partitions.advance_log_start(now, event.partition, event.offset)

    def _on_shutdown(self, now: int, event: ShutdownRequested) -> None:
        if self._shutdown is None:
            self._shutdown = Shutdown(self.config.timing, now)
            self._session.begin_shutdown(now)

    def _on_append(self, now: int, source: Voter, message: AppendRequest) -> None:
        self._raft.step(now, source, message)
        self._controller_host.contacted(now, source, message.term)

    # --- settling -----------------------------------------------------------------------------------------------

    def _settle(self, now: int) -> None:
        """Tell every part what follows, until nothing follows any more (invariant 2)."""
        raft, out, session, partitions = self._raft, self._out, self._session, self._partitions
        while True:
            changed = raft.dirty and self._follow_raft(now)
            lease_held = now < session.lease_until  # `lease_valid`, without a call for every step
            if lease_held is not self._lease_held:
                self._lease_held = lease_held
                if not lease_held:
                    partitions.lease_lost(now)
            if partitions.stirred or now >= partitions.next_deadline:
                partitions.poll(now, session.broker_epoch)
            if out.to_self:
                for message in out.take_to_self():
                    self._peer_handlers[type(message)](now, self.self_voter, message)
            elif not changed:
                break
        soonest = partitions.next_deadline
        host = self._controller_host
        if host.transfers:
            soonest = min(soonest, host.answer_transfers(now))
        if self._shutdown is not None:
            self._go_on_shutting_down(now)
            soonest = min(soonest, self._shutdown.next_deadline)
        # Done by every step: comparisons are cheaper than a call of min().
        if (deadline := raft.next_deadline if raft.dirty else self._raft_deadline) < soonest:
            soonest = deadline
        if host.controller is not None and host.controller.next_deadline < soonest:
            soonest = host.controller.next_deadline
        if session.next_deadline < soonest:
            soonest = session.next_deadline
        if lease_held and session.lease_until < soonest:
            soonest = session.lease_until
        self.next_deadline = soonest

    def _follow_raft(self, now: int) -> bool:
        """Apply what was committed, and tell who leads the cluster now; True when anything changed."""
        raft = self._raft
        raft.dirty = False
        changed = self._controller_host.vacate(now)
        snapshot = raft.take_installed_snapshot()
        if snapshot is not None:
            self._metadata.load(snapshot.image)
            self._assignment.replaced(now)
            self._session.on_applied(now, self._metadata, ())
            changed = True
        for entry in raft.take_committed():
            changes = self._metadata.apply(entry)
            self._assignment.applied(now, changes)
            self._session.on_applied(now, self._metadata, changes)
            self._controller_host.applied(now, entry, changes)
            changed = True
        if self._metadata.applied_index - raft.snapshot_index >= self.config.raft_entries_max_before_snapshot:
            raft.compact(now, self._metadata.applied_index, self._metadata.image())
        if self._controller_host.moved(now):
            self._session.controller_changed(now, self._controller_host.known)
            changed = True
        changed = self._controller_host.take(now) or changed
        self._raft_deadline = raft.next_deadline
        self.commit_index = raft.commit_index
        return changed

    def _go_on_shutting_down(self, now: int) -> None:
        assert self._shutdown is not None
        others = [voter.broker_id for voter in self._raft.voters if voter != self.self_voter]
        # Who was never registered (or is no more) leads nothing and is missed by nobody.
        may_stop = self._session.may_stop or self._session.broker_epoch < 0
        for _ in others:
            target = self._shutdown.transfer_target(now, may_stop, self._raft.is_leader, others)
            if target is None or self._raft.transfer(now, target):
                break
            self._shutdown.transfer_refused()
        if self._shutdown.over(now, may_stop, self._raft.is_leader and bool(others)):
            epoch = self._session.broker_epoch
            # What a failed disk has lost is not there, however orderly the rest (I-SAF-9).
            clean = epoch >= 0 and not self._log_offline
            self._stop(StopNode("shut down in order", clean_broker_epoch=epoch if clean else None))

    def _stop(self, effect: StopNode) -> None:
        self._out.put(effect)
        self._stopped = True

    # --- what the parts ask of the node ---------------------------------------------------------------------------

    def _send_alter(self, message: AlterPartition) -> None:
        if self._controller_host.known != NO_BROKER:
            self._out.send(self._controller_host.known, message)

    def _wall_ns(self, now: int) -> int:
        return now + self._wall_offset_ns

    def _replica_report(self, now: int) -> ReplicaReport:
        return ReplicaReport(
            self._partitions.unreachable_leaders(now),
            self._partitions.leaderless_log_ends(),
            self._log_offline,
            self._disk.waiting_ns(now),
        )

    def status(self, now: int) -> NodeStatus:
        """What this node shows of itself."""
        brokers = tuple(
            BrokerStatus(broker.broker_id, broker.broker_epoch, broker.fenced, broker.leaving)
            for _, broker in sorted(self._metadata.brokers.items())
        )
        return NodeStatus(
            broker_id=self.config.broker_id,
            directory_id=self.self_voter.directory_id,
            cluster_id=self._raft.cluster_id,
            incarnation=self._incarnation,
            broker_epoch=self._session.broker_epoch,
            controller=self._controller_host.known,
            lease_remaining_ns=self._session.lease_until - now if self._session.broker_epoch >= 0 else 0,
            fenced=self._session.fenced,
            shutting_down=self._shutdown is not None,
            log_offline=self._log_offline,
            raft=self._raft.status(),
            brokers=brokers,
            partitions=self._partitions.describe(now, partition_statuses(self._metadata)),
            produces_pending=self._partitions.produces_pending,
            registered_clean=self._found_clean if self._session.broker_epoch >= 0 else None,
            disk_waiting_ns=self._disk.waiting_ns(now),
        )
