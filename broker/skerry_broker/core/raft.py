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

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from skerry_broker.core import quorum
from skerry_broker.core.following import Following
from skerry_broker.core.formation import Formation
from skerry_broker.core.leadership import Leadership
from skerry_broker.core.messages import (
    AppendReply,
    AppendRequest,
    Identify,
    Identity,
    JoinRequest,
    PeerMessage,
    RaftSnapshot,
    Recovered,
    SnapshotRequest,
    TimeoutNow,
    VoteReply,
    VoteRequest,
)
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.raft_state import RaftState
from skerry_broker.core.raftlog import RaftInvariantError
from skerry_broker.core.records import Entry, Record
from skerry_broker.core.status import RaftStatus
from skerry_broker.core.types import NO_BROKER, NodeConfig, Rng, Voter

__all__ = ["Raft", "RaftInvariantError", "Role"]


class Role(StrEnum):
    UNFORMATTED = "Unformatted"
    OBSERVER = "Observer"
    FOLLOWER = "Follower"
    PRE_CANDIDATE = "PreCandidate"
    CANDIDATE = "Candidate"
    LEADER = "Leader"


class Raft:
    """``step``, ``tick`` and ``flushed`` put effects into ``out``; nothing else is observable outside.

    After each call the node calls ``take_installed_snapshot()`` first, then ``take_committed()``.
    Any method may raise RaftInvariantError: the node must stop then, its memory is not to be trusted.
    """

    def __init__(self, config: NodeConfig, recovered: Recovered, rng: Rng, out: Outbox, now: int) -> None:
        self._state = RaftState(config, recovered, rng, out)
        self._formation = Formation(self._state, recovered.cluster_id)
        self._out = out
        self.role = Role.UNFORMATTED
        self.leader: Voter | None = None
        """The leader of this term as far as known; None again when an election is due."""
        self._leadership: Leadership | None = None
        self._following: Following | None = None
        """Towards the leader of this term; survives the doubt of a PreCandidate."""
        self._votes: dict[Voter, bool] = {}
        self._soliciting = False
        """Candidate whose own term and vote are durable: the requests are out."""
        self._by_transfer = False
        self._vote_owed: tuple[Voter, bool] | None = None
        """The answer to a request for votes in this term that waits for the disk."""
        self._contact_at = now
        self._suspected = False
        self._timeout_ns = 0
        self._draw_timeout()
        self._election_at = now + self._timeout_ns
        self._ask_at = now
        self._ask_interval_ns = 2 * self._state.heartbeat_ns
        self._handlers: dict[type, Callable[[int, Voter, Any], None]] = {
            AppendRequest: self._on_append,
            AppendReply: self._on_append_reply,
            VoteRequest: self._on_vote_request,
            VoteReply: self._on_vote_reply,
            SnapshotRequest: self._on_snapshot,
            TimeoutNow: self._on_timeout_now,
            JoinRequest: self._on_join,
        }
        self._settle_role(now)

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
        if self.role is Role.UNFORMATTED or self.role is Role.OBSERVER:
            return self._ask_at
        return self._election_at

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
        return self._leadership.propose(now, records) if self._leadership is not None else None

    def begin_round(self, now: int) -> int:
        """The number of a round sent after now; wait for ``confirmed_round`` to reach it in this term.

        Raises RaftInvariantError unless leader.
        """
        if self._leadership is None:
            raise RaftInvariantError("only a leader begins a round")
        return self._leadership.begin_round(now)

    def transfer(self, now: int, broker_id: int) -> bool:
        """Hand leadership over; False when not leader or ``broker_id`` is no other voter."""
        return self._leadership is not None and self._leadership.transfer(now, broker_id)

    def suspect(self, now: int, broker_id: int) -> None:
        """The host of this peer refused a connection.

        If it is the leader, this replica asks for pre-votes as soon as one heartbeat is missing, and its own lease
        no longer holds it back. Whoever still hears the leader refuses, so a false suspicion costs a few messages.
        """
        if self.leader is None or self.leader.broker_id != broker_id or self._leadership is not None:
            return
        if not self._suspected:
            self._suspected = True
            early = self._contact_at + 2 * self._state.heartbeat_ns
            spread = self._state.rng.randrange(0, self._state.heartbeat_ns)
            self._election_at = min(self._election_at, max(now, early) + spread)

    def take_committed(self) -> tuple[Entry, ...]:
        """Newly committed entries, in order, each once (from the snapshot on, after a start)."""
        return self._state.take_committed()

    def take_installed_snapshot(self) -> RaftSnapshot | None:
        """A snapshot from a leader: the metadata image is this one now, and entries go on after it."""
        return self._state.take_installed()

    def compact(self, now: int, index: int, image: bytes) -> None:
        """``image`` is the metadata state at ``index`` (applied): drop the log up to it."""
        self._state.compact(index, image)

    # --- events -----------------------------------------------------------------------------------------

    def tick(self, now: int) -> None:
        leadership = self._leadership
        if leadership is not None:
            if now >= leadership.deadline and not leadership.tick(now):
                self._out.fact("broker_raft_quorum_lost_total")
                self._resign(now)
        elif self.role is Role.UNFORMATTED or self.role is Role.OBSERVER:
            if now >= self._ask_at:
                self._ask_at = now + self._ask_interval_ns
                if now - self._contact_at > self._state.election_ns_max:
                    self.leader = None
                self._formation.ask(now, self.leader)
        elif now >= self._election_at:
            if self.role is Role.CANDIDATE and not self._state.term_is_durable:
                self._election_at = now + self._timeout_ns  # a slow disk: another term would not make it faster
            else:
                self._ask_for_pre_votes(now)

    def step(self, now: int, source: Voter, message: PeerMessage) -> None:
        """One consensus or formation message (VoteRequest .. JoinRequest) from ``source``."""
        kind = type(message)
        if self._formation.cluster_id is not None:
            handler = self._handlers.get(kind)
            if handler is not None:
                if source.broker_id != self._state.me.broker_id:
                    handler(now, source, message)
                return
        if isinstance(message, Identify):
            self._formation.asked(source, self.leader)
        elif isinstance(message, Identity):
            self._formation.answered(now, source, message)

    def flushed(self, now: int, write_id: int) -> None:
        """Everything up to ``write_id`` is durable: release what waited for it."""
        state = self._state
        state.flushed(write_id)
        if self._formation.flushed():
            self._formatted(now)
        if self._leadership is not None:
            self._leadership.flushed(now)
        elif self._following is not None:
            self._following.flushed()
        if self._vote_owed is not None and state.term_is_durable:
            candidate, granted = self._vote_owed
            self._vote_owed = None
            self._out.send(candidate.broker_id, VoteReply(state.term, granted, False))
        if self.role is Role.CANDIDATE and not self._soliciting and state.term_is_durable:
            self._ask_for_votes(now)

    # --- roles ------------------------------------------------------------------------------------------

    def _draw_timeout(self) -> None:
        state = self._state
        self._timeout_ns = state.rng.randrange(state.election_ns_min, state.election_ns_max)

    def _settle_role(self, now: int) -> None:
        """What a replica without an election going on is: by its format and the voter set of its log."""
        state = self._state
        if self._formation.cluster_id is None:
            self.role = Role.UNFORMATTED
        elif state.mute or state.me not in state.voters.voters:
            self.role = Role.OBSERVER
        elif self.role is not Role.FOLLOWER:
            self.role = Role.FOLLOWER
            self._election_at = now + self._timeout_ns

    def _formatted(self, now: int) -> None:
        self._settle_role(now)
        self._ask_at = now + self._ask_interval_ns
        if self._formation.founded:
            self._formation.announce()
            self._election_at = now + 2 * self._state.heartbeat_ns

    def _enter_term(self, now: int, term: int, vote: Voter | None = None) -> None:
        """A higher term exists: follow in it, whoever will lead."""
        self._state.save_hard_state(term, vote)
        self._following = None
        self._vote_owed = None
        self._resign(now)

    def _resign(self, now: int) -> None:
        """No leader, no candidate any more; the term stays."""
        self._leadership = None
        self.leader = None
        self._votes = {}
        self._soliciting = False
        self._suspected = False
        self._draw_timeout()
        self._settle_role(now)

    def _in_lease(self, now: int) -> bool:
        """Whether this replica has a leader whose followers must not elect another one yet.

        A leader itself always has: CheckQuorum ends it. A suspected leader's lease is two heartbeats.
        """
        if self._leadership is not None:
            return True
        if self.leader is None:
            return False
        lease_ns = 2 * self._state.heartbeat_ns if self._suspected else self._state.election_ns_min
        return now < self._contact_at + lease_ns

    def _follow(self, now: int, source: Voter, term: int) -> Following:
        """``source`` leads ``term``, which is not below ours. Raises RaftInvariantError for a second leader."""
        if term > self._state.term:
            self._enter_term(now, term)
        following = self._following
        if self._leadership is not None or (following is not None and following.leader != source):
            other = self._state.me if following is None else following.leader
            raise RaftInvariantError(f"two leaders in term {term}: {other} and {source}")
        if following is None:
            following = self._following = Following(self._state, source)
        if self.leader is None:
            self.leader = source
            self._votes = {}
            self._soliciting = False
            self._settle_role(now)
        self._contact_at = now
        self._suspected = False
        self._election_at = now + self._timeout_ns
        return following

    # --- messages of a leader ---------------------------------------------------------------------------

    def _refuse_stale_leader(self, source: Voter, round_: int) -> None:
        """It must learn the term, or with PreVote it would never hear of it and call for ever (etcd)."""
        state = self._state
        if state.term_is_durable:
            self._out.send(source.broker_id, AppendReply(state.term, False, 0, round_, 0, not state.mute))

    def _on_append(self, now: int, source: Voter, message: AppendRequest) -> None:
        if message.term < self._state.term:
            self._refuse_stale_leader(source, message.round)
        elif self._follow(now, source, message.term).append(message):
            self._settle_role(now)

    def _on_snapshot(self, now: int, source: Voter, message: SnapshotRequest) -> None:
        if message.term < self._state.term:
            self._refuse_stale_leader(source, message.round)
        elif self._follow(now, source, message.term).install(message):
            self._settle_role(now)

    def _on_timeout_now(self, now: int, source: Voter, message: TimeoutNow) -> None:
        following = self._following
        if (
            message.term == self._state.term
            and following is not None
            and following.leader == source
            and self.role in (Role.FOLLOWER, Role.PRE_CANDIDATE)
        ):
            self._campaign(now, by_transfer=True)

    # --- messages of followers --------------------------------------------------------------------------

    def _on_append_reply(self, now: int, source: Voter, message: AppendReply) -> None:
        if message.term > self._state.term:
            self._enter_term(now, message.term)
        elif self._leadership is not None and message.term == self._state.term:
            self._leadership.acked(now, source, message)

    def _on_join(self, now: int, source: Voter, message: JoinRequest) -> None:
        if self._leadership is not None and message.cluster_id == self._formation.cluster_id:
            self._leadership.joined(now, source)

    # --- elections --------------------------------------------------------------------------------------

    def _ask_for_pre_votes(self, now: int) -> None:
        """Would a majority elect this replica? Nobody's term changes (Raft thesis 9.6)."""
        state = self._state
        suspected = self._suspected
        self._draw_timeout()
        self._election_at = now + (self._timeout_ns // 2 if suspected else self._timeout_ns)
        self.role = Role.PRE_CANDIDATE
        self.leader = None
        self._soliciting = False
        self._votes = {state.me: True}
        if quorum.won(state.voters.voters, self._votes):
            self._campaign(now)
            return
        self._out.fact("broker_raft_prevotes_total", "started")
        self._solicit(VoteRequest(state.term + 1, state.log.last_index, state.log.last_term, True))

    def _campaign(self, now: int, by_transfer: bool = False) -> None:
        """Enter the next term and vote for oneself. The requests follow when that is durable: a candidate that
        crashed must not be elected later with votes that were given to a longer log."""
        state = self._state
        state.save_hard_state(state.term + 1, state.me)
        self._out.fact("broker_raft_elections_total", "started")
        self.role = Role.CANDIDATE
        self.leader = None
        self._following = None
        self._vote_owed = None
        self._votes = {}
        self._soliciting = False
        self._by_transfer = by_transfer
        self._draw_timeout()
        self._election_at = now + self._timeout_ns

    def _ask_for_votes(self, now: int) -> None:
        state = self._state
        self._soliciting = True
        self._votes = {state.me: True}
        if quorum.won(state.voters.voters, self._votes):
            self._lead(now)
            return
        self._solicit(VoteRequest(state.term, state.log.last_index, state.log.last_term, False, self._by_transfer))

    def _solicit(self, request: VoteRequest) -> None:
        for voter in self._state.voters.voters:
            if voter != self._state.me:
                self._out.send(voter.broker_id, request)

    def _lead(self, now: int) -> None:
        self._out.fact("broker_raft_elections_total", "won")
        self.role = Role.LEADER
        self.leader = self._state.me
        self._votes = {}
        self._leadership = Leadership(self._state, now)

    def _on_vote_request(self, now: int, source: Voter, message: VoteRequest) -> None:
        state = self._state
        if state.mute:
            return
        if message.term > state.term and not message.transfer and self._in_lease(now):
            return
        free = message.term > state.term or (
            message.term == state.term and state.voted_for in (None, source) and not self._in_lease(now)
        )
        granted = free and state.log.at_least(message.last_index, message.last_term)
        if message.pre:
            if state.term_is_durable:
                self._out.send(source.broker_id, VoteReply(message.term if granted else state.term, granted, True))
            return
        if message.term > state.term:
            self._enter_term(now, message.term, source if granted else None)
        elif granted and state.voted_for is None:
            state.save_hard_state(message.term, source)
        if granted:
            self._election_at = now + self._timeout_ns
        if state.term_is_durable:
            self._out.send(source.broker_id, VoteReply(state.term, granted, False))
        elif granted or self._vote_owed is None:
            self._vote_owed = (source, granted)

    def _on_vote_reply(self, now: int, source: Voter, message: VoteReply) -> None:
        state = self._state
        if message.term > state.term and not (message.pre and message.granted):
            self._enter_term(now, message.term)
            return
        if message.pre:
            expected = state.term + 1 if message.granted else state.term
            if self.role is not Role.PRE_CANDIDATE or message.term != expected:
                return
        elif self.role is not Role.CANDIDATE or not self._soliciting or message.term != state.term:
            return
        self._votes[source] = message.granted
        voters = state.voters.voters
        if quorum.won(voters, self._votes):
            if message.pre:
                self._campaign(now)
            else:
                self._lead(now)
        elif quorum.lost(voters, self._votes):
            self._votes = {}
            self._soliciting = False
            self._settle_role_after_defeat()

    def _settle_role_after_defeat(self) -> None:
        """Others have the better log or a leader; the timer goes on."""
        self.role = Role.FOLLOWER
