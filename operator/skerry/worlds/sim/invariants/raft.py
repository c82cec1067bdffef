"""Rules of the metadata quorum."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from skerry.worlds.sim.invariants.truth import Truth
from skerry_broker.core.messages import Event, SaveRaft, SaveSnapshot, Send
from skerry_broker.core.peer_messages import AppendReply, AppendRequest, VoteReply
from skerry_broker.core.records import Entry, Founded, VotersChanged
from skerry_broker.core.types import Voter

if TYPE_CHECKING:
    from skerry.worlds.sim.node_host import NodeHost

Rule = Callable[["NodeHost", Event, Any], None]


class RaftRules:
    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self.forget()

    def forget(self) -> None:
        """Begin anew, for a cluster that was founded on empty disks."""
        self._leaders: dict[int, tuple[Voter, int]] = {}
        """Term -> (voter, process start): a restarted leader must not go on in its old term (KAFKA-10527)."""
        self.seen: dict[int, int] = {}
        """Per broker the commit index that has been compared with the truth."""
        self._images: dict[int, bytes] = {}
        self.terms = 0
        """Terms that had a leader."""

    def effects(self) -> dict[type[Any], Rule]:
        return {SaveRaft: self._save_raft, SaveSnapshot: self._save_snapshot}

    def messages(self) -> dict[type[Any], Rule]:
        return {AppendRequest: self._append_request, AppendReply: self._append_reply, VoteReply: self._vote_reply}

    def started(self, host: NodeHost) -> None:
        self.seen[host.broker_id] = 0

    # --- what a replica says --------------------------------------------------------------------------------

    def _append_request(self, host: NodeHost, event: Event, effect: Send) -> None:
        message = effect.message
        assert isinstance(message, AppendRequest)
        me = (host.voter, host.starts)
        known = self._leaders.get(message.term)
        if known == me:
            return
        truth = self._truth
        if known is not None:
            truth.violate("one-leader-per-term", host.broker_id, f"term {message.term} was led by {known}, now by {me}")
            return
        self._leaders[message.term] = me
        self.terms += 1
        raft = host.disk.raft
        if raft.durable_hard_state.term < message.term:
            truth.violate(
                "vote-not-durable",
                host.broker_id,
                f"leads term {message.term}, but its disk only knows term {raft.durable_hard_state.term}",
            )
        if truth.cluster_voters and not self._has_votes(host, message.term):
            truth.violate(
                "leads-without-votes", host.broker_id, f"leads term {message.term} without a majority's votes"
            )
        if truth.committed:
            last = truth.committed[-1]
            term = raft.term_at(last.index)
            if term is None and raft.first_index > last.index:
                return
            if term != last.term:
                truth.violate(
                    "leader-lacks-committed-entry",
                    host.broker_id,
                    f"leads term {message.term} with term {term} at index {last.index}, committed in term {last.term}",
                )

    def _has_votes(self, host: NodeHost, term: int) -> bool:
        """A majority of the voters (id *and* disk) has its vote on disk, or may have had it before a later term.

        A wiped broker may answer a vote request, but its vote is of another voter, and does not count.
        """
        voted = {
            peer.voter
            for peer in self._truth.hosts
            if (durable := peer.disk.raft.durable_hard_state).term > term
            or (durable.term == term and durable.voted_for == host.voter)
        }
        return self._is_quorum(host, voted)

    def _append_reply(self, host: NodeHost, event: Event, effect: Send) -> None:
        message = effect.message
        assert isinstance(message, AppendReply)
        raft = host.disk.raft
        if message.success and message.counts and message.match_index > raft.durable_index:
            self._truth.violate(
                "append-not-durable",
                host.broker_id,
                f"acknowledged index {message.match_index} with {raft.durable_index} on disk",
            )

    def _vote_reply(self, host: NodeHost, event: Event, effect: Send) -> None:
        message = effect.message
        assert isinstance(message, VoteReply)
        if not message.granted or message.pre:
            return
        durable = host.disk.raft.durable_hard_state
        voted_for = durable.voted_for
        if durable.term != message.term or voted_for is None or voted_for.broker_id != effect.destination:
            self._truth.violate(
                "vote-not-durable",
                host.broker_id,
                f"voted for {effect.destination} in term {message.term}, its disk says {durable}",
            )

    # --- what a replica writes ------------------------------------------------------------------------------

    def _save_raft(self, host: NodeHost, event: Event, effect: SaveRaft) -> None:
        raft = host.disk.raft
        new, old = effect.hard_state, raft.hard_state
        if new is not None:
            if new.term < old.term:
                self._truth.violate("term-goes-back", host.broker_id, f"{new} after {old}")
            elif new.term == old.term and old.voted_for is not None and new.voted_for != old.voted_for:
                self._truth.violate("vote-changed", host.broker_id, f"{new} after {old}")
        if effect.truncate_from is not None and effect.truncate_from <= len(self._truth.committed):
            entry = raft.entry(effect.truncate_from)
            if entry is not None and entry.term == self._truth.committed[effect.truncate_from - 1].term:
                self._truth.violate(
                    "committed-entry-changed",
                    host.broker_id,
                    f"removes its copy of committed entry {effect.truncate_from}",
                )

    def _save_snapshot(self, host: NodeHost, event: Event, effect: SaveSnapshot) -> None:
        if effect.last_index > len(self._truth.committed):
            self._truth.violate(
                "snapshot-beyond-commit",
                host.broker_id,
                f"snapshot at {effect.last_index}, {len(self._truth.committed)} entries are committed",
            )
        image = hashlib.blake2b(effect.image, digest_size=16).digest()
        if self._images.setdefault(effect.last_index, image) != image:
            self._truth.violate(
                "snapshots-differ", host.broker_id, f"another image at index {effect.last_index} than elsewhere"
            )

    # --- what is committed ----------------------------------------------------------------------------------

    def commits(self, host: NodeHost, *, written: bool) -> None:
        """Compare what the node has come to know as committed.

        Called before its effects are carried out (``written`` False), because they may rest on what it just committed,
        and again afterwards: an entry may be committed in the very step that appends it.
        """
        node = host.node
        if node is None:
            return
        seen = self.seen[host.broker_id]
        commit_index = node.commit_index
        if commit_index <= seen:
            return
        if host.disk.raft_corrupt:
            # It follows in memory, and its disk stays as it was found (B17).
            self.seen[host.broker_id] = commit_index
            return
        raft = host.disk.raft
        truth = self._truth
        if not written:
            commit_index = min(commit_index, raft.last_index)
        self.seen[host.broker_id] = commit_index
        for index in range(max(seen + 1, raft.first_index), commit_index + 1):
            entry = raft.entry(index)
            known = truth.committed[index - 1] if index <= len(truth.committed) else None
            if entry is not None and (entry is known or entry == known):
                continue
            if entry is not None and known is None and index == len(truth.committed) + 1:
                copies = self._copies(entry)
                if self._is_quorum(host, copies):
                    truth.commit(entry)
                    continue
            if not written:
                # The entry itself may be among the effects still to come.
                self.seen[host.broker_id] = index - 1
                return
            if entry is None or index > len(truth.committed) + 1:
                truth.violate("commits-what-it-lacks", host.broker_id, f"commit index {commit_index}, no entry {index}")
            elif known is None:
                truth.violate(
                    "commit-without-quorum",
                    host.broker_id,
                    f"entry {index} of term {entry.term} is durable on {sorted(v.broker_id for v in copies)} only",
                )
            else:
                truth.violate("committed-entry-changed", host.broker_id, f"{entry!r:.200} instead of {known!r:.200}")
            return

    def _copies(self, entry: Entry) -> set[Voter]:
        """Whose disk holds the entry, durably."""
        return {
            peer.voter
            for peer in self._truth.hosts
            if peer.disk.raft.durable_index >= entry.index and peer.disk.raft.term_at(entry.index) == entry.term
        }

    def _is_quorum(self, host: NodeHost, copies: set[Voter]) -> bool:
        """A majority of some configuration that may count it; a disk that was taken away may have held it before."""
        lost = len(self._truth.lost_votes.union(self._truth.lost_disks))
        return any(2 * (len(copies.intersection(voters)) + lost) > len(voters) for voters in self._configurations(host))

    def _configurations(self, host: NodeHost) -> list[tuple[Voter, ...]]:
        found = [self._truth.cluster_voters] if self._truth.cluster_voters else []
        raft = host.disk.raft
        uncommitted = max(0, len(self._truth.committed) + 1 - raft.first_index)
        for entry in raft.entries[uncommitted:]:
            for record in entry.records:
                if isinstance(record, Founded | VotersChanged):
                    found.append(record.voters)
        return found
