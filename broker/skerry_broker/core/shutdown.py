"""A controlled shutdown: partition leaderships first, the metadata leadership next, then the process; all bounded."""

from __future__ import annotations

from collections.abc import Sequence

from skerry_broker.core.types import Timing

MS = 1_000_000


class Shutdown:
    """Decides when a broker that was asked to stop hands over what, and when it goes.

    Invariant: it goes at the latest ``next_deadline`` after it was asked, whether or not anybody took over: a broker
    that asked will not wait for ever, and what is not handed over is found by the session's end.
    """

    def __init__(self, timing: Timing, now: int) -> None:
        self._transfer_wait_ns = timing.election_max_ms * 2 * MS
        self._give_up_ns = now + (timing.session_ms * 3 + timing.election_max_ms * 2) * MS
        self._transferred_ns: int | None = None
        self._attempts = 0
        self.next_deadline = self._give_up_ns

    def transfer_target(self, now: int, may_stop: bool, leads_quorum: bool, other_voters: Sequence[int]) -> int | None:
        """The voter to hand the metadata leadership to, now; None: nothing to do. Another voter is tried every time."""
        if not may_stop or not leads_quorum or not other_voters:
            return None
        if self._transferred_ns is not None and now < self._transferred_ns + self._transfer_wait_ns:
            return None
        self._transferred_ns = now
        target = sorted(other_voters)[self._attempts % len(other_voters)]
        self._attempts += 1
        self.next_deadline = min(self._give_up_ns, now + self._transfer_wait_ns)
        return target

    def transfer_refused(self) -> None:
        """The one just named cannot take over (it has not been heard of lately): name the next at once."""
        self._transferred_ns = None

    def over(self, now: int, may_stop: bool, leads_quorum: bool) -> bool:
        """Nothing is left to hand over, or the time is up."""
        return (may_stop and not leads_quorum) or now >= self._give_up_ns
