"""Who votes: the voter sets of the log, and the one change at a time that may follow.

A voter set takes effect when its entry is *appended*, not when it is committed (Raft thesis 4.1), and a truncated
entry takes its set back with it. That is what `VoterHistory` keeps.

A wiped broker is replaced in two entries (KIP-853): its old self is removed, and when that is committed and the new
self has caught up, the new self is added. Each differs from the one before by one voter, so that the majorities
overlap (`quorum` invariant 2).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from skerry_broker.core.quorum import majority
from skerry_broker.core.raftlog import RaftInvariantError
from skerry_broker.core.records import Entry, Founded, VotersChanged
from skerry_broker.core.types import Voter


def voters_of(entry: Entry) -> tuple[Voter, ...] | None:
    """The voter set that this entry brings, if any."""
    for record in entry.records:
        if isinstance(record, (Founded, VotersChanged)):
            return record.voters
    return None


class VoterHistory:
    """The voter sets in the log, oldest first.

    Invariant: ``voters`` is the set of the last entry in the log that brings one, else of the snapshot.
    """

    __slots__ = ("_history", "index", "voters")

    def __init__(self, snapshot_index: int, snapshot_voters: tuple[Voter, ...]) -> None:
        self._history: list[tuple[int, tuple[Voter, ...]]] = [(snapshot_index, snapshot_voters)]
        self.index = snapshot_index
        """Where the present set comes from: a change is in flight while this is above the commit index."""
        self.voters = snapshot_voters

    def appended(self, entries: Iterable[Entry]) -> bool:
        """Whether the set changed."""
        changed = False
        for entry in entries:
            voters = voters_of(entry)
            if voters is not None:
                self._history.append((entry.index, voters))
                changed = True
        if changed:
            self.index, self.voters = self._history[-1]
        return changed

    def truncated(self, index: int) -> None:
        """The log lost the entry at ``index`` and all after it."""
        while len(self._history) > 1 and self._history[-1][0] >= index:
            self._history.pop()
        self.index, self.voters = self._history[-1]

    def at(self, index: int) -> tuple[Voter, ...]:
        """The set in effect at ``index`` (not below the snapshot)."""
        for start, voters in reversed(self._history):
            if start <= index:
                return voters
        raise RaftInvariantError(f"the voter set at {index} was compacted away")

    def compacted(self, index: int) -> None:
        """The log before ``index`` is a snapshot now."""
        while len(self._history) > 1 and self._history[1][0] <= index:
            self._history.pop(0)


def next_voters(
    voters: tuple[Voter, ...],
    joining: Iterable[tuple[Voter, bool]],
    live: Collection[Voter],
    configured_ids: tuple[int, ...],
) -> tuple[Voter, ...] | None:
    """The next single-voter step towards letting ``joining`` (replica, has caught up) vote; None: nothing to do now.

    ``live``: replicas heard of lately, the leader included. A step after which the live ones are no majority would
    end the leader's own quorum: it waits.
    """
    for replica, caught_up in joining:
        if replica.broker_id not in configured_ids or replica in voters:
            continue
        without = tuple(voter for voter in voters if voter.broker_id != replica.broker_id)
        if len(without) == len(voters):
            if not caught_up:
                continue
            proposed = tuple(sorted((*voters, replica)))
        else:
            proposed = without
        if proposed and sum(1 for voter in proposed if voter in live) >= majority(len(proposed)):
            return proposed
    return None
