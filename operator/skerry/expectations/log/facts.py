"""What a history says of a replicated log: its writes, who led each partition when, and who was in sync."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from skerry.expectations.facts import RunFacts
from skerry.expectations.gaps import Waits, awaited
from skerry.expectations.log.leaders import Leadership, controllers, partition_leaders
from skerry.expectations.series import matching
from skerry.history import History
from skerry.history.records import BrokerSample, MetricSample, Produce, StatusSample
from skerry.targets.port import Stamps

if TYPE_CHECKING:
    from skerry.experiment.document import Experiment


class LogFacts(RunFacts):
    """What can be told of a run whose clients append to the partitions of a topic."""

    def __init__(self, history: History, experiment: Experiment) -> None:
        super().__init__(history, experiment)
        self.topic = self.written_to = experiment.spec.topic.name
        self.partitions = range(experiment.spec.topic.partitions)

    @property
    def stamps(self) -> Stamps:
        """The target's metrics whose value is a moment; names that nothing has where it says of none."""
        return self.experiment.target.stamps or Stamps("a stamp of elections", "a stamp of nodes in sync")

    def chosen_partitions(self, partition: int | None) -> list[int]:
        """The one that is named, or all of the topic."""
        return list(self.partitions) if partition is None else [partition]

    # --- what clients saw --------------------------------------------------------------------------------

    def answered_ns(self) -> Iterable[int]:
        return (produce.completed_ns for produce in self.produces)

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

    # --- metrics -----------------------------------------------------------------------------------------

    def partition_series(self, name: str, partition: int) -> list[MetricSample]:
        """The samples of this metric that are about the partition."""
        return matching(self, name, {"topic": self.topic, "partition": str(partition)})
