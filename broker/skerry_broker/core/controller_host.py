"""The controller's seat at this node: empty, or taken while this replica leads the metadata quorum.

Invariant 1 of the node is kept here: the controller exists exactly while this replica is Raft leader and has applied
the no-op of its term. What only a controller may answer is passed on to it, or refused with a hint where it sits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from skerry_broker.core.api import (
    ClientRequest,
    CreateTopicRequest,
    DeleteTopicRequest,
    DoneResponse,
    ElectLeaderRequest,
    ErrorCode,
    ErrorResponse,
    InitProducerRequest,
    TransferControllerRequest,
)
from skerry_broker.core.controller import Controller
from skerry_broker.core.metadata import Change, ClusterMetadata
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.peer_messages import (
    AlterPartition,
    AlterPartitionReply,
    AlterResult,
    BrokerHeartbeat,
    RegisterRequest,
)
from skerry_broker.core.raft import Raft
from skerry_broker.core.records import Entry, Record
from skerry_broker.core.types import NO_BROKER, NodeConfig, Rng, Voter

MS = 1_000_000
FOREVER = 1 << 62


class ControllerHost:
    """Between Raft, which says who leads, and the controller, which decides while it is us."""

    def __init__(
        self,
        config: NodeConfig,
        raft: Raft,
        metadata: ClusterMetadata,
        out: Outbox,
        rng: Rng,
        wall_ns: Callable[[int], int],
        now: int,
    ) -> None:
        self._config = config
        self._raft = raft
        self._metadata = metadata
        self._out = out
        self._rng = rng
        self._wall_ns = wall_ns
        self.controller: Controller | None = None
        """Who sits here; None while this replica does not lead the metadata quorum."""
        self._term = -1
        self._confirmed_round = 0
        self._elected_ns = now
        self._contact: tuple[int, int] | None = None
        self._proposed: dict[int, int] = {}
        """When the entry of each index was proposed here; only those that are not committed yet."""
        self.transfers: list[tuple[int, int, int]] = []
        """(request id, target, deadline) of leadership transfers that a client waits for."""
        self.known = NO_BROKER
        """Who sits there, as far as Raft knows; -1: nobody."""

    # --- following Raft -----------------------------------------------------------------------------------

    def contacted(self, now: int, source: Voter, term: int) -> None:
        """The present leader was heard: for the failover histogram of its successor, nothing else."""
        if term == self._raft.term:
            self._contact = (source.broker_id, now)

    def vacate(self, now: int) -> bool:
        """Before anything new is applied: stop deciding if this replica leads no more. True when it did."""
        controller = self.controller
        if controller is None or (self._raft.is_leader and self._raft.term == self._term):
            return False
        self.controller = None
        self._proposed.clear()
        controller.step_down(now)
        return True

    def _propose(self, now: int, records: tuple[Record, ...]) -> int | None:
        index = self._raft.propose(now, records)
        if index is not None:
            self._proposed[index] = now
        return index

    def applied(self, now: int, entry: Entry, changes: Sequence[Change]) -> None:
        proposed_ns = self._proposed.pop(entry.index, None)
        if proposed_ns is not None:
            self._out.fact("broker_raft_commit_seconds", value=(now - proposed_ns) / 1e9)
        if self.controller is not None:
            self.controller.applied(now, entry, changes)

    def moved(self, now: int) -> bool:
        """Has the seat moved (or become empty) since the last call? `known` says where to."""
        leader = NO_BROKER if self._raft.leader is None else self._raft.leader.broker_id
        if leader == self.known:
            return False
        self.known = leader
        self._elected_ns = now
        return True

    def take(self, now: int) -> bool:
        """After everything committed is applied: sit down if it is ours, and pass on what a quorum confirmed."""
        taken = self.controller is None and self._raft.leader_ready
        if taken:
            self._term = self._raft.term
            self._confirmed_round = 0
            if self._contact is not None:
                self._out.fact("broker_raft_election_seconds", value=(now - self._contact[1]) / 1e9)
            self.controller = Controller(
                self._config,
                self._metadata,
                self._out,
                self._rng,
                now,
                term=self._raft.term,
                propose=self._propose,
                begin_round=self._raft.begin_round,
                wall_ns=self._wall_ns,
                send=self._out.send,
                elected_ns=self._elected_ns,
                previous=self._contact,
            )
        if self.controller is not None and self._raft.confirmed_round > self._confirmed_round:
            self._confirmed_round = self._raft.confirmed_round
            self.controller.round_confirmed(now, self._confirmed_round)
            return True
        return taken

    # --- time ---------------------------------------------------------------------------------------------

    def tick(self, now: int) -> None:
        if self.controller is not None and self.controller.next_deadline <= now:
            self.controller.tick(now)

    # --- brokers --------------------------------------------------------------------------------------------

    def register(self, now: int, source: Voter, message: RegisterRequest) -> None:
        if self.controller is not None:
            self.controller.register(now, source, message)

    def heartbeat(self, now: int, source: Voter, message: BrokerHeartbeat) -> None:
        if self.controller is not None:
            self.controller.heartbeat(now, source, message)

    def alter_partition(self, now: int, source: Voter, message: AlterPartition) -> None:
        if self.controller is not None:
            self.controller.alter_partition(now, source, message)
            return
        reply = AlterPartitionReply(
            message.partition, message.leader_epoch, message.partition_epoch, AlterResult.NOT_CONTROLLER
        )
        self._out.send(source.broker_id, reply)

    def peer_refused(self, now: int, broker_id: int) -> None:
        if self.controller is not None:
            self.controller.peer_refused(now, broker_id)

    # --- clients --------------------------------------------------------------------------------------------

    def request(self, now: int, request_id: int, request: ClientRequest) -> None:
        """A request that only the controller answers."""
        controller = self.controller
        if controller is None:
            message = f"broker {self._config.broker_id} is not the controller"
            self._out.put_reply(request_id, ErrorResponse(ErrorCode.NOT_CONTROLLER, message, leader=self.known))
            return
        match request:
            case CreateTopicRequest():
                controller.create_topic(now, request_id, request)
            case DeleteTopicRequest():
                controller.delete_topic(now, request_id, request)
            case InitProducerRequest():
                controller.init_producer(now, request_id, request)
            case ElectLeaderRequest():
                controller.elect_leader(now, request_id, request)
            case TransferControllerRequest():
                self._transfer(now, request_id, request)
            case _:
                raise TypeError(f"{type(request).__name__} is no controller request")

    def client_gone(self, request_id: int) -> None:
        if self.transfers:
            self.transfers = [transfer for transfer in self.transfers if transfer[0] != request_id]
        if self.controller is not None:
            self.controller.client_gone(request_id)

    def _transfer(self, now: int, request_id: int, request: TransferControllerRequest) -> None:
        if request.broker_id == self._config.broker_id:
            self._out.put_reply(request_id, DoneResponse())
        elif self._raft.transfer(now, request.broker_id):
            self.transfers.append((request_id, request.broker_id, now + request.timeout_ms * MS))
        else:
            message = (
                f"broker {request.broker_id} cannot take the metadata leadership: it is no other voter of the quorum, "
                "or it does not answer"
            )
            self._out.put_reply(request_id, ErrorResponse(ErrorCode.INVALID_REQUEST, message))

    def answer_transfers(self, now: int) -> int:
        """At the end of a step: tell those who wait that the leadership has moved, or that it did not in time. Gives
        the deadline of the next one that waits on, or `FOREVER`."""
        waiting = []
        for request_id, broker_id, deadline in self.transfers:
            if self.known == broker_id:
                self._out.put_reply(request_id, DoneResponse())
            elif now >= deadline:
                message = f"leadership was not transferred to broker {broker_id} in time"
                self._out.put_reply(request_id, ErrorResponse(ErrorCode.TIMED_OUT, message))
            else:
                waiting.append((request_id, broker_id, deadline))
        self.transfers = waiting
        return min((deadline for _, _, deadline in waiting), default=FOREVER)
