"""The eyes of the simulated world: samples every broker's status and metrics, and records what they say."""

from __future__ import annotations

import msgspec

from skerry.engine.world import BrokerView, LinkView, ProcessState
from skerry.history.records import LinkSample, MetricSample
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.node_host import NodeHost
from skerry.worlds.sim.pings import Pinger
from skerry.worlds.sim.recorder import Recorder, broker_samples
from skerry.worlds.sim.scheduler import NS_PER_MS, NS_PER_S
from skerry_broker.metric_catalogue import CATALOGUE
from skerry_broker.metric_gauges import gauges

STATUS_EVERY_NS = 100 * NS_PER_MS
METRICS_EVERY_NS = 500 * NS_PER_MS
LINK_RECORD_EVERY_NS = NS_PER_S
TIMESTAMP_METRICS = frozenset(
    {"broker_partition_leader_elected_timestamp_seconds", "broker_partition_isr_full_timestamp_seconds"}
)
"""Always recorded: failover and ISR recovery are read from them."""
_LABELS = {metric.name: metric.labels for metric in CATALOGUE}


class Eyes:
    def __init__(
        self,
        cluster: Cluster,
        recorder: Recorder,
        pinger: Pinger,
        started_wall_ns: int,
        timing: str,
        metric_names: frozenset[str],
    ) -> None:
        self._cluster = cluster
        self._recorder = recorder
        self._pinger = pinger
        self._started_wall_ns = started_wall_ns
        self._timing = timing
        self._metric_names = metric_names | TIMESTAMP_METRICS
        self.brokers = {
            host.broker_id: BrokerView(host.broker_id, 0, reachable=False, timing=timing) for host in cluster.hosts
        }
        self.links: dict[tuple[int, int, str, str], LinkView] = {}
        self._link_recorded_ns: dict[tuple[int, int, str, str], int] = {}
        self._metrics: dict[tuple[int, str, tuple[tuple[str, str], ...]], float] = {}
        self._sample_status(None)
        self._sample_metrics(None)

    # --- status -----------------------------------------------------------------------------------------------

    def _sample_status(self, _: object) -> None:
        now_ns = self._cluster.now_ns
        self._recorder.sample_status()
        for host in self._cluster.hosts:
            self.brokers[host.broker_id] = self._view(host, now_ns)
        for link in self._pinger.views():
            self._note_link(link, now_ns)
        self._cluster.scheduler.post(now_ns + STATUS_EVERY_NS, self._sample_status)

    def _view(self, host: NodeHost, now_ns: int) -> BrokerView:
        state = ProcessState.GONE
        if host.running:
            state = ProcessState.STOPPED if host.paused else ProcessState.RUNNING
        if host.node is None or host.paused:
            # The fields of the last answer stay; the view says that they are old.
            return msgspec.structs.replace(
                self.brokers[host.broker_id],
                sampled_ns=now_ns,
                reachable=False,
                process=state,
                process_sampled_ns=now_ns,
            )
        status = host.node.status(host.clock.local(now_ns))
        return BrokerView(
            host.broker_id,
            now_ns,
            reachable=True,
            process=state,
            process_sampled_ns=now_ns,
            broker_epoch=status.broker_epoch,
            incarnation=status.incarnation,
            directory_id=status.directory_id,
            registered_clean=status.registered_clean,
            raft_role=status.raft.role,
            term=status.raft.term,
            controller=status.controller,
            fenced=status.fenced,
            timing=self._timing,
            partitions=broker_samples(status),
            log_offline=status.log_offline,
            fsync_ns=host.last_sync_ns,
            clock_offset_ns=host.clock.wall_minus_monotonic(now_ns) - self._clock_at_start(host),
        )

    def _clock_at_start(self, host: NodeHost) -> int:
        """Wall minus monotonic of an undisturbed machine: so that a drift shows as well as a jump."""
        return self._started_wall_ns - host.clock.offset_at_start_ns

    def _note_link(self, link: LinkView, now_ns: int) -> None:
        """Recorded when it is news: a change, a new connection, or a second after the last one."""
        key = (link.source, link.target, str(link.plane), str(link.kind))
        previous = self.links.get(key)
        self.links[key] = link
        if link.kind == "new" and previous == link:
            return
        changed = previous is None or previous.ok != link.ok or link.kind == "new"
        if changed or now_ns - self._link_recorded_ns[key] >= LINK_RECORD_EVERY_NS:
            self._link_recorded_ns[key] = now_ns
            self._recorder.add(
                LinkSample(
                    link.source,
                    link.target,
                    str(link.plane),
                    str(link.kind),
                    link.sampled_ns,
                    now_ns,
                    link.ok,
                    link.silent_ns,
                    link.rtt_ns,
                )
            )

    # --- metrics ----------------------------------------------------------------------------------------------

    def _sample_metrics(self, _: object) -> None:
        now_ns = self._cluster.now_ns
        for host in self._cluster.hosts:
            if host.node is not None and not host.paused:
                self._sample_metrics_of(host, now_ns)
        self._cluster.scheduler.post(now_ns + METRICS_EVERY_NS, self._sample_metrics)

    def _sample_metrics_of(self, host: NodeHost, now_ns: int) -> None:
        assert host.node is not None
        for family in gauges(host.node.status(host.clock.local(now_ns)), (), len(host.requests)):
            if family.name in self._metric_names:
                for sample in family.samples:
                    self._note_metric(host.broker_id, now_ns, sample.name, dict(sample.labels), float(sample.value))
        for (name, values), total in host.facts.items():
            if name in self._metric_names:
                labels = dict(zip(_LABELS.get(name, ()), values, strict=False))
                self._note_metric(host.broker_id, now_ns, name, labels, total)

    def _note_metric(self, broker: int, now_ns: int, name: str, labels: dict[str, str], value: float) -> None:
        key = (broker, name, tuple(sorted(labels.items())))
        if name in TIMESTAMP_METRICS and self._metrics.get(key) == value:
            return  # it stands still between elections; the first sample says it all
        self._metrics[key] = value
        self._recorder.add(MetricSample(broker, now_ns, name, labels, value))
