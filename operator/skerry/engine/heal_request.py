"""The heal of one occurrence, asked for until the world reports it as done and it is measured to be so.

A heal is "make it absent": asking again does no harm, so it is asked for again when the world refused it, and when too
much time has passed.
"""

from __future__ import annotations

from skerry.engine.actions import Heal
from skerry.engine.bounds import Bounds
from skerry.engine.observation import ActionReport
from skerry.engine.step_context import StepContext
from skerry.faults.port import OccurrenceId, ResolvedFault


class HealRequest:
    """The heal of one attempt; `begin` starts over."""

    def __init__(self, bounds: Bounds) -> None:
        self.asked_ns: int | None = None
        """When the fault was no longer to last; None: it still is."""
        self.done: ActionReport | None = None
        self.because = ""
        """Why it is not measured to be gone, as far as is known."""
        self._bounds = bounds
        self._id: int | None = None
        self._begun_ns = 0
        self._sent_ns = 0
        self._times = 0
        """How often it was asked for again."""
        self._refused = False

    def forget(self) -> None:
        """A new attempt to inject begins, which has not been healed."""
        self.asked_ns = self.done = self._id = None

    def begin(self, context: StepContext, occurrence: OccurrenceId, fault: ResolvedFault) -> None:
        if self.asked_ns is None:
            self.asked_ns = context.now_ns
        self._begun_ns, self._times, self.done = context.now_ns, 0, None
        self._send(context, occurrence, fault)

    def look(self, context: StepContext) -> bool:
        """Take what the world says of it. True: it is done, which it was not before."""
        failed = context.failed(self._id)
        self._refused = failed is not None
        if failed is not None:
            self.because = failed.error
        done = context.done(self._id)
        if done is None or self.done is not None:
            return False
        self.done = done
        return True

    def given_up(self, now_ns: int) -> str:
        """Why nobody waits for it any more, as words; empty: it has time left."""
        if now_ns < self._begun_ns + self._bounds.heal_ns:
            return ""
        why = "its heal was never reported done" if self.done is None else "it is not measured to be gone"
        return f"{why} ({self.because})" if self.because else why

    def ask_again(self, context: StepContext, occurrence: OccurrenceId, fault: ResolvedFault, deadline_ns: int) -> None:
        """When it is time to. One that was done is not asked for again before ``deadline_ns``, when the fault ends by
        itself: what a heal left that did nothing must not seem to be the work of the next one."""
        silent = self.done is not None and not self._refused and context.now_ns < deadline_ns
        if not silent and context.now_ns >= self._sent_ns + self._bounds.heal_pause_ns(self._refused, self._times):
            self._times += 1
            self._send(context, occurrence, fault)

    def _send(self, context: StepContext, occurrence: OccurrenceId, fault: ResolvedFault) -> None:
        self._id = context.send(Heal(context.new_id(), occurrence, fault))
        self._sent_ns = context.now_ns
