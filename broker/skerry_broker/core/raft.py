"""One replica of the metadata quorum. (Signatures first; the rules follow.)"""

from __future__ import annotations

from skerry_broker.core.messages import PeerMessage, RaftSnapshot, Recovered
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.records import Entry, Record
from skerry_broker.core.status import RaftStatus
from skerry_broker.core.types import NodeConfig, Rng, Voter


class Raft:
    """``step``, ``tick`` and ``flushed`` put effects into ``out``; nothing else is observable outside.

    After each call the node calls ``take_installed_snapshot()`` first, then ``take_committed()``.
    """

    role: str
    """Unformatted | Observer | Follower | PreCandidate | Candidate | Leader"""
    term: int
    leader: Voter | None
    commit_index: int
    last_index: int
    snapshot_index: int
    voters: tuple[Voter, ...]
    cluster_id: str | None
    is_leader: bool
    leader_ready: bool
    """Leader, and the no-op of its own term is committed: everything older is, too."""
    confirmed_round: int
    """The highest round that a majority (self included) acknowledged in this term; 0 unless leader."""

    def __init__(self, config: NodeConfig, recovered: Recovered, rng: Rng, out: Outbox, now: int) -> None:
        raise NotImplementedError

    @property
    def next_deadline(self) -> int:
        """When ``tick`` must be called next, in ns."""
        raise NotImplementedError

    def tick(self, now: int) -> None:
        raise NotImplementedError

    def step(self, now: int, source: Voter, message: PeerMessage) -> None:
        """One consensus or formation message (VoteRequest .. JoinRequest) from ``source``."""
        raise NotImplementedError

    def flushed(self, now: int, write_id: int) -> None:
        """Everything up to ``write_id`` is durable: release what waited for it."""
        raise NotImplementedError

    def propose(self, now: int, records: tuple[Record, ...]) -> int | None:
        """Append one entry; its index, or None: not leader, transferring, or too many entries uncommitted."""
        raise NotImplementedError

    def begin_round(self, now: int) -> int:
        """Leader only: the number of a round that is sent after ``now`` (with the next heartbeat)."""
        raise NotImplementedError

    def suspect(self, now: int, broker_id: int) -> None:
        """This peer's host refused a connection."""
        raise NotImplementedError

    def transfer(self, now: int, broker_id: int) -> bool:
        """Hand leadership over; False when not leader or ``broker_id`` is no other voter."""
        raise NotImplementedError

    def take_committed(self) -> tuple[Entry, ...]:
        raise NotImplementedError

    def take_installed_snapshot(self) -> RaftSnapshot | None:
        raise NotImplementedError

    def compact(self, now: int, index: int, image: bytes) -> None:
        """``image`` is the metadata state at ``index`` (applied): drop the log up to it."""
        raise NotImplementedError

    def status(self) -> RaftStatus:
        raise NotImplementedError
