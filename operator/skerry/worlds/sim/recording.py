"""The recording of a simulated run: drives workload and observer by the scheduler, and holds the history.

The same machines as in every world; only how an operation is carried out, and how time passes, is this world's.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable

from skerry.engine.actions import Action, Record
from skerry.engine.observation import ActionReport, LinkView
from skerry.history.records import DumpedBatch, Footer, HistoryRecord, ReplicaDump
from skerry.observe.asks import Ask, Cadence, Heard, Look
from skerry.observe.observer import Observer
from skerry.workload.log.load import LoadSpec, LogWorkload
from skerry.workload.log.operations import Dumped, DumpReplicas, Result
from skerry.workload.operations import NEVER_NS, Answer, Operation
from skerry.worlds.sim.clients import ClientHub
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.log_clients import LogClients, unpack
from skerry.worlds.sim.scheduler import NS_PER_S
from skerry.worlds.sim.status import SimAnswer, metrics_of, process_of
from skerry_broker.core.types import TopicPartition

SETTLE_NS = NS_PER_S
"""Followers have so long to reach what the final read found, before the disks are read."""

CheckNew = Callable[[int, Callable[[list[LinkView]], None]], None]
"""(broker, what to do with the outcome): opens a new connection to every peer."""


class Recording:
    """``records`` is the history so far, in the order in which it became known."""

    def __init__(
        self,
        cluster: Cluster,
        load: LoadSpec,
        *,
        cadence: Cadence,
        timing: str = "",
        started_wall_ns: int = 0,
        metrics: frozenset[str] = frozenset(),
        stamps: frozenset[str] = frozenset(),
        kept_links: Callable[[int], list[LinkView]] = lambda broker_id: [],
        check_new: CheckNew = lambda broker_id, done: done([]),
    ) -> None:
        self.cluster = cluster
        self._scheduler = cluster.scheduler
        self.hub = ClientHub(cluster)
        self.topic = load.asked.topic
        self.partitions = load.asked.partitions
        self.records: list[HistoryRecord] = []
        self._closed = False
        self._clients = LogClients(self.hub)
        self._timing = timing
        self._started_wall_ns = started_wall_ns
        self._kept_links = kept_links
        self._check_new = check_new
        self.workload = LogWorkload(load, self.add)
        self.observer = Observer(cluster.broker_ids, self.add, cadence=cadence, metrics=metrics, stamps=stamps)
        self._work_wake_ns = self._look_wake_ns = NEVER_NS

    def add(self, record: HistoryRecord) -> None:
        """Nothing follows the footer."""
        if not self._closed:
            self.records.append(record)
            self._closed = type(record) is Footer

    def observe(self) -> None:
        """From now on everything is looked at."""
        self.observer.start(self.cluster.now_ns)
        self._look(())

    def perform(self, action: Action) -> bool:
        """Begin it; False: it is none of ours."""
        now_ns = self.cluster.now_ns
        wall_ns = self._started_wall_ns + now_ns
        if isinstance(action, Record):
            self.add(action.record)
        elif self.workload.perform(action, now_ns, wall_ns):
            self.work(())
        elif self.observer.perform(action, now_ns, wall_ns):
            self._look(())
        else:
            return False
        return True

    def take_reports(self) -> tuple[ActionReport, ...]:
        return self.workload.take_reports() + self.observer.take_reports()

    # --- the workload -----------------------------------------------------------------------------------------

    def work(self, answers: Iterable[Answer]) -> None:
        """Let the workload go on; it is asked again when it wants to be."""
        workload = self.workload
        for operation in workload.step(self._scheduler.now_ns, answers):
            self._begin(operation)
        due_ns = workload.next_due_ns
        if due_ns < self._work_wake_ns:
            self._work_wake_ns = due_ns
            self._scheduler.post(due_ns, self._wake_workload, due_ns)

    def _wake_workload(self, due_ns: int) -> None:
        if due_ns == self._work_wake_ns:
            self._work_wake_ns = NEVER_NS
            self.work(())

    def _begin(self, operation: Operation) -> None:
        if isinstance(operation.request, DumpReplicas):
            self.cluster.scheduler.post(self.cluster.now_ns + SETTLE_NS, self._dump, operation)
            return
        number = operation.id

        def done(result: Result) -> None:
            self.work((Answer(number, self._scheduler.now_ns, result),))

        self._clients.begin(operation, done)

    def _dump(self, operation: Operation) -> None:
        dumps = Dumped(tuple(self.dumps(operation.request.ends)))
        self.work((Answer(operation.id, self.cluster.now_ns, dumps),))

    def dumps(self, ends: dict[int, int]) -> Iterable[ReplicaDump]:
        """What is on every disk, as the segment reader of the other worlds would find it."""
        for partition in range(self.partitions):
            for host in self.cluster.hosts:
                log = host.disk.logs.get(TopicPartition(self.topic, partition))
                if log is None:
                    continue
                yield ReplicaDump(
                    self.topic,
                    partition,
                    host.broker_id,
                    log.start_offset,
                    log.end_offset,
                    ends.get(partition, -1),
                    tuple(
                        DumpedBatch(batch.base_offset, batch.leader_epoch, *unpack(batch.data), zlib.crc32(batch.data))
                        for batch in log.batches
                    ),
                    tuple((line.epoch, line.start_offset) for line in log.epochs),
                )

    # --- looking ----------------------------------------------------------------------------------------------

    def _look(self, heard: Iterable[Heard]) -> None:
        asks = self.observer.step(self.cluster.now_ns, heard)
        while asks:
            answers = [answer for ask in asks if (answer := self._answer(ask)) is not None]
            asks = self.observer.step(self.cluster.now_ns, answers) if answers else []
        due_ns = self.observer.next_due_ns
        if due_ns < self._look_wake_ns:
            self._look_wake_ns = due_ns
            self.cluster.scheduler.post(due_ns, self._wake_observer, due_ns)

    def _wake_observer(self, due_ns: int) -> None:
        if due_ns == self._look_wake_ns:
            self._look_wake_ns = NEVER_NS
            self._look(())

    def _answer(self, ask: Ask) -> Heard | None:
        """None: it comes later."""
        now_ns = self.cluster.now_ns
        host = self.cluster.hosts[ask.ordinal]
        if ask.look is Look.LINKS:
            self._check_new(ask.ordinal, lambda links: self._look((Heard(ask.id, self.cluster.now_ns, links),)))
            return None
        if ask.look is Look.METRICS:
            return Heard(ask.id, now_ns, metrics_of(host, now_ns, ask.metric_names))
        answer = None
        if host.node is not None and not host.paused:
            answer = SimAnswer(host, now_ns, self.topic, self._timing, self._started_wall_ns, self._kept_links)
        return Heard(ask.id, now_ns, answer, process_of(host))
