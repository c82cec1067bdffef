"""The controller: all decisions about brokers, leaders and in-sync replicas, made by the Raft leader.

Theory of operation. The controller judges by its *view* (applied metadata plus its own proposals in flight,
`core.proposals`) and by what it has heard from each broker (`core.contacts`). One event gives at most one entry: a
fence and all elections that it causes commit together. Nothing is answered before it is committed.

Why no two leaders act at once (I-SAF-10). A broker answers clients only under a lease. A partition's next leader is
committed only when the old one surely has stopped, by one of three proofs:

* it was fenced: silent for ``session_ms`` > ``lease_ms`` since the last heartbeat whose answer renewed its lease;
* it registered again: its process has died (`register` says when that is not enough);
* it was deposed first ("no leader, epoch + 1": step one of two), and then either reported that entry as applied, or
  its last lease is over, and it gets no other before it has applied the entry.

A new controller does not know what its predecessor granted. So it counts every unfenced broker as heard and granted
at its election (a controller that answered a heartbeat had a majority later than that heartbeat, and so before our
election), and renews no lease until the broker has applied everything up to our own first entry.

A leader that lives but cannot do its work (its followers do not reach it; its disk does not answer) is replaced in the
same two steps, and only by somebody who can do better.

Leadership never moves back to the preferred replica by itself: a move costs a gap, so it is made only when asked for
(`elect_leader`). Suspicion (`peer_refused`) names the cause of a fence; it never advances one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from skerry_broker.core import alter_partition, client_requests, decisions
from skerry_broker.core.api import (
    CreateTopicRequest,
    DeleteTopicRequest,
    ElectLeaderRequest,
    InitProducerRequest,
)
from skerry_broker.core.contacts import MS, Contact
from skerry_broker.core.controller_state import ControllerState
from skerry_broker.core.heartbeats import HeartbeatAnswers
from skerry_broker.core.metadata import (
    BrokerState,
    Change,
    ClusterMetadata,
    PartitionUpdated,
)
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.peer_messages import (
    AlterPartition,
    AlterPartitionReply,
    AlterResult,
    BrokerHeartbeat,
    PeerMessage,
    RegisterReply,
    RegisterRequest,
)
from skerry_broker.core.proposals import Proposals
from skerry_broker.core.records import (
    BrokerFenced,
    BrokerLeaving,
    BrokerRegistered,
    BrokerUnfenced,
    Entry,
    Record,
)
from skerry_broker.core.types import NO_BROKER, NodeConfig, Rng, TopicPartition, Voter
from skerry_broker.core.vacancies import GRACE_HEARTBEATS


class Controller:
    """Lives on the Raft leader from the moment its own-term no-op is applied until it steps down.

    ``metadata``: the node's applied state (the node calls ``metadata.apply`` and then ``applied``).
    ``send(destination, message)``: to a peer, or queued for local delivery when the destination is this node.
    ``propose(now, records)``: the entry's index, or None when this node leads no more; it must not apply the entry
    before it returns. ``begin_round(now)``: starts a Raft round, returns its number (never a smaller one than before).
    ``wall_ns(now)``: wall clock. ``elected_ns``: when this node won the Raft election.
    ``previous``: (broker id, last contact) of the controller before, for ``broker_failover_seconds`` only.
    """

    def __init__(
        self,
        config: NodeConfig,
        metadata: ClusterMetadata,
        out: Outbox,
        rng: Rng,
        now: int,
        *,
        term: int,
        propose: Callable[[int, tuple[Record, ...]], int | None],
        begin_round: Callable[[int], int],
        wall_ns: Callable[[int], int],
        send: Callable[[int, PeerMessage], None],
        elected_ns: int | None = None,
        previous: tuple[int, int] | None = None,
    ) -> None:
        self._timing = config.timing
        self._metadata = metadata
        self._out = out
        self._rng = rng
        self._begin_round = begin_round
        self._wall_ns = wall_ns
        self._send = send
        self._heartbeat_ns = config.timing.broker_heartbeat_ms * MS
        self._proposals = Proposals(metadata, out, term, propose, send)
        elected_ns = now if elected_ns is None else elected_ns
        self._state = ControllerState(config, metadata, self._proposals, wall_ns, now, elected_ns, previous)
        self._view = self._state.view
        self._contacts = self._state.contacts
        self._vacancies = self._state.vacancies
        self._known = self._state.known
        self._commit = self._state.commit
        self._answers = HeartbeatAnswers(term, self._state, send)
        self.next_deadline = now + self._heartbeat_ns
        """Every heartbeat interval: a late tick is how this controller notices its own stall."""

    # --- brokers ----------------------------------------------------------------------------------------

    def register(self, now: int, source: Voter, message: RegisterRequest) -> None:
        """Answered by RegisterReply once committed; silence means: try again.

        A broker id whose other directory still has a session is refused: the old process of a deleted pod may outlive
        its replacement's start (Kafka: DUPLICATE_BROKER_REGISTRATION). On the same directory it cannot be alive,
        because it held the directory's lock.
        """
        self._notice_stall(now)
        broker_id = source.broker_id
        before = self._view.brokers.get(broker_id)
        if before is not None:
            if before.incarnation == message.incarnation and before.directory_id == source.directory_id:
                # A retry: the same registration, answered when (or because) it is committed.
                reply = RegisterReply(message.incarnation, before.broker_epoch)
                self._proposals.answer_peer(before.broker_epoch, broker_id, reply)
                return
            if before.directory_id != source.directory_id and not before.fenced:
                return
        same_disk = before is not None and before.directory_id == source.directory_id
        clean = before is not None and same_disk and message.clean_shutdown_epoch == before.broker_epoch
        # I-SAF-6: what a durable follower acknowledged survives an unclean stop.
        keeps = same_disk and message.logs_intact and (clean or message.flush_group)
        registered = BrokerRegistered(
            broker_id, source.directory_id, message.incarnation, clean, keeps, self._wall_ns(now)
        )
        causes = {broker_id: "registered" if clean else "crash"}
        changes = decisions.without(self._known, now, registered.wall_ns, causes, lost=() if keeps else (broker_id,))
        index = self._commit(now, (registered, *changes))
        if index is None:
            return
        in_isr = any(broker_id in state.isr for state in self._view.partitions.values())
        # Kept in an ISR while fenced: it must come back within a session, or leave.
        self._contacts[broker_id] = Contact(index, now, barrier=index, watched=in_isr, granted_ns=now)
        self._proposals.answer_peer(index, broker_id, RegisterReply(message.incarnation, index))

    def heartbeat(self, now: int, source: Voter, message: BrokerHeartbeat) -> None:
        """Answered by HeartbeatReply from ``round_confirmed``: a round begun after this arrival."""
        self._notice_stall(now)
        broker = self._view.brokers.get(source.broker_id)
        if (
            broker is not None
            and broker.broker_epoch == message.broker_epoch
            and broker.directory_id == source.directory_id
        ):
            contact = self._contacts[source.broker_id]
            if not contact.heard(now, message, self._timing):
                return  # a copy: answered already
            self._consider(now, broker, contact, message)
        self._answers.wait(now, self._begin_round(now), source.broker_id, message)

    def round_confirmed(self, now: int, confirmed_round: int) -> None:
        """A majority has acknowledged this round (and so every earlier one) in our term: answer heartbeats."""
        self._answers.round_confirmed(now, confirmed_round)

    def peer_refused(self, now: int, broker_id: int) -> None:
        """Its host refused a connection: names the cause of a later fence ("crash"), never advances it."""
        contact = self._contacts.get(broker_id)
        if contact is not None:
            contact.refused = True

    def _consider(self, now: int, broker: BrokerState, contact: Contact, message: BrokerHeartbeat) -> None:
        """What a heartbeat asks for or proves."""
        if message.log_offline:
            # A failed disk has stopped this broker's partitions already (I-SAF-9): no lease to wait for.
            if not broker.fenced:
                self._fence(now, {broker.broker_id: "crash"}, "log offline")
            return
        if broker.fenced:
            if (
                contact.applied_index >= contact.barrier
                and contact.deaf_since_ns is None
                and not message.wants_shutdown
            ):
                self._unfence(now, broker, contact)
            return
        if message.wants_shutdown and not broker.leaving:
            self._leave(now, broker)
        if contact.unreachable:
            self._replace(now, decisions.isolated(self._known, now, contact), "data_plane")
        if contact.disk_stuck:
            self._replace(now, decisions.stuck(self._known, now, broker.broker_id), "disk")
        if self._vacancies:
            self._state.fill_vacancies(now)

    def _fence(self, now: int, causes: dict[int, str], reason: str) -> None:
        """Fence these brokers and elect for all their partitions, in one entry (one Raft commit per failure)."""
        wall_ns = self._wall_ns(now)
        fences: list[Record] = []
        for broker_id in causes:
            broker = self._view.brokers[broker_id]
            if not broker.fenced:
                fences.append(BrokerFenced(broker_id, broker.broker_epoch, reason, wall_ns))
        changes = decisions.without(self._known, now, wall_ns, causes, leaves=causes)
        index = self._commit(now, (*fences, *changes))
        for broker_id in causes:
            contact = self._contacts[broker_id]
            contact.watched = contact.watched and index is None and bool(fences or changes)
            contact.raise_barrier(now, index or 0)

    def _unfence(self, now: int, broker: BrokerState, contact: Contact) -> None:
        """Back in service, and the leader of what waited for it, in one entry."""
        wall_ns = self._wall_ns(now)

        def electable(broker_id: int) -> bool:
            if broker_id == broker.broker_id:
                return not broker.leaving and not contact.disk_stuck
            return self._known.electable(broker_id)

        changes = self._vacancies.fillable(now, electable, wall_ns)
        unfenced = BrokerUnfenced(broker.broker_id, broker.broker_epoch, wall_ns)
        if self._commit(now, (unfenced, *changes)) is not None:
            contact.watched = True

    def _leave(self, now: int, broker: BrokerState) -> None:
        wall_ns = self._wall_ns(now)
        leaving = BrokerLeaving(broker.broker_id, broker.broker_epoch, wall_ns)
        self._commit(now, (leaving, *decisions.leaving(self._known, wall_ns, broker.broker_id)))

    def _replace(self, now: int, moves: list[tuple[TopicPartition, int]], reason: str) -> None:
        """Step one of two: take these partitions from their living leaders, for the successors that go with them."""
        wall_ns = self._wall_ns(now)
        depositions = [
            change
            for partition, _ in moves
            if (change := decisions.deposition(self._known, wall_ns, partition, reason)) is not None
        ]
        if self._commit(now, tuple(depositions)) is None:
            return
        for partition, successor in moves:
            vacancy = self._vacancies.get(partition)
            if vacancy is not None:
                vacancy.wanted, vacancy.avoid = successor, vacancy.old_leader
            before = self._known.moves.get(partition)
            self._known.moves[partition] = decisions.Moves(1, now) if before is None else before.next(now, self._timing)

    # --- partitions -------------------------------------------------------------------------------------

    def alter_partition(self, now: int, source: Voter, message: AlterPartition) -> None:
        """Answered by AlterPartitionReply: a refusal at once, ACCEPTED when committed."""
        self._notice_stall(now)
        result = alter_partition.judge(self._view, source.broker_id, message)
        if result is AlterResult.ACCEPTED:
            state = self._view.partitions[message.partition]
            index = self._commit(now, (alter_partition.granted(state, message, self._wall_ns(now)),))
            if index is None:
                result = AlterResult.NOT_CONTROLLER
        reply = AlterPartitionReply(message.partition, message.leader_epoch, message.partition_epoch, result)
        if result is AlterResult.ACCEPTED and index is not None:
            self._proposals.answer_peer(index, source.broker_id, reply)
            return
        self._out.fact("broker_isr_updates_failed_total", result.value)
        self._send(source.broker_id, reply)

    # --- clients ----------------------------------------------------------------------------------------

    def create_topic(self, now: int, request_id: int, request: CreateTopicRequest) -> None:
        client_requests.create_topic(self._state, self._rng, now, request_id, request)

    def delete_topic(self, now: int, request_id: int, request: DeleteTopicRequest) -> None:
        client_requests.delete_topic(self._state, now, request_id, request)

    def init_producer(self, now: int, request_id: int, request: InitProducerRequest) -> None:
        client_requests.init_producer(self._state, now, request_id, request)

    def elect_leader(self, now: int, request_id: int, request: ElectLeaderRequest) -> None:
        """Move leadership to an in-sync replica, in two steps; answered when the successor is committed."""
        self._notice_stall(now)
        client_requests.elect_leader(self._state, now, request_id, request)

    def client_gone(self, request_id: int) -> None:
        """Nobody waits for this answer any more."""
        self._proposals.forget(request_id)

    # --- the log and the clock --------------------------------------------------------------------------

    def applied(self, now: int, entry: Entry, changes: Sequence[Change]) -> None:
        """After ``metadata.apply(entry)``: answer what waited for it, count what it changed."""
        if entry.index > self._view.applied_index:
            self._view.apply(entry)  # Raft's own entry, not one of our proposals
        for record in entry.records:
            if isinstance(record, BrokerFenced):
                self._out.fact("broker_fence_events_total")
        for change in changes:
            if isinstance(change, PartitionUpdated) and change.current is not None:
                self._count_election(change)
        self._proposals.applied(now, entry.index)

    def _count_election(self, change: PartitionUpdated) -> None:
        current, previous = change.current, change.previous
        if current is None or not current.elections or current.leader == NO_BROKER:
            return
        if previous is not None and previous.leader_epoch == current.leader_epoch:
            return
        reason = current.elections[-1].reason
        if reason == "created":
            return  # nobody failed
        self._out.fact("broker_partition_elections_total", reason)
        if reason == "unclean":
            self._out.fact("broker_unclean_elections_total")

    def tick(self, now: int) -> None:
        self._notice_stall(now)
        if now < self.next_deadline:
            return
        self.next_deadline = self._state.next_expiry(now, now + self._heartbeat_ns)
        silent = [
            broker_id
            for broker_id, contact in sorted(self._contacts.items())
            if contact.watched and contact.silent(now, self._timing)
        ]
        if silent:
            causes = {broker_id: "crash" if self._contacts[broker_id].refused else "isolation" for broker_id in silent}
            self._fence(now, causes, "session")
        if self._vacancies:
            self._vacancies.withhold(now)
            self._state.fill_vacancies(now)
        self._proposals.tick(now)

    def step_down(self, now: int) -> None:
        """Raft leads no more: answer everything that is pending, honestly. The object must not be used after it.

        Heartbeats stay without an answer: we could not prove any more that we led when they arrived.
        """
        self._answers.drop()
        self._proposals.step_down()

    # --- inside -----------------------------------------------------------------------------------------

    def _notice_stall(self, now: int) -> None:
        """When we ourselves slept, the heartbeats of that time are still in our queues: wait for three more before
        fencing anybody (KAFKA-15019: a busy controller fenced its whole cluster)."""
        if now - self.next_deadline > self._heartbeat_ns:
            floor_ns = now - self._timing.session_ms * MS + GRACE_HEARTBEATS * self._heartbeat_ns
            for contact in self._contacts.values():
                contact.contact_ns = max(contact.contact_ns, floor_ns)
            self.next_deadline = now
