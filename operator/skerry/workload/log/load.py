"""The workload of the log model: one machine for all that clients do in a run, in every world.

A driver calls ``perform`` for each action of the conductor that is the workload's, ``step`` whenever answers have come
or ``next_due_ns`` has, and carries the operations out that ``step`` returns. Records go out as the answers come in.

Invariants:
  1. Every operation that was invoked is recorded exactly once: when its answer comes, or when the run is abandoned.
     (Moves of leaders and controllers are requests about the cluster, not operations on data: they are not recorded.)
  2. Every action that was taken is answered by a report.
  3. Nothing is read for the last time while anything is still under way.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from skerry.engine.actions import Action, Drain, Prepare, StartProbe, StartWorkload, StopProbe
from skerry.engine.observation import ActionReport, ReportState, WorkloadView
from skerry.expectations.bodies import Probed
from skerry.experiment.document import Spec
from skerry.history.records import Outcome, WorkloadPace
from skerry.workload import FIRST_CONSUMER, FIRST_PROBE
from skerry.workload.log.clients import Asked, ProbeProcess, ProducerProcess, ReaderProcess, Record, read_pause_ns
from skerry.workload.log.final_read import FinalRead
from skerry.workload.log.operations import (
    Dumped,
    DumpReplicas,
    Read,
    ReadBack,
    Result,
    Told,
    Write,
    Written,
)
from skerry.workload.log.outgoing import Outgoing
from skerry.workload.log.pace import paces, partition_interval_ns
from skerry.workload.log.prepare import Preparation, Wanted
from skerry.workload.log.probe import Probe
from skerry.workload.log.producer import Producer
from skerry.workload.log.reader import PartitionReader
from skerry.workload.log.tally import Tally
from skerry.workload.operations import NEVER_NS, Answer, ClientSpec, Operation

DELIVERY_TIMEOUT_MS = 10_000
DRIVER = ClientSpec("driver", delivery_timeout_ms=600_000)
"""Stands for the driver itself, in operations that no client carries out."""


class LoadSpec(msgspec.Struct, frozen=True):
    """What the workload of a run is to do."""

    asked: Asked
    wanted: Wanted
    producers: int
    consumers: int
    records_per_second: int

    @classmethod
    def of(cls, spec: Spec) -> LoadSpec:
        workload = spec.workload
        asked = Asked(
            spec.topic.name,
            spec.topic.partitions,
            str(workload.acks),
            workload.idempotent,
            workload.record_bytes,
            DELIVERY_TIMEOUT_MS,
            DELIVERY_TIMEOUT_MS,
        )
        return cls(asked, Wanted.of(spec), workload.producers, workload.consumers, workload.rate_per_second)


class LogWorkload:
    """Use it once. ``record`` takes what goes into the history, in the order in which it became known."""

    def __init__(self, spec: LoadSpec, record: Record) -> None:
        self._spec = spec
        self._asked = spec.asked
        self._record = record
        self._outgoing = Outgoing()
        self.tally = Tally(spec.asked.partitions)
        self._producers: list[ProducerProcess] = []
        self._readers: list[ReaderProcess] = []
        self._probes: dict[str, list[ProbeProcess]] = {}
        self._probe_process = FIRST_PROBE
        self._partition_interval_ns = 0
        self._reports: list[ActionReport] = []
        self._started = False
        self._stopping = False
        self._drain: tuple[int, int, int] | None = None
        """(id, when it began, the wall clock then) of a Drain under way."""
        self._final_read: FinalRead | None = None
        self._drained = False
        self._lost = ""

    # --- what a driver does ---------------------------------------------------------------------------------

    def perform(self, action: Action, now_ns: int, wall_ns: int) -> bool:
        """Begin it; False: it is none of the workload's. What it leads to comes with the next ``step``."""
        match action:
            case Prepare():
                self._begun(action.id, now_ns, wall_ns)

                def over(at_ns: int, error: str) -> None:
                    self._ended(action.id, now_ns, wall_ns, at_ns, error)

                name = f"prepare {action.id}"
                Preparation(name, self._spec.wanted, self._outgoing, self._record, over).start(now_ns)
            case StartWorkload():
                self.start(now_ns)
                self._ended(action.id, now_ns, wall_ns, now_ns)
            case StartProbe():
                self._start_probe(action, now_ns)
                self._ended(action.id, now_ns, wall_ns, now_ns)
            case StopProbe():
                self._stop_probe(action.probe)
                self._ended(action.id, now_ns, wall_ns, now_ns)
            case Drain():
                self._begun(action.id, now_ns, wall_ns)
                self.stop(now_ns)
                self._drain = (action.id, now_ns, wall_ns)
            case _:
                return False
        return True

    def step(self, now_ns: int, answers: Iterable[Answer] = ()) -> list[Operation]:
        """Take the answers, and return what is to be begun now. Answers come in the order in which they were read."""
        outgoing = self._outgoing
        for answer in answers:
            outgoing.deliver(answer)
        if outgoing.next_due_ns <= now_ns:
            outgoing.wake(now_ns)
        if self._drain is not None:
            self._go_on_draining(now_ns)
        return outgoing.take()

    @property
    def next_due_ns(self) -> int:
        """When ``step`` is wanted again even if no answer comes."""
        return self._outgoing.next_due_ns

    def abandon(self, now_ns: int) -> None:
        """The run is over in the middle: what is under way is recorded as unknown, and nothing follows."""
        self._stop_all()
        for operation in self._outgoing.unanswered():
            result = _unknown(operation.request)
            if result is not None:
                self._outgoing.deliver(Answer(operation.id, now_ns, result))
        self._outgoing.take()
        self._reports.clear()

    def fail(self, why: str) -> None:
        """The driver cannot go on; the sentence says why."""
        self._lost = self._lost or why

    # --- what the conductor sees ------------------------------------------------------------------------------

    def view(self, now_ns: int) -> WorkloadView:
        overdue = self._outgoing.overdue(now_ns)
        if overdue is not None:
            self.fail(
                f"the client `{overdue.client.name}` has not ended an operation long after its time was over: "
                "the workload has fallen silent by itself"
            )
        return self.tally.view(
            now_ns,
            started=self._started,
            drained=self._drained,
            lost=self._lost,
            partition_interval_ns=self._partition_interval_ns,
        )

    def take_reports(self) -> tuple[ActionReport, ...]:
        """New ones since the last call."""
        reports, self._reports = tuple(self._reports), []
        return reports

    @property
    def idle(self) -> bool:
        """Nothing is under way."""
        return self._outgoing.open == 0

    @property
    def ends(self) -> dict[int, int] | None:
        """Partition -> its high watermark, once the final read is over."""
        return self._final_read.ends if self._final_read is not None and self._final_read.over else None

    # --- producers and consumers ------------------------------------------------------------------------------

    def start(self, now_ns: int) -> None:
        """Producers and consumers go on until `stop`. Idempotent."""
        if self._started:
            return
        self._started = True
        asked, spec = self._asked, self._spec
        schedules = paces(spec.producers, asked.partitions, spec.records_per_second, now_ns)
        self._partition_interval_ns = partition_interval_ns(schedules, asked.partitions)
        self._record(WorkloadPace(now_ns, asked.topic, self._partition_interval_ns))
        for schedule in schedules:
            producer = Producer(schedule, asked.partitions)
            process = ProducerProcess(producer, asked, self._outgoing, self.tally, self._record)
            self._producers.append(process)
            self._outgoing.wake_at(schedule.start_ns, process.wake)
        self._start_readers(now_ns)

    def _start_readers(self, now_ns: int) -> None:
        asked, consumers = self._asked, self._spec.consumers
        count = consumers * asked.partitions
        pause_ns = read_pause_ns(count)
        for number in range(count):
            consumer, partition = divmod(number, asked.partitions)
            process = FIRST_CONSUMER + consumer
            client = ClientSpec(f"consumer {process}")
            place = PartitionReader(process, partition)
            reader = ReaderProcess(place, client, asked.topic, pause_ns, self._outgoing, self._record)
            self._readers.append(reader)
            self._outgoing.wake_at(now_ns + pause_ns * number // count, reader.wake)

    def stop(self, now_ns: int) -> None:
        """Begin nothing more; what is under way goes on to its end. Idempotent."""
        if self._stopping:
            return
        self._stop_all()
        given_up = sum(process.given_up for process in self._producers)
        if given_up:
            self._record(WorkloadPace(now_ns, self._asked.topic, self._partition_interval_ns, given_up))

    def _stop_all(self) -> None:
        self._stopping = True
        for producer in self._producers:
            producer.stop()
        for reader in self._readers:
            reader.stop()
        for name in self._probes:
            self._stop_probe(name)

    # --- probes -----------------------------------------------------------------------------------------------

    def _start_probe(self, action: StartProbe, now_ns: int) -> None:
        """Idempotent by name."""
        if action.probe in self._probes or self._stopping:
            return
        acks = None if action.what is Probed.METADATA else action.acks
        self._probes[action.probe] = []
        for ordinal in action.ordinals:
            probe = Probe(self._probe_process, ordinal, self._asked.partitions, now_ns)
            self._probe_process += 1
            process = ProbeProcess(probe, self._asked, acks, self._outgoing, self._record)
            self._probes[action.probe].append(process)
            self._outgoing.wake_at(now_ns, process.wake)

    def _stop_probe(self, name: str) -> None:
        for process in self._probes.get(name, ()):
            process.stop()

    # --- the end ----------------------------------------------------------------------------------------------

    def read_everything(self, now_ns: int) -> None:
        """The final read; its end shows in `ends`. Call it when nothing is under way."""
        self._final_read = FinalRead(self._asked.topic, self._asked.partitions, self._outgoing, self._record)
        self._final_read.start(now_ns)

    def _go_on_draining(self, now_ns: int) -> None:
        if not self.idle or self._drained:
            return
        if self._final_read is None:
            self.read_everything(now_ns)
        elif (ends := self.ends) is not None:
            self._outgoing.send(now_ns, DRIVER, DumpReplicas(ends), self._dumped)

    def _dumped(self, invoked_ns: int, answer: Answer) -> None:
        dumped: Dumped = answer.result
        for dump in dumped.dumps:
            self._record(dump)
        self._drained = not dumped.error
        assert self._drain is not None
        drain, self._drain = self._drain, None
        self._ended(*drain, answer.completed_ns, dumped.error)

    # --- reports ----------------------------------------------------------------------------------------------

    def _begun(self, action_id: int, now_ns: int, wall_ns: int) -> None:
        self._reports.append(ActionReport(action_id, ReportState.STARTED, now_ns, before_wall_ns=wall_ns))

    def _ended(self, action_id: int, before_ns: int, wall_ns: int, after_ns: int, error: str = "") -> None:
        state = ReportState.FAILED if error else ReportState.DONE
        self._reports.append(ActionReport(action_id, state, before_ns, after_ns, wall_ns, error))


def _unknown(request: object) -> Result | None:
    """The answer to what was abandoned; None: it is recorded nowhere."""
    error = "the run ended before it was answered"
    if isinstance(request, Write):
        return Written(Outcome.UNKNOWN, error=error)
    if isinstance(request, Read):
        return ReadBack(Outcome.UNKNOWN, error=error)
    if isinstance(request, DumpReplicas):
        return None
    return Told(Outcome.UNKNOWN, error)


__all__ = ["DELIVERY_TIMEOUT_MS", "NEVER_NS", "LoadSpec", "LogWorkload"]
