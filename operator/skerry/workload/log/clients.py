"""What the clients of the log model do, each process for itself: they write, read or probe, and record the answers."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from skerry.history.records import Fetch, HistoryRecord, Outcome, Produce, TopicCreate
from skerry.workload.log.operations import CreateTopic, Read, ReadBack, Told, Write, Written
from skerry.workload.log.outgoing import Outgoing
from skerry.workload.log.probe import Probe
from skerry.workload.log.producer import PlannedProduce, Producer
from skerry.workload.log.reader import PartitionReader, trim
from skerry.workload.log.tally import Tally
from skerry.workload.operations import Answer, ClientSpec

Record = Callable[[HistoryRecord], None]
FETCH_WAIT_MS = 200
"""How long a broker may wait for a record to return."""
READS_PER_SECOND = 100
"""How often all readers together fetch: a measurement must not be the load."""
READ_PAUSE_MIN_NS = 20_000_000
FAILED_PAUSE_NS = 100_000_000
"""After a read that did not succeed."""
PROBE_TIMEOUT_MS = 400
PROBED_LENGTH = 150
"""How much of the topic's name stands in those of the topics that a probe creates; of 200 characters that brokers
allow."""


class Asked(msgspec.Struct, frozen=True):
    """What the document asks of every write."""

    topic: str
    partitions: int
    acks: str
    idempotent: bool
    record_bytes: int
    delivery_timeout_ms: int
    request_timeout_ms: int


class ProducerProcess:
    """Open loop: what is due is sent, whatever became of what was sent before."""

    def __init__(self, producer: Producer, asked: Asked, outgoing: Outgoing, tally: Tally, record: Record) -> None:
        self._producer = producer
        self._asked = asked
        self._client = ClientSpec(f"producer {producer.process}", asked.idempotent, asked.delivery_timeout_ms)
        self._outgoing = outgoing
        self._tally = tally
        self._record = record
        self._stopped = False

    @property
    def given_up(self) -> int:
        return self._producer.given_up

    def wake(self, now_ns: int) -> None:
        if self._stopped:
            return
        for planned in self._producer.due(now_ns):
            self._send(now_ns, planned)
        self._outgoing.wake_at(self._producer.next_due_ns, self.wake)

    def stop(self) -> None:
        """Begin nothing more; what is under way goes on."""
        self._stopped = True
        self._producer.stop()

    def _send(self, now_ns: int, planned: PlannedProduce) -> None:
        asked = self._asked
        write = Write(
            asked.topic,
            planned.partition,
            planned.first_value,
            planned.count,
            asked.record_bytes,
            asked.acks,
            asked.request_timeout_ms,
        )

        def ended(invoked_ns: int, answer: Answer) -> None:
            self._ended(planned, invoked_ns, answer)

        self._outgoing.send(now_ns, self._client, write, ended)

    def _ended(self, planned: PlannedProduce, invoked_ns: int, answer: Answer) -> None:
        result: Written = answer.result
        completed_ns, asked = answer.completed_ns, self._asked
        self._record(
            Produce(
                self._producer.process,
                asked.topic,
                planned.partition,
                invoked_ns,
                completed_ns,
                result.outcome,
                asked.acks,
                planned.first_value,
                planned.count,
                planned.intended_ns,
                result.base_offset,
                result.leader,
                result.leader_epoch,
                asked.idempotent,
                result.duplicate,
                result.attempts,
                result.error,
            )
        )
        if result.outcome is Outcome.OK:
            self._tally.acknowledge(planned.partition, planned.count, completed_ns)
        for following in self._producer.completed(planned.partition):
            self._send(completed_ns, following)


class ReaderProcess:
    """Follows one partition from its start, one fetch after the other."""

    def __init__(
        self, reader: PartitionReader, client: ClientSpec, topic: str, pause_ns: int, outgoing: Outgoing, record: Record
    ) -> None:
        self._reader = reader
        self._client = client
        self._topic = topic
        self._pause_ns = pause_ns
        self._outgoing = outgoing
        self._record = record
        self._stopped = False

    def wake(self, now_ns: int) -> None:
        if not self._stopped:
            request = Read(self._topic, self._reader.partition, self._reader.offset, FETCH_WAIT_MS)
            self._outgoing.send(now_ns, self._client, request, self._ended)

    def stop(self) -> None:
        self._stopped = True

    def _ended(self, invoked_ns: int, answer: Answer) -> None:
        self._record(fetched(self._reader, self._topic, invoked_ns, answer))
        failed = answer.result.outcome is not Outcome.OK
        pause_ns = max(self._pause_ns, FAILED_PAUSE_NS) if failed else self._pause_ns
        if not self._stopped:
            self._outgoing.wake_at(answer.completed_ns + pause_ns, self.wake)


def read_pause_ns(readers: int) -> int:
    """Between two reads of one of so many readers."""
    return max(READ_PAUSE_MIN_NS, readers * 1_000_000_000 // READS_PER_SECOND)


def fetched(reader: PartitionReader, topic: str, invoked_ns: int, answer: Answer, *, final: bool = False) -> Fetch:
    """The record of one read at the reader's place; the reader moves on."""
    result: ReadBack = answer.result
    offset, session = reader.offset, reader.session
    if result.outcome is not Outcome.OK:
        return Fetch(
            reader.process,
            topic,
            reader.partition,
            invoked_ns,
            answer.completed_ns,
            result.outcome,
            offset,
            session=session,
            final=final,
            error=result.error,
        )
    base_offset, values = trim(offset, result.base_offset, result.values)
    reader.received(base_offset, values)
    return Fetch(
        reader.process,
        topic,
        reader.partition,
        invoked_ns,
        answer.completed_ns,
        Outcome.OK,
        offset,
        base_offset,
        values,
        result.high_watermark,
        result.leader,
        result.leader_epoch,
        session,
        final,
    )


class ProbeProcess:
    """Writes to one node, or (``acks`` None) creates topics there."""

    def __init__(self, probe: Probe, asked: Asked, acks: str | None, outgoing: Outgoing, record: Record) -> None:
        self._probe = probe
        self._asked = asked
        self._acks = acks
        self._client = ClientSpec(f"probe {probe.process}")
        self._outgoing = outgoing
        self._record = record
        self._stopped = False

    def wake(self, now_ns: int) -> None:
        if self._stopped:
            return
        for planned in self._probe.due(now_ns):
            if self._acks is None:
                self._create(now_ns, planned)
            else:
                self._write(now_ns, planned, self._acks)
        self._outgoing.wake_at(self._probe.next_due_ns, self.wake)

    def stop(self) -> None:
        self._stopped = True

    def _write(self, now_ns: int, planned: PlannedProduce, acks: str) -> None:
        asked, probe = self._asked, self._probe
        request = Write(
            asked.topic,
            planned.partition,
            planned.first_value,
            1,
            asked.record_bytes,
            acks,
            PROBE_TIMEOUT_MS,
            probe.broker,
        )

        def ended(invoked_ns: int, answer: Answer) -> None:
            result: Written = answer.result
            self._record(
                Produce(
                    probe.process,
                    asked.topic,
                    planned.partition,
                    invoked_ns,
                    answer.completed_ns,
                    result.outcome,
                    acks,
                    planned.first_value,
                    1,
                    base_offset=result.base_offset,
                    leader=result.leader,
                    leader_epoch=result.leader_epoch,
                    duplicate=result.duplicate,
                    attempts=result.attempts,
                    error=result.error,
                    directed_to=probe.broker,
                )
            )

        self._outgoing.send(now_ns, self._client, request, ended)

    def _create(self, now_ns: int, planned: PlannedProduce) -> None:
        probe = self._probe
        # Of this run's own: a topic that an earlier run created exists, and that is refused by the best of brokers.
        name = f"probe-{probe.broker}-{planned.first_value & 0xFFFF}-{self._asked.topic[-PROBED_LENGTH:]}"
        request = CreateTopic(name, 1, 1, 1, PROBE_TIMEOUT_MS, probe.broker)

        def ended(invoked_ns: int, answer: Answer) -> None:
            told: Told = answer.result
            completed_ns = answer.completed_ns
            self._record(
                TopicCreate(probe.process, name, invoked_ns, completed_ns, told.outcome, told.error, probe.broker)
            )

        self._outgoing.send(now_ns, self._client, request, ended)
