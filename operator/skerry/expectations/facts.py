"""What a history says about faults, leaders, ISR and acknowledgements; computed once, for all expectations.

Every fault action is bracketed by the runner's clock, so when a fault began and ended is known to two edges each.
Windows err against the system under test, never for it: an upper bound (a gap, a failover, a number of epochs) is
judged on the widest window that the brackets allow, from the early edge of the effect to the late edge of the heal; a
lower bound, and what must not happen from some moment on, on the narrowest, in which the fault was certainly there.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from skerry.expectations.gaps import Waits, awaited
from skerry.expectations.leaders import Leadership, controllers, partition_leaders
from skerry.history import History
from skerry.history.occurrences import Occurrence, occurrences_by_fault
from skerry.history.records import BrokerSample, FaultEvent, Produce, StatusSample
from skerry.targets.port import Stamps

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
    """A history and its document."""

    def __init__(self, history: History, experiment: Experiment) -> None:
        self.history = history
        self.experiment = experiment
        self.topic = experiment.spec.topic.name
        self.partitions = range(experiment.spec.topic.partitions)

    @property
    def stamps(self) -> Stamps:
        """The target's metrics whose value is a moment; names that nothing has where it says of none."""
        return self.experiment.target.stamps or Stamps("a stamp of elections", "a stamp of nodes in sync")

    def limit_ns(self, ns: int) -> int:
        """A duration of the document, scaled by `cluster.timing`."""
        return self.experiment.limit_ns(ns)

    def chosen_partitions(self, partition: int | None) -> list[int]:
        """The one that is named, or all of the topic."""
        return list(self.partitions) if partition is None else [partition]

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
        return max((p.completed_ns for p in self.produces), default=0)

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
            if not healed or healed[-1] is None:
                return []
            name = f"after the heal of `{after_heal_of}`"
            return [Window(healed[-1].before_ns, end, name, min(healed[-1].after_ns, end), end)]
        first = min((o.effective for o in self.all_occurrences if o.effective), key=_before, default=None)
        if first is None:
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

    # --- what clients saw --------------------------------------------------------------------------------

    @cached_property
    def produces(self) -> list[Produce]:
        """The workload's writes to the topic; probes are not among them."""
        return [p for p in self.history.produces if p.directed_to < 0 and p.topic == self.topic]

    @cached_property
    def probes(self) -> list[Produce]:
        return [p for p in self.history.produces if p.directed_to >= 0 and p.topic == self.topic]

    @cached_property
    def waits(self) -> dict[int, Waits]:
        """Per partition of the topic, when the workload waited for acknowledgements."""
        writes: dict[int, list[Produce]] = {partition: [] for partition in self.partitions}
        for produce in self.produces:
            writes.setdefault(produce.partition, []).append(produce)
        return {partition: Waits(awaited(produces)) for partition, produces in writes.items()}

    # --- what brokers said -------------------------------------------------------------------------------

    @cached_property
    def leaderships(self) -> dict[int, list[Leadership]]:
        """Per partition every committed leader epoch that anybody saw, lowest first."""
        return partition_leaders(self.history, self.topic)

    @cached_property
    def controllers(self) -> list[Leadership]:
        """Every term with a controller that anybody saw."""
        return controllers(self.history)

    def leadership_at(self, partition: int | None, at_ns: int) -> Leadership | None:
        """The highest epoch that was committed before; ``partition`` None: the controller's term."""
        known = self.controllers if partition is None else self.leaderships.get(partition, [])
        before = [leadership for leadership in known if leadership.earliest_ns < at_ns]
        return before[-1] if before else None

    def began_anew(self, node: int, from_ns: int, to_ns: int) -> bool:
        """It answered as one process before the first moment, and as another one from the second on: what leads again
        then has begun to lead, whatever its number."""
        answers = [s for s in self.history.statuses if s.broker == node and s.reachable and s.incarnation]
        before = [s.incarnation for s in answers if s.after_ns <= from_ns][-1:]
        after = [s.incarnation for s in answers if s.after_ns >= to_ns][:1]
        return bool(before and after) and before != after

    @cached_property
    def observed_until_ns(self) -> int:
        """The last time anybody looked: a broker answered a status request, or a write ended."""
        looked = [status.after_ns for status in self.history.statuses if status.reachable]
        return max([*looked, *(produce.completed_ns for produce in self.produces)], default=0)

    @cached_property
    def isr_samples(self) -> dict[int, list[tuple[StatusSample, BrokerSample]]]:
        """Per partition what its leader said, in order of time; a leader of a lower epoch than was seen is deposed."""
        samples: defaultdict[int, list[tuple[StatusSample, BrokerSample]]] = defaultdict(list)
        highest: dict[int, int] = {}
        for status in sorted(self.history.statuses, key=lambda status: status.before_ns):
            for sample in status.partitions:
                if not status.reachable or sample.topic != self.topic or sample.leader != status.broker:
                    continue
                if sample.leader_epoch >= highest.get(sample.partition, -1):
                    highest[sample.partition] = sample.leader_epoch
                    samples[sample.partition].append((status, sample))
        return dict(samples)


def _before(event: FaultEvent) -> int:
    return event.before_ns
