"""What a simulated broker says of itself: the same account as over the admin plane, without the plane."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from skerry.engine.observation import LinkView, ProcessState
from skerry.observe.asks import ProcessLook
from skerry.targets.skerry.status import NodeAnswer
from skerry.worlds.sim.node_host import NodeHost
from skerry_broker.metric_catalogue import CATALOGUE
from skerry_broker.metric_gauges import gauges

_LABELS = {metric.name: metric.labels for metric in CATALOGUE}
NO_PID = -1

Links = Callable[[int], list[LinkView]]
"""The kept-open connections of one broker."""


class SimAnswer(NodeAnswer):
    """Made by `ask`."""

    def __init__(self, host: NodeHost, now_ns: int, topic: str, timing: str, wall_at_start_ns: int, links: Links):
        assert host.node is not None
        super().__init__(host.node.status(host.clock.local(now_ns)), topic, timing)
        # One that is under way and has taken longer than the last one says more.
        self.fsync_ns = max(host.last_sync_ns, host.fsync_under_way_ns)
        self.clock_offset_ns = host.clock.wall(now_ns) - (wall_at_start_ns + now_ns)
        self._links = links

    @property
    def pid(self) -> int:
        return NO_PID

    @property
    def wall_ns(self) -> int:
        """Not told: this world knows the offset exactly."""
        return 0

    def stalls(self) -> Iterator[tuple[int, int, int]]:
        """Virtual time waits for everybody."""
        return iter(())

    def links(self, ordinal: int, sampled_ns: int) -> list[LinkView]:
        return self._links(ordinal)


def process_of(host: NodeHost) -> ProcessLook:
    if not host.running:
        return ProcessLook(ProcessState.GONE)
    return ProcessLook(ProcessState.STOPPED if host.paused else ProcessState.RUNNING)


def metrics_of(host: NodeHost, now_ns: int, names: frozenset[str]) -> list[tuple[str, dict[str, str], float]]:
    """What its exposition would hold of these."""
    if host.node is None or host.paused:
        return []
    found = []
    for family in gauges(host.node.status(host.clock.local(now_ns)), (), len(host.requests), names):
        found += [(sample.name, dict(sample.labels), float(sample.value)) for sample in family.samples]
    for (name, values), total in host.facts.items():
        if name in names:
            found.append((name, dict(zip(_LABELS.get(name, ()), values, strict=False)), total))
    return found
