"""The duties of a follower towards the leader of one term: take its entries, and answer for what is durable.

An object of this class lives as long as the term has that leader.
"""

from __future__ import annotations

from skerry_broker.core.messages import RaftSnapshot
from skerry_broker.core.peer_messages import AppendReply, AppendRequest, SnapshotRequest
from skerry_broker.core.raft_state import RaftState
from skerry_broker.core.raftlog import RaftInvariantError
from skerry_broker.core.types import Voter


class Following:
    """Invariants:

    1. The log up to ``_matched`` is equal to the leader's (which only grows), so it never decreases.
    2. An accepting reply says min(durable, matched), and none leaves before the term itself is durable.
    """

    __slots__ = ("_matched", "_owes", "_refusal", "_round", "_state", "leader")

    def __init__(self, state: RaftState, leader: Voter) -> None:
        self._state = state
        self.leader = leader
        self._matched = 0
        self._round = 0
        """The latest round heard of; any reply may prove it."""
        self._owes = False
        """A reply waits for the disk."""
        self._refusal: AppendReply | None = None

    def append(self, request: AppendRequest) -> bool:
        """Take entries or a heartbeat; returns whether the voter set changed.

        A heartbeat is answered at once, even while older entries wait for a slow disk: otherwise an fsync of half a
        second would look like a lost follower. Entries are answered when they are durable.
        """
        state = self._state
        log = state.log
        prev_index = request.prev_index
        entries = request.entries
        if request.round > self._round:
            self._round = request.round
        if prev_index < log.snapshot_index:  # the snapshot is committed, so it equals what the leader has there
            entries = entries[log.snapshot_index - prev_index :]
        elif log.term_at(prev_index) != request.prev_term:
            self._refuse(request)
            return False
        matched = prev_index + len(request.entries)
        changed = False
        written = False
        for position, entry in enumerate(entries):
            known = log.term_at(entry.index) if entry.index <= log.last_index else None
            if known == entry.term:
                continue
            changed = state.append(entries[position:], None if known is None else entry.index)
            written = True
            break
        if matched > self._matched:
            self._matched = matched
        if request.commit_index > state.commit_index:
            state.commit_to(max(state.commit_index, min(request.commit_index, self._matched)))
        if state.term_is_durable and (not written or state.durable_index >= matched):
            self._reply()
        else:
            self._owes = True
        return changed

    def install(self, request: SnapshotRequest) -> bool:
        """Take a snapshot, if it is news; returns whether the voter set changed."""
        state = self._state
        before = state.voters.voters
        self._round = max(self._round, request.round)
        if request.last_index > state.commit_index:
            if state.log.term_at(request.last_index) == request.last_term:
                state.commit_to(request.last_index)
            else:
                state.install(RaftSnapshot(request.last_index, request.last_term, request.voters, request.image))
        self._matched = max(self._matched, request.last_index)
        if state.term_is_durable and state.durable_index >= request.last_index:
            self._reply()
        else:
            self._owes = True
        return state.voters.voters != before

    def flushed(self) -> None:
        """The disk caught up somewhat: one reply for all that was waiting."""
        if not self._owes and self._refusal is None:
            return
        state = self._state
        if not state.term_is_durable:
            return
        if self._refusal is not None:
            state.out.send(self.leader.broker_id, self._refusal)
            self._refusal = None
        if self._owes:
            self._owes = state.durable_index < self._matched
            self._reply()

    def _reply(self) -> None:
        state = self._state
        state.out.send(
            self.leader.broker_id,
            AppendReply(state.term, True, min(state.durable_index, self._matched), self._round, 0, not state.mute),
        )

    def _refuse(self, request: AppendRequest) -> None:
        """Say where the logs may agree, a whole term at a time (Raft 5.3, at the end).

        Raises RaftInvariantError when the leader lacks a committed entry.
        """
        state = self._state
        if request.prev_index <= state.commit_index:
            raise RaftInvariantError(
                f"leader {self.leader} has term {request.prev_term} at the committed entry {request.prev_index}, "
                f"this log has term {state.log.term_at(request.prev_index)}"
            )
        hint = state.log.last_at_most(min(request.prev_index, state.log.last_index), request.prev_term)
        hint_term = max(state.log.term_at(hint), 0)
        refusal = AppendReply(state.term, False, hint, request.round, hint_term, not state.mute)
        if state.term_is_durable:
            state.out.send(self.leader.broker_id, refusal)
        else:
            self._refusal = refusal
