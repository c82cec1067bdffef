"""The controller: all decisions about brokers, leaders and in-sync replicas, made by the Raft leader.

Skeleton: the signatures; see the module docstring of the finished file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from skerry_broker.core.api import CreateTopicRequest, DeleteTopicRequest, ElectLeaderRequest, InitProducerRequest
from skerry_broker.core.messages import AlterPartition, BrokerHeartbeat, PeerMessage, RegisterRequest
from skerry_broker.core.metadata import Change, ClusterMetadata
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.records import Entry, Record
from skerry_broker.core.types import NodeConfig, Rng, Voter


class Controller:
    """Lives on the Raft leader from the moment its own-term no-op is applied until it steps down.

    ``metadata``: the node's applied state (the node calls ``metadata.apply`` and then ``applied``).
    ``send(destination, message)``: to a peer, or queued for local delivery when the destination is this node.
    ``propose(now, records)``: the entry's index, or None when this node leads no more; it must not apply the entry
    before it returns. ``begin_round(now)``: starts a Raft round, returns its number. ``wall_ns(now)``: wall clock.
    ``elected_ns``: when this node won the Raft election (every unfenced broker counts as heard then).
    ``previous``: (broker id, last contact) of the controller before, for ``broker_failover_seconds`` only.
    """

    next_deadline: int

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
        raise NotImplementedError

    def register(self, now: int, source: Voter, message: RegisterRequest) -> None:
        """Answered by RegisterReply once committed; silence means: try again."""
        raise NotImplementedError

    def heartbeat(self, now: int, source: Voter, message: BrokerHeartbeat) -> None:
        """Answered by HeartbeatReply from ``round_confirmed``."""
        raise NotImplementedError

    def alter_partition(self, now: int, source: Voter, message: AlterPartition) -> None:
        """Answered by AlterPartitionReply: a refusal at once, ACCEPTED when committed."""
        raise NotImplementedError

    def peer_refused(self, now: int, broker_id: int) -> None:
        """Its host refused a connection: names the cause of a later fence ("crash"), never advances it."""
        raise NotImplementedError

    def create_topic(self, now: int, request_id: int, request: CreateTopicRequest) -> None:
        raise NotImplementedError

    def delete_topic(self, now: int, request_id: int, request: DeleteTopicRequest) -> None:
        raise NotImplementedError

    def init_producer(self, now: int, request_id: int, request: InitProducerRequest) -> None:
        raise NotImplementedError

    def elect_leader(self, now: int, request_id: int, request: ElectLeaderRequest) -> None:
        raise NotImplementedError

    def client_gone(self, request_id: int) -> None:
        """Nobody waits for this answer any more."""
        raise NotImplementedError

    def round_confirmed(self, now: int, confirmed_round: int) -> None:
        """A majority has acknowledged this round (and so every earlier one) in our term: answer heartbeats."""
        raise NotImplementedError

    def applied(self, now: int, entry: Entry, changes: Sequence[Change]) -> None:
        """After ``metadata.apply(entry)``: answer what waited for it, count what it changed."""
        raise NotImplementedError

    def tick(self, now: int) -> None:
        raise NotImplementedError

    def step_down(self, now: int) -> None:
        """Raft leads no more: answer everything that is pending, honestly. The object must not be used after it."""
        raise NotImplementedError
