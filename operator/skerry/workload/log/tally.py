"""What was acknowledged so far, as the conductor is shown it."""

from __future__ import annotations

from collections import deque

from skerry.engine.observation import PartitionAcks, WorkloadView

RATE_WINDOW_NS = 1_000_000_000


class Tally:
    def __init__(self, partitions: int) -> None:
        self.acknowledged = 0
        """Counted in records."""
        self.by_partition = [0] * partitions
        self._last_ns = [-1] * partitions
        self._recent: deque[tuple[int, int]] = deque()
        self._recently = 0

    def acknowledge(self, partition: int, count: int, now_ns: int) -> None:
        self.acknowledged += count
        self.by_partition[partition] += count
        self._last_ns[partition] = now_ns
        self._recent.append((now_ns, count))
        self._recently += count

    def view(self, now_ns: int, *, started: bool, drained: bool, lost: str, partition_interval_ns: int) -> WorkloadView:
        while self._recent and self._recent[0][0] <= now_ns - RATE_WINDOW_NS:
            self._recently -= self._recent.popleft()[1]
        return WorkloadView(
            started,
            self.acknowledged,
            self._recently,
            tuple(
                PartitionAcks(partition, count, self._last_ns[partition])
                for partition, count in enumerate(self.by_partition)
            ),
            drained,
            lost,
            partition_interval_ns,
        )
