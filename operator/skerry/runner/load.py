"""The workload on real sockets: drives the pure plans of `skerry.workload` and records every operation.

One asyncio loop, one clock: an operation's ``invoked_ns`` is read before its first byte is sent, ``completed_ns``
after its answer was understood.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from skerry.engine.world import PartitionAcks, StartProbe, WorkloadView
from skerry.experiment.document import Experiment
from skerry.history.records import Fetch, HistoryRecord, Outcome, Produce, TopicCreate
from skerry.runner.clock import RunClock
from skerry.runner.recorder import Recorder
from skerry.targets.skerry.client import SkerryClient
from skerry.targets.skerry.system import SkerrySystem
from skerry.workload import FIRST_CONSUMER, FIRST_PROBE
from skerry.workload.log.operations import CreateTopic, Read, ReadBack, Told, Write, Written
from skerry.workload.log.probe import Probe
from skerry.workload.log.producer import PlannedProduce, Producer, producers
from skerry.workload.log.reader import PartitionReader, trim
from skerry.workload.operations import ClientSpec

NS = 1_000_000_000
FETCH_WAIT_MS = 100
FETCH_PAUSE_NS = 100_000_000
DELIVERY_TIMEOUT_MS = 10_000
PROBE_TIMEOUT_MS = 400
RATE_WINDOW_NS = NS
PROBED_LENGTH = 150
"""Of the topic's name, in those of the topics that a probe creates; of 200 characters that brokers allow."""


class Load:
    """Producers, consumers and probes of one run.

    Invariant: every operation that was invoked is recorded exactly once, at the latest when `drain` returns.
    """

    def __init__(self, experiment: Experiment, target: SkerrySystem, recorder: Recorder, clock: RunClock) -> None:
        self._experiment = experiment
        self._topic = experiment.spec.topic
        self._workload = experiment.spec.workload
        self._target = target
        self._recorder = recorder
        self._clock = clock
        self._started = False
        self._drained = False
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._probes: dict[str, asyncio.Event] = {}
        self._probe_process = FIRST_PROBE
        self._acknowledged = [0] * self._topic.partitions
        self._last_ack_ns = [-1] * self._topic.partitions
        self._recent: list[tuple[int, int]] = []
        self.lost = ""

    # --- what the conductor sees --------------------------------------------------------------------------

    def view(self, now_ns: int) -> WorkloadView:
        self._recent = [(at, count) for at, count in self._recent if at > now_ns - RATE_WINDOW_NS]
        return WorkloadView(
            started=self._started,
            acknowledged=sum(self._acknowledged),
            acks_per_second=sum(count for _, count in self._recent),
            partitions=tuple(
                PartitionAcks(partition, count, self._last_ack_ns[partition])
                for partition, count in enumerate(self._acknowledged)
            ),
            drained=self._drained,
            lost=self.lost,
        )

    # --- producers and consumers ----------------------------------------------------------------------------

    def start(self) -> None:
        """Producers and consumers run until `stop`. Idempotent."""
        if self._started:
            return
        self._started = True
        start_ns = self._clock.now_ns()
        spec = self._workload
        for producer in producers(spec.producers, self._topic.partitions, spec.rate_per_second, start_ns):
            self._spawn(self._produce(producer))
        for consumer in range(spec.consumers):
            self._spawn(self._consume(FIRST_CONSUMER + consumer))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            self.lost = f"the workload failed: {type(failure).__name__}: {failure}"

    async def _produce(self, producer: Producer) -> None:
        client = self._target.client(ClientSpec("producer", self._workload.idempotent, DELIVERY_TIMEOUT_MS))
        operations: set[asyncio.Task[None]] = set()
        async with client:
            while not self._stopping.is_set():
                for planned in producer.due(self._clock.now_ns()):
                    self._operate(self._write(client, producer, planned), operations)
                await pause(self._stopping, producer.next_due_ns - self._clock.now_ns())
            producer.stop()
            await settled(operations)

    def _operate(self, coroutine: Coroutine[Any, Any, None], operations: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(coroutine)
        operations.add(task)
        task.add_done_callback(operations.discard)
        task.add_done_callback(self._ended)

    async def _write(self, client: SkerryClient, producer: Producer, planned: PlannedProduce) -> None:
        acks = str(self._workload.acks)
        invoked_ns = self._clock.now_ns()
        result = await client.perform(
            Write(
                self._topic.name,
                planned.partition,
                planned.first_value,
                planned.count,
                self._workload.record_bytes,
                acks,
                DELIVERY_TIMEOUT_MS,
            )
        )
        assert isinstance(result, Written)
        producer.completed(planned.partition)
        completed_ns = self._clock.now_ns()
        self._record(
            Produce(
                process=producer.process,
                topic=self._topic.name,
                partition=planned.partition,
                invoked_ns=invoked_ns,
                completed_ns=completed_ns,
                outcome=result.outcome,
                acks=acks,
                first_value=planned.first_value,
                count=planned.count,
                intended_ns=planned.intended_ns,
                base_offset=result.base_offset,
                leader=result.leader,
                leader_epoch=result.leader_epoch,
                idempotent=self._workload.idempotent,
                duplicate=result.duplicate,
                attempts=result.attempts,
                error=result.error,
            )
        )
        if result.outcome is Outcome.OK:
            self._acknowledged[planned.partition] += planned.count
            self._last_ack_ns[planned.partition] = completed_ns
            self._recent.append((completed_ns, planned.count))

    async def _consume(self, process: int) -> None:
        async with self._target.client(ClientSpec("reader")) as client:
            readers = [PartitionReader(process, partition) for partition in range(self._topic.partitions)]
            await asyncio.gather(*(self._follow(client, reader) for reader in readers))

    async def _follow(self, client: SkerryClient, reader: PartitionReader) -> None:
        while not self._stopping.is_set():
            await self.read_once(client, reader, wait_ms=FETCH_WAIT_MS)
            await pause(self._stopping, FETCH_PAUSE_NS)

    async def read_once(
        self, client: SkerryClient, reader: PartitionReader, *, wait_ms: int, final: bool = False
    ) -> ReadBack:
        """One fetch at the reader's place, recorded; the reader moves on."""
        invoked_ns = self._clock.now_ns()
        result = await client.perform(Read(self._topic.name, reader.partition, reader.offset, wait_ms))
        assert isinstance(result, ReadBack)
        base_offset, values = trim(reader.offset, result.base_offset, result.values)
        self._record(
            Fetch(
                process=reader.process,
                topic=self._topic.name,
                partition=reader.partition,
                invoked_ns=invoked_ns,
                completed_ns=self._clock.now_ns(),
                outcome=result.outcome,
                offset=reader.offset,
                base_offset=base_offset if result.outcome is Outcome.OK else -1,
                values=values,
                high_watermark=result.high_watermark,
                leader=result.leader,
                leader_epoch=result.leader_epoch,
                session=reader.session,
                final=final,
                error=result.error,
            )
        )
        reader.received(base_offset, values)
        return result

    # --- probes -----------------------------------------------------------------------------------------------

    def start_probe(self, action: StartProbe) -> None:
        """Probe until `stop_probe` or `stop`. Idempotent by name."""
        if action.probe in self._probes:
            return
        stop = self._probes[action.probe] = asyncio.Event()
        for ordinal in action.ordinals:
            probe = Probe(self._probe_process, ordinal, self._topic.partitions, self._clock.now_ns())
            self._probe_process += 1
            self._spawn(self._probe(probe, stop, None if action.topic_create else action.acks))

    def stop_probe(self, name: str) -> None:
        if name in self._probes:
            self._probes[name].set()

    async def _probe(self, probe: Probe, stop: asyncio.Event, acks: str | None) -> None:
        """``acks`` None: create topics instead of writing."""
        operations: set[asyncio.Task[None]] = set()
        async with self._target.client(ClientSpec("reader")) as client:
            while not stop.is_set():
                for planned in probe.due(self._clock.now_ns()):
                    if acks is None:
                        operation = self._probe_topic(client, probe, planned)
                    else:
                        operation = self._probe_write(client, probe, planned, acks)
                    self._operate(operation, operations)
                await pause(stop, probe.next_due_ns - self._clock.now_ns())
            await settled(operations)

    async def _probe_write(self, client: SkerryClient, probe: Probe, planned: PlannedProduce, acks: str) -> None:
        invoked_ns = self._clock.now_ns()
        result = await client.perform(
            Write(
                self._topic.name,
                planned.partition,
                planned.first_value,
                1,
                self._workload.record_bytes,
                acks,
                PROBE_TIMEOUT_MS,
                probe.broker,
            )
        )
        assert isinstance(result, Written)
        self._record(
            Produce(
                process=probe.process,
                topic=self._topic.name,
                partition=planned.partition,
                invoked_ns=invoked_ns,
                completed_ns=self._clock.now_ns(),
                outcome=result.outcome,
                acks=acks,
                first_value=planned.first_value,
                count=1,
                base_offset=result.base_offset,
                leader=result.leader,
                leader_epoch=result.leader_epoch,
                error=result.error,
                directed_to=probe.broker,
            )
        )

    async def _probe_topic(self, client: SkerryClient, probe: Probe, planned: PlannedProduce) -> None:
        # Of this run's own: a topic that an earlier run created exists, and that is refused by the best of brokers.
        name = f"probe-{probe.broker}-{planned.first_value & 0xFFFF}-{self._topic.name[-PROBED_LENGTH:]}"
        invoked_ns = self._clock.now_ns()
        told = await client.perform(CreateTopic(name, 1, 1, 1, PROBE_TIMEOUT_MS, probe.broker))
        completed_ns = self._clock.now_ns()
        assert isinstance(told, Told)
        self._record(TopicCreate(probe.process, name, invoked_ns, completed_ns, told.outcome, told.error, probe.broker))

    # --- the end --------------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Produce and consume no more; returns when every operation that was invoked has ended and is recorded."""
        self._stopping.set()
        for name in self._probes:
            self.stop_probe(name)
        await settled(set(self._tasks))

    async def close(self) -> None:
        """Break off what is still under way: the run is over, in whatever manner."""
        self._stopping.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drained(self) -> None:
        self._drained = True

    def _record(self, record: HistoryRecord) -> None:
        self._recorder.append(record)


async def pause(stop: asyncio.Event, duration_ns: int) -> None:
    """Sleep, but not past ``stop``."""
    if duration_ns > 0:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), duration_ns / NS)
    else:
        await asyncio.sleep(0)


async def settled(tasks: set[asyncio.Task[None]]) -> None:
    """Wait until all of them have ended; they end by timeouts of their own."""
    while pending := {task for task in tasks if not task.done()}:
        await asyncio.wait(pending)
