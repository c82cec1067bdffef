"""The roles of one replica: terms, votes, leases and timers. `raft` opens with the picture of them."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from skerry_broker.core import quorum
from skerry_broker.core.following import Following
from skerry_broker.core.formation import Formation
from skerry_broker.core.leadership import Leadership
from skerry_broker.core.messages import Recovered
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.peer_messages import (
    AppendReply,
    AppendRequest,
    Identify,
    Identity,
    JoinRequest,
    PeerMessage,
    SnapshotRequest,
    TimeoutNow,
    VoteReply,
    VoteRequest,
)
from skerry_broker.core.raft_state import RaftState
from skerry_broker.core.raftlog import RaftInvariantError
from skerry_broker.core.types import NodeConfig, Rng, Voter


class Role(StrEnum):
    UNFORMATTED = "Unformatted"
    OBSERVER = "Observer"
    FOLLOWER = "Follower"
    PRE_CANDIDATE = "PreCandidate"
    CANDIDATE = "Candidate"
    LEADER = "Leader"


_CANDIDATE = Role.CANDIDATE


TERM_STEP_MAX = 1 << 32
"""A message of a term that is further ahead than this is ignored. A term grows with an election, and this many take
longer than any cluster lives; but a broker that enters a term writes it down for good, and one that cannot grow any
more (2^64 - 1 does not) would be the end of the whole cluster."""


class RaftRoles:
    """The machine behind `raft.Raft`, which adds what the node may ask for."""

    def __init__(self, config: NodeConfig, recovered: Recovered, rng: Rng, out: Outbox, now: int) -> None:
        self._state = RaftState(config, recovered, rng, out)
        self._formation = Formation(self._state, recovered.cluster_id)
        self._out = out
        self.dirty = True
        """Something was asked of this replica since the node last looked at it. Invariant: while False, nothing that
        the node follows (leader, term, what is committed or installed, the confirmed round, the next deadline) has
        changed."""
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
        if self._state.voters.voters == (self._state.me,):
            self._election_at = now  # nobody else to wait for

    # --- events -----------------------------------------------------------------------------------------

    def tick(self, now: int) -> None:
        self.dirty = True
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
                self.ask_for_pre_votes(now)

    def step(self, now: int, source: Voter, message: PeerMessage) -> None:
        """One consensus or formation message (VoteRequest .. JoinRequest) from ``source``."""
        self.dirty = True
        kind = type(message)
        if self._formation.cluster_id is not None:
            handler = self._handlers.get(kind)
            if handler is not None:
                if getattr(message, "term", 0) - self._state.term > TERM_STEP_MAX:
                    self._out.fact("broker_raft_terms_refused_total")
                    return
                if source.broker_id != self._state.me.broker_id:
                    handler(now, source, message)
                return
        if isinstance(message, Identify):
            self._formation.asked(source, self.leader)
        elif isinstance(message, Identity):
            self._formation.answered(now, source, message)

    def flushed(self, now: int, write_id: int) -> None:
        """Everything up to ``write_id`` is durable: release what waited for it."""
        # Most flushes are of partitions' logs: only what changes something that the node follows stirs.
        state = self._state
        state.flushed(write_id)
        if self._formation.flushed():
            self.dirty = True
            self._formatted(now)
        if self._leadership is not None:
            before = state.commit_index
            self._leadership.flushed(now)
            if state.commit_index != before:
                self.dirty = True
        elif self._following is not None:
            self._following.flushed()
        if self._vote_owed is not None and state.term_is_durable:
            candidate, granted = self._vote_owed
            self._vote_owed = None
            self._out.send(candidate.broker_id, VoteReply(state.term, granted, False))
        if self.role is _CANDIDATE and not self._soliciting and state.term_is_durable:
            self.dirty = True
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
        self._ask_at = now  # who leads? (a founder is a voter already, and does not ask)
        if self._formation.founded:
            self._formation.announce()
            self._election_at = now + 2 * self._state.heartbeat_ns

    def _enter_term(self, now: int, term: int, vote: Voter | None = None) -> None:
        """A higher term exists: follow in it, before it is known who will lead."""
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
            self.campaign(now, by_transfer=True)

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

    def ask_for_pre_votes(self, now: int) -> None:
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
            self.campaign(now)
            return
        self._out.fact("broker_raft_prevotes_total", "started")
        self._solicit(VoteRequest(state.term + 1, state.log.last_index, state.log.last_term, True))

    def campaign(self, now: int, by_transfer: bool = False) -> None:
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
                self.campaign(now)
            else:
                self._lead(now)
        elif quorum.lost(voters, self._votes):
            self._votes = {}
            self._soliciting = False
            self.role = Role.FOLLOWER  # others have the better log, or a leader; the timer goes on
