"""A probe: small operations at one node, never redirected, to see what that side accepts."""

from __future__ import annotations

from skerry.workload.log.pace import NS_PER_SECOND
from skerry.workload.log.producer import PlannedProduce
from skerry.workload.values import value_of

PROBES_PER_SECOND = 10


class Probe:
    """One process that writes one record at a time to one broker, to each partition in turn."""

    def __init__(self, process: int, broker: int, partitions: int, start_ns: int) -> None:
        self.process = process
        self.broker = broker
        self._partitions = partitions
        self._next_ns = start_ns
        self._sequence = 0

    @property
    def next_due_ns(self) -> int:
        return self._next_ns

    def due(self, now_ns: int) -> list[PlannedProduce]:
        """At most one operation: a probe that fell behind does not catch up, it measures from now on."""
        if now_ns < self._next_ns:
            return []
        self._next_ns = max(self._next_ns, now_ns) + NS_PER_SECOND // PROBES_PER_SECOND
        partition = self._sequence % self._partitions
        planned = PlannedProduce(partition, value_of(self.process, self._sequence), 1, now_ns)
        self._sequence += 1
        return [planned]
