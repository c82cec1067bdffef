"""What the roles of one Raft replica share: term, vote, log, voters, commit index, and what of it is on disk.

The disk is a peer that answers late (``flushed``). Everything here changes in memory at once and is written by an
effect; what may leave the node is decided by the *durable* part:

* ``term_is_durable``: nothing is said in a term before the term (and the vote in it) is on disk.
* ``durable_index``: only entries up to here are acknowledged to a leader, or counted by a leader for itself.
"""

from __future__ import annotations

from collections import deque

from skerry_broker.core.membership import VoterHistory
from skerry_broker.core.messages import RaftSnapshot, Recovered, SaveRaft, SaveSnapshot
from skerry_broker.core.outbox import Outbox
from skerry_broker.core.raftlog import RaftInvariantError, RaftLog
from skerry_broker.core.records import Entry
from skerry_broker.core.types import HardState, NodeConfig, Rng, Voter

NS_PER_MS = 1_000_000


class RaftState:
    """Invariants:

    1. term and commit_index never decrease; voted_for changes only from None within a term.
    2. durable_index <= log.last_index, and the entries up to it are on disk as they are in memory.
    3. snapshot_index <= applied_index <= commit_index <= log.last_index.
    """

    __slots__ = (
        "_hard_state_write_id",
        "_pending",
        "applied_index",
        "commit_index",
        "config",
        "durable_index",
        "election_ns_max",
        "election_ns_min",
        "flushed_id",
        "heartbeat_ns",
        "installed",
        "log",
        "me",
        "mute",
        "out",
        "quorum_ns",
        "rng",
        "term",
        "voted_for",
        "voters",
    )

    def __init__(self, config: NodeConfig, recovered: Recovered, rng: Rng, out: Outbox) -> None:
        timing = config.timing
        self.config = config
        self.rng = rng
        self.out = out
        self.me = Voter(config.broker_id, recovered.directory_id)
        self.heartbeat_ns = timing.raft_heartbeat_ms * NS_PER_MS
        self.election_ns_min = timing.election_min_ms * NS_PER_MS
        self.election_ns_max = timing.election_max_ms * NS_PER_MS
        self.quorum_ns = timing.check_quorum_ms * NS_PER_MS
        self.mute = not recovered.raft_intact
        """The log on disk is corrupt (B17): it may lack entries and votes that this replica gave its word for, so it
        neither votes nor counts. It follows in memory and writes nothing: after a restart it is still corrupt."""
        snapshot = None if self.mute else recovered.snapshot
        entries = () if self.mute else recovered.entries
        hard_state = HardState() if self.mute else recovered.hard_state
        self.term = hard_state.term
        self.voted_for = hard_state.voted_for
        self.log = RaftLog(snapshot, entries)
        if self.log.last_term > self.term:
            raise RaftInvariantError(
                f"the metadata log ends in term {self.log.last_term}, but the hard state knows only term {self.term}"
            )
        self.voters = VoterHistory(self.log.snapshot_index, snapshot.voters if snapshot else ())
        self.voters.appended(entry for entry in entries if entry.index > self.log.snapshot_index)
        self.commit_index = self.log.snapshot_index
        self.applied_index = self.log.snapshot_index
        self.installed: RaftSnapshot | None = snapshot
        """The image that entries go on after: at a start the recovered one, later one from a leader."""
        self.durable_index = self.log.last_index
        self.flushed_id = 0
        self._hard_state_write_id = 0
        self._pending: deque[tuple[int, int]] = deque()
        """(write id, last index) of the writes that are not durable, oldest first."""

    @property
    def term_is_durable(self) -> bool:
        return self._hard_state_write_id <= self.flushed_id

    def save_hard_state(self, term: int, voted_for: Voter | None) -> None:
        """Enter ``term``, or vote in it."""
        if term < self.term or (term == self.term and self.voted_for not in (None, voted_for)):
            raise RaftInvariantError(
                f"term {self.term} with vote {self.voted_for} cannot become {term} with {voted_for}"
            )
        self.term = term
        self.voted_for = voted_for
        if not self.mute:
            write_id = self.out.next_write_id()
            self._hard_state_write_id = write_id
            self.out.put(SaveRaft(write_id, HardState(term, voted_for)))

    def append(self, entries: tuple[Entry, ...], truncate_from: int | None = None) -> bool:
        """Write entries behind the log, or in place of what it holds from ``truncate_from`` on.

        Returns whether the voter set changed. Raises RaftInvariantError when a committed entry would be lost: the
        node must stop instead (KAFKA-12460).
        """
        before = self.voters.voters
        if truncate_from is not None:
            if truncate_from <= self.commit_index:
                raise RaftInvariantError(
                    f"the leader's log differs at {truncate_from}, but entries up to {self.commit_index} are committed"
                )
            self.log.truncate_from(truncate_from)
            self.voters.truncated(truncate_from)
            self._forget_durable(truncate_from - 1)
        self.log.append(entries)
        self.voters.appended(entries)
        if self.mute:
            self.durable_index = self.log.last_index
        else:
            write_id = self.out.next_write_id()
            self._pending.append((write_id, self.log.last_index))
            self.out.put(SaveRaft(write_id, None, truncate_from, entries))
        return self.voters.voters != before

    def install(self, snapshot: RaftSnapshot) -> None:
        """Replace the log by a leader's snapshot that lies beyond it."""
        self.log = RaftLog(snapshot, ())
        self.voters = VoterHistory(snapshot.last_index, snapshot.voters)
        self.commit_index = self.applied_index = snapshot.last_index
        self.installed = snapshot
        self._forget_durable(0)
        self._save_snapshot(snapshot, reset=True)

    def compact(self, index: int, image: bytes) -> None:
        """Replace the log up to ``index`` by ``image``. Raises RaftInvariantError beyond what was applied."""
        if index <= self.log.snapshot_index:
            return
        if index > self.applied_index:
            raise RaftInvariantError(f"cannot compact up to {index}: only {self.applied_index} is applied")
        snapshot = RaftSnapshot(index, self.log.term_at(index), self.voters.at(index), image)
        self.log.compact(snapshot)
        self.voters.compacted(index)
        self._save_snapshot(snapshot, reset=False)

    def _save_snapshot(self, snapshot: RaftSnapshot, reset: bool) -> None:
        if self.mute:
            self.durable_index = self.log.last_index
            return
        write_id = self.out.next_write_id()
        self._pending.append((write_id, snapshot.last_index))
        self.out.put(
            SaveSnapshot(write_id, snapshot.last_index, snapshot.last_term, snapshot.voters, snapshot.image, reset)
        )

    def _forget_durable(self, index: int) -> None:
        """Entries after ``index`` are gone: a write of them that becomes durable later proves nothing about what
        stands in their place now (etcd async_storage_writes_append_aba_race)."""
        self.durable_index = min(self.durable_index, index)
        self._pending = deque((write_id, min(last, index)) for write_id, last in self._pending)

    def flushed(self, write_id: int) -> None:
        self.flushed_id = max(self.flushed_id, write_id)
        pending = self._pending
        while pending and pending[0][0] <= write_id:
            index = pending.popleft()[1]
            if index > self.durable_index:
                self.durable_index = index

    def commit_to(self, index: int) -> bool:
        """Whether that is news."""
        if index <= self.commit_index:
            return False
        if index > self.log.last_index:
            raise RaftInvariantError(f"commit index {index} beyond the log's end {self.log.last_index}")
        self.commit_index = index
        return True

    def take_committed(self) -> tuple[Entry, ...]:
        count = self.commit_index - self.applied_index
        if not count:
            return ()
        entries = self.log.slice(self.applied_index + 1, count)
        self.applied_index = self.commit_index
        return entries

    def take_installed(self) -> RaftSnapshot | None:
        installed, self.installed = self.installed, None
        return installed
