"""What a history says about faults and the time that they lasted; computed once, for all expectations.

Every fault action is bracketed by the runner's clock, so when a fault began and ended is known to two edges each.
Windows err against the system under test, never for it: an upper bound (a gap, a failover, a number of epochs) is
judged on the widest window that the brackets allow, from the early edge of the effect to the late edge of the heal; a
lower bound, and what must not happen from some moment on, on the narrowest, in which the fault was certainly there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from skerry.history import History
from skerry.history.occurrences import Occurrence, occurrences_by_fault
from skerry.history.records import FaultEvent, FaultStep

if TYPE_CHECKING:
    from skerry.experiment.document import Experiment


@dataclass(frozen=True)
class Window:
    """A stretch of time to judge, and what it is called in a sentence: the widest that the brackets allow, and the
    narrowest (``sure_``), which may be empty."""

    from_ns: int
    to_ns: int
    name: str
    sure_from_ns: int
    sure_to_ns: int

    @property
    def unsure_ns(self) -> int:
        """How much of it may lie outside of what it is about."""
        return self.sure_from_ns - self.from_ns + self.to_ns - self.sure_to_ns

    def within(self, from_ns: int, to_ns: int) -> Window:
        """The part between these moments, which are certain."""
        sure_from_ns, sure_to_ns = max(from_ns, self.sure_from_ns), min(to_ns, self.sure_to_ns)
        return Window(from_ns, to_ns, self.name, sure_from_ns, max(sure_from_ns, sure_to_ns))


def exactly(from_ns: int, to_ns: int, name: str) -> Window:
    """A window whose edges are known."""
    return Window(from_ns, to_ns, name, from_ns, to_ns)


class RunFacts:
    """A history and its document, whatever clients did. A model of what they did may know more: `log.facts`."""

    written_to: str = ""
    """What the partitions that a judgement names are part of; empty: there is only one thing."""

    def __init__(self, history: History, experiment: Experiment) -> None:
        self.history = history
        self.experiment = experiment

    def limit_ns(self, ns: int) -> int:
        """A duration of the document, scaled by `cluster.timing`."""
        return self.experiment.limit_ns(ns)

    @cached_property
    def occurrences(self) -> dict[str, list[Occurrence]]:
        """The occurrences of each fault, by its name, in their order."""
        return occurrences_by_fault(self.history.faults)

    def occurrences_of(self, fault: str) -> list[tuple[Occurrence, FaultEvent]]:
        """Each occurrence that took effect, with that event."""
        return [(o, o.effective) for o in self.occurrences.get(fault, ()) if o.effective is not None]

    @property
    def all_occurrences(self) -> list[Occurrence]:
        return [occurrence for group in self.occurrences.values() for occurrence in group]

    # --- time --------------------------------------------------------------------------------------------

    @cached_property
    def workload_end_ns(self) -> int:
        """When the producers were told to stop; else when the last of them was answered."""
        draining = [phase.at_ns for phase in self.history.phases if phase.phase == "Draining"]
        if draining:
            return draining[0]
        return max(self.answered_ns(), default=0)

    @cached_property
    def first_effect_ns(self) -> int | None:
        return min((o.effective.before_ns for o in self.all_occurrences if o.effective), default=None)

    def windows(self, during: str | None, after_heal_of: str | None) -> list[Window]:
        """The stretches that an expectation with these fields is about; empty: they never came."""
        if during is not None:
            return [self._during(occurrence, effective) for occurrence, effective in self.occurrences_of(during)]
        end = self.workload_end_ns
        if after_heal_of is not None:
            healed = [o.healed for o in self.occurrences.get(after_heal_of, ())]
            if not healed or healed[-1] is None or healed[-1].before_ns > end:
                return []
            name = f"after the heal of `{after_heal_of}`"
            return [Window(healed[-1].before_ns, end, name, min(healed[-1].after_ns, end), end)]
        first = min((o.effective for o in self.all_occurrences if o.effective), key=_before, default=None)
        if first is None or first.before_ns > end:
            return []
        return [Window(first.before_ns, end, "from the first fault on", min(first.after_ns, end), end)]

    def _during(self, occurrence: Occurrence, effective: FaultEvent) -> Window:
        """From its effect to the end of its heal; for certain, to where the heal begins (or it was lost)."""
        sure_to = self._end_of(occurrence)
        to = max(sure_to, occurrence.healed.after_ns if occurrence.healed else sure_to)
        sure_from = min(effective.after_ns, sure_to)
        return Window(effective.before_ns, to, f"during {occurrence}", sure_from, max(sure_from, sure_to))

    def _end_of(self, occurrence: Occurrence) -> int:
        end = occurrence.heal_begins_ns
        return self.workload_end_ns if end is None else end

    def certain_window(self, occurrence: Occurrence, effective: FaultEvent, within_ns: int) -> Window:
        """From ``within_ns`` after the late edge of the effect to the early edge of the heal: it was certainly
        there."""
        start = effective.after_ns + within_ns
        return exactly(start, max(start, self._end_of(occurrence)), f"during {occurrence}")

    def faults_beside(self, heal: FaultEvent, since_ns: int) -> list[int]:
        """When each occurrence but the one that this heal ended was injected, of those that were not over at
        ``since_ns``: from then on it may explain what is seen."""
        return [
            begun.before_ns
            for occurrence in self.all_occurrences
            if occurrence.healed is not heal
            and (begun := occurrence.steps.get(FaultStep.INJECTING)) is not None
            and (occurrence.healed is None or occurrence.healed.after_ns > since_ns)
        ]

    # --- what nodes said ---------------------------------------------------------------------------------

    def began_anew(self, node: int, from_ns: int, to_ns: int) -> bool:
        """It answered as one process before the first moment, and as another one from the second on: what leads again
        then has begun to lead, whatever its number."""
        answers = [s for s in self.history.statuses if s.broker == node and s.reachable and s.incarnation]
        before = [s.incarnation for s in answers if s.after_ns <= from_ns][-1:]
        after = [s.incarnation for s in answers if s.after_ns >= to_ns][:1]
        return bool(before and after) and before != after

    @cached_property
    def observed_until_ns(self) -> int:
        """The last time anybody looked: a node answered when it was asked for its status, or a write ended."""
        looked = [status.after_ns for status in self.history.statuses if status.reachable]
        return max([*looked, *self.answered_ns()], default=0)

    def answered_ns(self) -> Iterable[int]:
        """When each write of the workload ended."""
        return ()


def _before(event: FaultEvent) -> int:
    return event.before_ns
