"""What a leader knows of one other replica's log.

::

    Probe ----- accepted -----> Replicate          one message at a time, looking for the last equal entry
      ^  \\                        |   |            a window of entries in flight, sent without waiting
      |   \\-- compacted away --.  |   |
      +---- refused ------------|-+   |
      |                         v     v
      +----- installed ------ Snapshot <-- compacted away
"""

from __future__ import annotations

from enum import IntEnum

from skerry_broker.core.types import Voter

WINDOW_ENTRIES = 512
"""Entries sent beyond ``match`` without an answer; bounds what a slow follower makes the network hold."""

MESSAGE_ENTRIES = 64
"""Entries in one AppendRequest."""


class Flow(IntEnum):
    PROBE = 0
    REPLICATE = 1
    SNAPSHOT = 2


class Progress:
    """Invariant 1: match < next. Invariant 2: match never decreases within a term (it is durable there).
    Invariant 3: acked_round never exceeds the round last sent."""

    __slots__ = (
        "acked_at",
        "acked_round",
        "commit_sent",
        "counts",
        "flow",
        "match",
        "next",
        "probe_sent",
        "replica",
        "snapshot_index",
        "snapshot_sent_at",
    )

    def __init__(self, replica: Voter, next_index: int) -> None:
        self.replica = replica
        self.match = 0
        """Durable there and equal to the leader's log up to here."""
        self.next = next_index
        self.flow = Flow.PROBE
        self.probe_sent = False
        self.acked_round = 0
        self.acked_at: int | None = None
        """When it last answered, in this term."""
        self.commit_sent = 0
        """The commit index that it was told last."""
        self.counts = True
        """False for a replica with a corrupt log: fed, never counted."""
        self.snapshot_index = 0
        self.snapshot_sent_at: int | None = None

    def accepted(self, match: int) -> bool:
        """It is durable up to ``match``. Returns whether that is news."""
        advanced = match > self.match
        if advanced:
            self.match = match
        if self.flow is Flow.SNAPSHOT:
            if self.match < self.snapshot_index:
                return advanced
            self.next = self.match + 1
        elif self.next <= self.match:
            self.next = self.match + 1
        self.flow = Flow.REPLICATE
        return advanced

    def refused(self, probe: int) -> None:
        """The logs differ where it was asked; they may agree at ``probe``. Ignored while a snapshot is on its way.

        A late or duplicated refusal only makes the leader send entries again.
        """
        if self.flow is Flow.SNAPSHOT:
            return
        self.flow = Flow.PROBE
        self.probe_sent = False
        if not self.counts:  # what it holds is in memory only, and a restart forgets it
            self.match = min(self.match, probe)
        self.next = max(self.match + 1, min(self.next, probe + 1))

    def needs_snapshot(self, last_index: int) -> None:
        self.flow = Flow.SNAPSHOT
        self.snapshot_index = last_index
        self.snapshot_sent_at = None

    def heard_since(self, instant: int) -> bool:
        return self.acked_at is not None and self.acked_at >= instant
