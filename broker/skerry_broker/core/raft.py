"""One replica of the metadata quorum: terms, votes, roles and timers; `Leadership` and `Following` do the rest.

::

    Unformatted --format durable--> Observer <--in/not in the voter set--> Follower
                                                                            |    ^
                                     election timeout, or the leader's host |    | a leader of this term or a
                                     refuses connections                    v    | higher one, refused, no quorum
                                                                       PreCandidate --majority--> Candidate --> Leader

Elections are Raft with PreVote, CheckQuorum and vote refusal within a lease, all three: each alone leaves a network
in which leaders change for ever or one cannot be replaced (KIP-996, B11-B13). Nothing is said in a term before the
term is durable (KAFKA-10533); see `raft_state`.

Deviations from the Raft paper: a voter ignores a request for its vote within the lease instead of refusing it
(etcd); a reply waits for the disk, and one reply answers for all messages that waited.
"""

from __future__ import annotations

from skerry_broker.core.messages import RaftSnapshot
from skerry_broker.core.raft_roles import RaftRoles, Role
from skerry_broker.core.raftlog import RaftInvariantError
from skerry_broker.core.records import Entry, Record
from skerry_broker.core.status import RaftStatus
from skerry_broker.core.types import NO_BROKER, Voter

__all__ = ["Raft", "RaftInvariantError", "Role"]

_ASKING = frozenset({Role.UNFORMATTED, Role.OBSERVER})
"""Those who look for a leader, or for who founds the cluster, instead of standing for election."""


class Raft(RaftRoles):
    """``step``, ``tick`` and ``flushed`` put effects into ``out``; nothing else is observable outside.

    After a start and after each call the node calls ``take_installed_snapshot()`` first, then ``take_committed()``. The
    recovered snapshot comes that way, too; none when ``raft_intact`` is False: such a replica forgets its log and is
    fed from the start, in memory only.

    ``confirmed_round`` counts within one term: who waits for a round must forget it when ``term`` or the role changes.
    Any method may raise RaftInvariantError: the node must stop then, its memory is not to be trusted.
    """

    # --- what the node reads ----------------------------------------------------------------------------

    @property
    def term(self) -> int:
        return self._state.term

    @property
    def commit_index(self) -> int:
        return self._state.commit_index

    @property
    def last_index(self) -> int:
        return self._state.log.last_index

    @property
    def snapshot_index(self) -> int:
        return self._state.log.snapshot_index

    @property
    def voters(self) -> tuple[Voter, ...]:
        return self._state.voters.voters

    @property
    def cluster_id(self) -> str | None:
        return self._formation.cluster_id

    @property
    def is_leader(self) -> bool:
        return self._leadership is not None

    @property
    def leader_ready(self) -> bool:
        """Leader, and the no-op of its own term is committed: everything older is, too."""
        return self._leadership is not None and self._leadership.ready

    @property
    def confirmed_round(self) -> int:
        """The highest round that a majority (self included) acknowledged in this term; 0 unless leader."""
        return self._leadership.confirmed_round if self._leadership is not None else 0

    @property
    def next_deadline(self) -> int:
        """When ``tick`` must be called next, in ns."""
        if self._leadership is not None:
            return self._leadership.deadline
        return self._ask_at if self.role in _ASKING else self._election_at

    def status(self) -> RaftStatus:
        state = self._state
        return RaftStatus(
            role=str(self.role),
            term=state.term,
            leader=self.leader.broker_id if self.leader else NO_BROKER,
            commit_index=state.commit_index,
            applied_index=state.applied_index,
            last_index=state.log.last_index,
            snapshot_index=state.log.snapshot_index,
            voters=tuple((voter.broker_id, voter.directory_id) for voter in state.voters.voters),
        )

    # --- what the node asks for -------------------------------------------------------------------------

    def propose(self, now: int, records: tuple[Record, ...]) -> int | None:
        """Append one entry; its index, or None: not leader, transferring, or too many entries uncommitted."""
        self.dirty = True
        return self._leadership.propose(now, records) if self._leadership is not None else None

    def begin_round(self, now: int) -> int:
        """The number of a round sent after now; wait for ``confirmed_round`` to reach it in this term.

        Raises RaftInvariantError unless leader.
        """
        if self._leadership is None:
            raise RaftInvariantError("only a leader begins a round")
        self.dirty = True
        return self._leadership.begin_round(now)

    def transfer(self, now: int, broker_id: int) -> bool:
        """Hand leadership over; False when not leader or ``broker_id`` is no other voter."""
        self.dirty = True
        return self._leadership is not None and self._leadership.transfer(now, broker_id)

    def suspect(self, now: int, broker_id: int) -> None:
        """The host of this peer refused a connection.

        If it is the leader, this replica asks for pre-votes as soon as one heartbeat is missing, and its own lease
        no longer holds it back. A voter that still hears the leader refuses, so a false suspicion costs a few messages.
        """
        if self.leader is None or self.leader.broker_id != broker_id or self._leadership is not None:
            return
        if not self._suspected:
            self.dirty = True
            self._suspected = True
            early = self._contact_at + 2 * self._state.heartbeat_ns
            spread = self._state.rng.randrange(0, self._state.heartbeat_ns)
            self._election_at = min(self._election_at, max(now, early) + spread)

    def take_committed(self) -> tuple[Entry, ...]:
        """Newly committed entries, in order, each once (from the snapshot on, after a start)."""
        return self._state.take_committed()

    def take_installed_snapshot(self) -> RaftSnapshot | None:
        """A snapshot found at the start, or sent by a leader: the image is this one now, entries go on after it."""
        return self._state.take_installed()

    def compact(self, now: int, index: int, image: bytes) -> None:
        """``image`` is the metadata state at ``index`` (applied): drop the log up to it."""
        self.dirty = True
        self._state.compact(index, image)
