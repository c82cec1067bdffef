"""The duties of a leader: replicate, commit, prove that it still leads, change the voters, hand over.

An object of this class lives from one election to the next: what only a leader knows cannot outlive its term.

**Rounds.** Every heartbeat to all replicas starts a round; the number travels in each AppendRequest and comes back
in the reply, also in one that refuses the entries. A round that a majority echoed proves that no other leader
existed when the round was *sent* (nobody votes within a leader's lease without having left its term). Leases and
read barriers (`begin_round`) and CheckQuorum use this one mechanism: a leader steps down when a round has not come
back from a majority within ``check_quorum_ms`` (KAFKA-15489, B11: KRaft had zombie leaders without it).
"""

from __future__ import annotations

from collections import deque

from skerry_broker.core.membership import next_voters
from skerry_broker.core.peer_messages import AppendReply, AppendRequest, SnapshotRequest, TimeoutNow
from skerry_broker.core.progress import MESSAGE_ENTRIES, WINDOW_ENTRIES, Flow, Progress
from skerry_broker.core.quorum import agreed
from skerry_broker.core.raft_state import RaftState
from skerry_broker.core.raftlog import RaftInvariantError
from skerry_broker.core.records import Entry, NoOp, Record, VotersChanged
from skerry_broker.core.types import Voter

UNCOMMITTED_ENTRIES_MAX = 1024
"""A leader without a quorum must not grow its log without end (etcd MaxUncommittedEntriesSize)."""


class Leadership:
    """Invariants:

    1. confirmed_round <= round; both count within this term only.
    2. ``progress`` holds every other voter, and the observers that asked to join.
    """

    __slots__ = (
        "_commit_rounds",
        "_noop_index",
        "_observers",
        "_peers",
        "_sent",
        "_state",
        "_transfer_deadline",
        "_transferee",
        "confirmed_round",
        "heartbeat_at",
        "progress",
        "ready",
        "round",
    )

    def __init__(self, state: RaftState, now: int) -> None:
        self._state = state
        self.round = 0
        self.confirmed_round = 0
        self.heartbeat_at = now
        self._commit_rounds = (state.commit_index, state.commit_index)
        """The commit index when the round before the last one was sent, and when the last one was."""
        self._sent: deque[tuple[int, int]] = deque()
        """(round, when sent) of the rounds that no majority has echoed, oldest first."""
        self.progress: dict[Voter, Progress] = {}
        self._observers: dict[int, tuple[Voter, int]] = {}
        """The replicas that asked to join, by broker id: each, and when it last did. Never a voter."""
        self._peers: list[Progress] = []
        """The replicas to send to, in a fixed order: `progress` without voters whose disk was replaced."""
        self.ready = False
        self._transferee: Voter | None = None
        self._transfer_deadline = 0
        self._sync_progress()
        self._noop_index = state.log.last_index + 1
        state.append((Entry(self._noop_index, state.term, (NoOp(),)),))
        self._broadcast_round(now)

    # --- time -------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> int:
        deadline = self.heartbeat_at
        if self._sent:
            quorum_lost_at = self._sent[0][1] + self._state.quorum_ns
            if quorum_lost_at < deadline:
                return quorum_lost_at
        return deadline

    def tick(self, now: int) -> bool:
        """Returns False when this leader has lost its quorum and must step down."""
        if self._sent and self._sent[0][1] + self._state.quorum_ns <= now:
            return False
        if self._transferee is not None and now >= self._transfer_deadline:
            self._transferee = None
        if now >= self.heartbeat_at:
            self._broadcast_round(now)
            if self._transferee is not None:
                self._hand_over(self.progress[self._transferee])  # the first TimeoutNow may be lost
            elif self._observers:
                self._change_voters(now)
        return True

    def begin_round(self, now: int) -> int:
        """The number of a round that is sent later than now.

        It waits up to half a heartbeat, so that everybody who asks meanwhile shares it: at most two rounds per
        heartbeat, whatever the number of brokers, and half a heartbeat is little against the lease.
        """
        self.heartbeat_at = min(self.heartbeat_at, now + self._state.heartbeat_ns // 2)
        return self.round + 1

    def _broadcast_round(self, now: int) -> None:
        self.round += 1
        self._commit_rounds = (self._commit_rounds[1], self._state.commit_index)
        self._sent.append((self.round, now))
        self.heartbeat_at = now + self._state.heartbeat_ns
        for peer in self._peers:
            peer.probe_sent = False
            self._send(now, peer, heartbeat=True)
        if len(self._state.voters.voters) == 1:
            self._confirm_rounds()

    def _confirm_rounds(self) -> None:
        state = self._state
        rounds = [
            self.round if voter == state.me else self._surety(voter, acked_round=True) for voter in state.voters.voters
        ]
        confirmed = agreed(rounds)
        if confirmed > self.confirmed_round:
            self.confirmed_round = confirmed
            while self._sent and self._sent[0][0] <= confirmed:
                self._sent.popleft()

    def _surety(self, voter: Voter, acked_round: bool = False) -> int:
        progress = self.progress[voter]
        if not progress.counts:
            return 0
        return progress.acked_round if acked_round else progress.match

    # --- replication ------------------------------------------------------------------------------------

    def propose(self, now: int, records: tuple[Record, ...]) -> int | None:
        state = self._state
        if self._transferee is not None or state.log.last_index - state.commit_index >= UNCOMMITTED_ENTRIES_MAX:
            return None
        return self._append(now, records)

    def _append(self, now: int, records: tuple[Record, ...]) -> int:
        state = self._state
        index = state.log.last_index + 1
        if state.append((Entry(index, state.term, records),)):
            self._sync_progress()
        for peer in self._peers:
            self._send(now, peer)
        return index

    def _send(self, now: int, peer: Progress, heartbeat: bool = False) -> None:
        """Send what ``peer`` lacks and may be sent now; with ``heartbeat`` at least an empty message."""
        state = self._state
        log = state.log
        if peer.flow is not Flow.SNAPSHOT and peer.next <= log.snapshot_index:
            peer.needs_snapshot(log.snapshot_index)
        if peer.flow is Flow.SNAPSHOT:
            self._send_snapshot(now, peer, heartbeat)
            return
        if peer.flow is Flow.PROBE:
            if peer.probe_sent:
                return
            peer.probe_sent = True
            entries: tuple[Entry, ...] = ()
            if not heartbeat or self.round == 1:  # a silent peer gets the tail once, then only questions
                entries = log.slice(peer.next, MESSAGE_ENTRIES)
            self._send_append(peer, entries)
            return
        while peer.next <= log.last_index and peer.next - peer.match <= WINDOW_ENTRIES:
            entries = log.slice(peer.next, MESSAGE_ENTRIES)
            self._send_append(peer, entries)
            peer.next += len(entries)
            heartbeat = False
        if heartbeat:
            self._send_append(peer, ())

    def _send_append(self, peer: Progress, entries: tuple[Entry, ...]) -> None:
        state = self._state
        prev_index = peer.next - 1
        prev_term = state.log.term_at(prev_index)
        peer.commit_sent = state.commit_index
        state.out.send(
            peer.replica.broker_id,
            AppendRequest(state.term, prev_index, prev_term, state.commit_index, self.round, entries),
        )

    def _send_snapshot(self, now: int, peer: Progress, heartbeat: bool) -> None:
        """Only to a replica that answers, and again only when it has answered since without having installed it."""
        state = self._state
        snapshot = state.log.snapshot
        if snapshot is None:
            raise RaftInvariantError(f"the log begins after {state.log.snapshot_index} without a snapshot")
        sent_at = peer.snapshot_sent_at
        if sent_at is None:
            due = peer.heard_since(now - state.election_ns_min)
        else:
            due = sent_at + state.election_ns_min <= now and peer.heard_since(sent_at + 1)
        if due:
            peer.snapshot_sent_at = now
            peer.snapshot_index = snapshot.last_index
            state.out.send(
                peer.replica.broker_id,
                SnapshotRequest(
                    state.term,
                    snapshot.last_index,
                    snapshot.last_term,
                    snapshot.voters,
                    snapshot.image,
                    self.round,
                ),
            )
        elif heartbeat:  # entry 0 is in every log: accepted, and says nothing
            state.out.send(peer.replica.broker_id, AppendRequest(state.term, 0, 0, 0, self.round))

    def acked(self, now: int, source: Voter, reply: AppendReply) -> None:
        """Raises RaftInvariantError when a replica claims entries that this leader does not have."""
        peer = self.progress.get(source)
        if peer is None:
            return
        if source.broker_id in self._observers and self._observers[source.broker_id][0] != source:
            del self._observers[source.broker_id]  # the voter's own disk is back
            self._sync_progress()
        peer.acked_at = now
        peer.counts = reply.counts
        if reply.round > peer.acked_round:
            peer.acked_round = reply.round
            if reply.round > self.confirmed_round:
                self._confirm_rounds()
        if not reply.success:
            peer.refused(self._state.log.last_at_most(reply.match_index, reply.hint_term))
            self._send(now, peer)
            return
        if reply.match_index > self._state.log.last_index:
            raise RaftInvariantError(f"{source} acknowledged entry {reply.match_index}, which does not exist")
        if peer.accepted(reply.match_index):
            self._advance_commit(now)
            if peer.replica == self._transferee:
                self._hand_over(peer)
        if peer.next <= self._state.log.last_index:
            self._send(now, peer)
        elif peer.commit_sent < self._state.commit_index and peer.flow is Flow.REPLICATE:
            self._send(now, peer, heartbeat=True)

    def flushed(self, now: int) -> None:
        """The leader's own disk has caught up to ``durable_index``."""
        if self._state.durable_index > self._state.commit_index:
            self._advance_commit(now)

    def _advance_commit(self, now: int) -> None:
        """Commit what a majority holds durably, but only up to an entry of the own term (Raft 5.4.2, figure 8)."""
        state = self._state
        durable = [state.durable_index if voter == state.me else self._surety(voter) for voter in state.voters.voters]
        index = agreed(durable)
        if index <= state.commit_index or state.log.term_at(index) != state.term:
            return
        state.commit_to(index)
        self.ready = self.ready or index >= self._noop_index
        for peer in self._peers:  # brokers act on what is committed: tell them now, not with the next heartbeat
            if peer.flow is Flow.REPLICATE:
                self._send(now, peer, heartbeat=True)

    # --- voters -----------------------------------------------------------------------------------------

    def _sync_progress(self) -> None:
        """After voters or observers changed: a progress for each of them, none for who left."""
        state = self._state
        voters = state.voters.voters
        for broker_id in [id_ for id_, (replica, _) in self._observers.items() if replica in voters]:
            del self._observers[broker_id]
        newest = {broker_id: replica for broker_id, (replica, _) in self._observers.items()}
        known = self.progress
        self.progress = {
            replica: known.get(replica) or Progress(replica, state.log.last_index + 1)
            for replica in sorted({*voters, *newest.values()} - {state.me})
        }
        self._peers = [
            progress for replica, progress in self.progress.items() if newest.get(replica.broker_id, replica) == replica
        ]

    def joined(self, now: int, source: Voter) -> None:
        """An observer asks to be fed, and to vote when it has caught up. It repeats that until it votes."""
        if source in self._state.voters.voters or source.broker_id == self._state.me.broker_id:
            return
        known = self._observers.get(source.broker_id)
        self._observers[source.broker_id] = (source, now)
        if known is None or known[0] != source:
            self._sync_progress()
            self._send(now, self.progress[source])

    def _change_voters(self, now: int) -> None:
        """The next step of a replacement, when it is safe: one change at a time, and none before an entry of the own
        term is committed (the single-server bug that Ongaro announced on raft-dev in 2015: an uncommitted change of
        an older term may otherwise come back and not share a majority with this one)."""
        state = self._state
        gone = [id_ for id_, (_, asked_at) in self._observers.items() if asked_at + 2 * state.election_ns_max < now]
        for broker_id in gone:
            del self._observers[broker_id]
        if gone:
            self._sync_progress()
        if not self._observers or not self.ready or self._transferee or state.voters.index > state.commit_index:
            return
        since = now - 3 * state.heartbeat_ns
        live = {replica for replica, peer in self.progress.items() if peer.counts and peer.heard_since(since)}
        live.add(state.me)
        # one round behind is caught up: under constant writes nobody ever holds everything (KAFKA-13959)
        joining = [
            (replica, replica in live and self.progress[replica].match >= self._commit_rounds[0])
            for replica in sorted(replica for replica, _ in self._observers.values())
        ]
        voters = next_voters(state.voters.voters, joining, live, state.config.voter_ids)
        if voters is not None:
            self._append(now, (VotersChanged(voters),))

    # --- transfer ---------------------------------------------------------------------------------------

    def transfer(self, now: int, broker_id: int) -> bool:
        """Let another voter lead, one that was heard of lately.

        Given up after an election timeout; no proposals are taken until then.
        """
        since = now - self._state.quorum_ns
        for peer in self._peers:
            if peer.replica.broker_id != broker_id or peer.replica not in self._state.voters.voters:
                continue
            if peer.counts and peer.heard_since(since):
                self._transferee = peer.replica
                self._transfer_deadline = now + self._state.election_ns_max
                self._send(now, peer)
                self._hand_over(peer)
                return True
        return False

    def _hand_over(self, peer: Progress) -> None:
        """The successor must hold everything, or it would lose the election (Raft thesis 3.10)."""
        state = self._state
        if peer.match == state.log.last_index:
            state.out.send(peer.replica.broker_id, TimeoutNow(state.term))
