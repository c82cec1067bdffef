"""The workload of a simulated run, recorded as a history on the simulation's one clock."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable
from struct import Struct

from skerry.history.records import (
    BrokerSample,
    DumpedBatch,
    ElectionSeen,
    Fetch,
    Footer,
    HistoryRecord,
    Outcome,
    Produce,
    ReplicaDump,
    StatusSample,
    TopicCreate,
)
from skerry.workload import FINAL_READER, FIRST_CONSUMER
from skerry.workload.log.producer import PlannedProduce, Producer, producers
from skerry.workload.log.reader import PartitionReader, trim
from skerry.worlds.sim.clients import ClientHub, SimClient
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.scheduler import NS_PER_MS, NS_PER_S
from skerry_broker.core.api import (
    CreateTopicRequest,
    ErrorCode,
    FetchRequest,
    FetchResponse,
    ProduceRequest,
    ProduceResponse,
)
from skerry_broker.core.client import ClientConfig, Completed, Operation
from skerry_broker.core.client import Outcome as ClientOutcome
from skerry_broker.core.status import NodeStatus
from skerry_broker.core.types import Acks, Batch, TopicPartition

_OUTCOMES = {outcome: Outcome(outcome.value) for outcome in ClientOutcome}
_PAYLOAD = Struct(">QI")
PRODUCE_TIMEOUT_MS = 3000
FETCH_WAIT_MS = 200
STATUS_EVERY_NS = 250 * NS_PER_MS


def pack(first_value: int, count: int) -> bytes:
    """The bytes of a simulated batch: they stand for ``count`` consecutive values."""
    return _PAYLOAD.pack(first_value, count)


def unpack(data: bytes) -> tuple[int, int]:
    first_value, count = _PAYLOAD.unpack(data)
    return first_value, count


def values_of(batches: tuple[Batch, ...]) -> tuple[int, ...]:
    found: list[int] = []
    for batch in batches:
        first_value, count = unpack(batch.data)
        found.extend(range(first_value, first_value + count))
    return tuple(found)


class Recorder:
    """Producers and consumers of one topic; ``records`` is the history so far, in order of completion."""

    def __init__(self, cluster: Cluster, hub: ClientHub, topic: str, partitions: int) -> None:
        self.cluster = cluster
        self.hub = hub
        self.topic = topic
        self.partitions = partitions
        self.records: list[HistoryRecord] = []
        self._closed = False
        self.acknowledged = 0
        """Records."""
        self.acknowledged_by_partition = [0] * partitions
        self.last_ack_ns = [-1] * partitions
        self._recent: deque[tuple[int, int]] = deque()
        self._producers: list[tuple[Producer, SimClient]] = []
        self._readers: list[tuple[PartitionReader, SimClient]] = []
        self._stopped = False
        self._elections_seen: set[tuple[int, int]] = set()

    def add(self, record: HistoryRecord) -> None:
        """Nothing follows the footer."""
        if not self._closed:
            self.records.append(record)
            self._closed = isinstance(record, Footer)

    # --- topics ---------------------------------------------------------------------------------------------

    def create_topic(
        self, replication_factor: int, min_in_sync_replicas: int, done: Callable[[Completed], None]
    ) -> None:
        invoked_ns = self.cluster.now_ns
        client = self.hub.client(ClientConfig(), "admin")

        def completed(result: Completed) -> None:
            self.add(
                TopicCreate(
                    FINAL_READER, self.topic, invoked_ns, self.cluster.now_ns, outcome_of(result), error_of(result)
                )
            )
            done(result)

        request = CreateTopicRequest(self.topic, self.partitions, replication_factor, min_in_sync_replicas)
        client.submit(Operation(request), completed)

    # --- producing ------------------------------------------------------------------------------------------

    def start_producers(self, count: int, records_per_second: int, acks: Acks, config: ClientConfig) -> None:
        for producer in producers(count, self.partitions, records_per_second, self.cluster.now_ns):
            client = self.hub.client(config, f"producer {producer.process}")
            self._producers.append((producer, client))
            self._produce_due((producer, client, acks, config.idempotent))

    def _produce_due(self, work: tuple[Producer, SimClient, Acks, bool]) -> None:
        producer, client, acks, idempotent = work
        if self._stopped:
            return
        for planned in producer.due(self.cluster.now_ns):
            self._produce(planned, producer, client, acks, idempotent)
        self.cluster.scheduler.post(max(producer.next_due_ns, self.cluster.now_ns + 1), self._produce_due, work)

    def _produce(
        self, planned: PlannedProduce, producer: Producer, client: SimClient, acks: Acks, idempotent: bool
    ) -> None:
        invoked_ns = self.cluster.now_ns
        batch = Batch(
            0,
            -1,
            planned.count,
            pack(planned.first_value, planned.count),
            max_timestamp_ms=invoked_ns // NS_PER_MS,
        )

        def completed(result: Completed) -> None:
            now_ns = self.cluster.now_ns
            response = result.response if isinstance(result.response, ProduceResponse) else None
            if outcome_of(result) is Outcome.OK:
                self.acknowledged += planned.count
                self.acknowledged_by_partition[planned.partition] += planned.count
                self.last_ack_ns[planned.partition] = now_ns
                self._recent.append((now_ns, planned.count))
            self.add(
                Produce(
                    producer.process,
                    self.topic,
                    planned.partition,
                    invoked_ns,
                    now_ns,
                    outcome_of(result),
                    acks.value,
                    planned.first_value,
                    planned.count,
                    planned.intended_ns,
                    -1 if response is None else response.base_offset,
                    -1 if response is None else response.leader,
                    -1 if response is None else response.leader_epoch,
                    idempotent,
                    response is not None and response.duplicate,
                    result.attempts,
                    error_of(result),
                )
            )
            producer.completed(planned.partition)
            if not self._stopped:
                for following in producer.due(now_ns):
                    self._produce(following, producer, client, acks, idempotent)

        request = ProduceRequest(self.topic, planned.partition, batch, acks, PRODUCE_TIMEOUT_MS)
        client.submit(Operation(request), completed)

    def acks_in_last_second(self) -> int:
        """Records."""
        while self._recent and self._recent[0][0] <= self.cluster.now_ns - NS_PER_S:
            self._recent.popleft()
        return sum(count for _, count in self._recent)

    def stop(self) -> None:
        """Begin nothing more; what is in flight goes on."""
        self._stopped = True
        for producer, _ in self._producers:
            producer.stop()

    @property
    def idle(self) -> bool:
        return all(client.idle for _, client in self._producers) and all(client.idle for _, client in self._readers)

    # --- consuming ------------------------------------------------------------------------------------------

    def start_consumers(self, count: int) -> None:
        """Each consumer reads all partitions, from the start on, with one fetch open per partition."""
        for number in range(count):
            client = self.hub.client(ClientConfig(), f"consumer {number}")
            for partition in range(self.partitions):
                reader = PartitionReader(FIRST_CONSUMER + number, partition)
                self._readers.append((reader, client))
                self._fetch((reader, client))

    def _fetch(self, work: tuple[PartitionReader, SimClient]) -> None:
        reader, client = work
        if self._stopped:
            return

        def completed(result: Completed) -> None:
            self._record_fetch(reader, invoked_ns, offset, result, final=False)
            pause_ns = 20 * NS_PER_MS if result.error is ErrorCode.NONE else 100 * NS_PER_MS
            self.cluster.scheduler.post(self.cluster.now_ns + pause_ns, self._fetch, work)

        invoked_ns, offset = self.cluster.now_ns, reader.offset
        request = FetchRequest(self.topic, reader.partition, offset, FETCH_WAIT_MS)
        client.submit(Operation(request, delivery_timeout_ms=PRODUCE_TIMEOUT_MS), completed)

    def _record_fetch(
        self, reader: PartitionReader, invoked_ns: int, offset: int, result: Completed, *, final: bool
    ) -> FetchResponse | None:
        response = result.response if isinstance(result.response, FetchResponse) else None
        if response is None:
            self.add(
                Fetch(
                    reader.process,
                    self.topic,
                    reader.partition,
                    invoked_ns,
                    self.cluster.now_ns,
                    outcome_of(result),
                    offset,
                    session=reader.session,
                    final=final,
                    error=error_of(result),
                )
            )
            return None
        base_offset = response.batches[0].base_offset if response.batches else offset
        base_offset, values = trim(offset, base_offset, values_of(response.batches))
        reader.received(base_offset, values)
        self.add(
            Fetch(
                reader.process,
                self.topic,
                reader.partition,
                invoked_ns,
                self.cluster.now_ns,
                Outcome.OK,
                offset,
                base_offset,
                values,
                response.high_watermark,
                response.leader,
                response.leader_epoch,
                reader.session,
                final,
            )
        )
        return response

    def read_everything(self, done: Callable[[], None], deadline_ns: int) -> dict[int, int]:
        """The final read: a fresh client reads every partition up to its high watermark, then ``done``.

        Returns at once; the answer is filled while time goes on: partition -> its end, for those that were read to
        it before ``deadline_ns``.
        """
        client = self.hub.client(ClientConfig(), "final reader")
        ends: dict[int, int] = {}

        def read(reader: PartitionReader) -> None:
            invoked_ns, offset = self.cluster.now_ns, reader.offset

            def completed(result: Completed) -> None:
                response = self._record_fetch(reader, invoked_ns, offset, result, final=True)
                # Only a tail read, an answer without records, proves that this is the end.
                if response is None or response.batches or reader.offset < response.high_watermark:
                    if self.cluster.now_ns < deadline_ns:
                        read(reader)
                    return
                ends[reader.partition] = response.high_watermark
                if len(ends) == self.partitions:
                    done()

            client.submit(Operation(FetchRequest(self.topic, reader.partition, offset)), completed)

        for partition in range(self.partitions):
            read(PartitionReader(FINAL_READER, partition))
        return ends

    # --- looking --------------------------------------------------------------------------------------------

    def sample_status(self) -> None:
        """Record every broker's own status, now."""
        now_ns = self.cluster.now_ns
        for host in self.cluster.hosts:
            if host.node is None or host.paused:
                self.add(StatusSample(host.broker_id, now_ns, now_ns, False))
                continue
            status = host.node.status(host.clock.local(now_ns))
            for partition in status.partitions:
                for election in partition.elections:
                    key = (partition.partition.partition, election.leader_epoch)
                    if key not in self._elections_seen and partition.partition.topic == self.topic:
                        self._elections_seen.add(key)
                        self.add(
                            ElectionSeen(
                                self.topic,
                                partition.partition.partition,
                                election.leader,
                                election.leader_epoch,
                                election.wall_ns,
                                now_ns,
                                election.reason,
                            )
                        )
            self.add(
                StatusSample(
                    host.broker_id,
                    now_ns,
                    now_ns,
                    True,
                    status.broker_epoch,
                    status.incarnation,
                    status.raft.role,
                    status.raft.term,
                    status.controller,
                    status.fenced,
                    status.lease_remaining_ns,
                    sum(partition.truncations for partition in status.partitions),
                    sum(partition.truncated_records for partition in status.partitions),
                    # Of our topic only: a name deleted and made anew is another topic, and a sample cannot say so.
                    tuple(sample for sample in broker_samples(status) if sample.topic == self.topic),
                )
            )

    def dump_replicas(self, high_watermarks: list[int]) -> None:
        """What is on every disk, as the segment reader of the other worlds would find it."""
        for partition in range(self.partitions):
            for host in self.cluster.hosts:
                log = host.disk.logs.get(TopicPartition(self.topic, partition))
                if log is None:
                    continue
                self.add(
                    ReplicaDump(
                        self.topic,
                        partition,
                        host.broker_id,
                        log.start_offset,
                        log.end_offset,
                        high_watermarks[partition],
                        tuple(
                            DumpedBatch(
                                batch.base_offset, batch.leader_epoch, *unpack(batch.data), zlib.crc32(batch.data)
                            )
                            for batch in log.batches
                        ),
                        tuple((line.epoch, line.start_offset) for line in log.epochs),
                    )
                )


def broker_samples(status: NodeStatus) -> tuple[BrokerSample, ...]:
    """Every partition as this broker reports it."""
    return tuple(
        BrokerSample(
            partition.partition.topic,
            partition.partition.partition,
            partition.leader,
            partition.leader_epoch,
            partition.isr,
            partition.elr,
            partition.high_watermark if partition.high_watermark is not None else -1,
            partition.log_end_offset if partition.log_end_offset is not None else -1,
            partition.role or "",
        )
        for partition in status.partitions
    )


def outcome_of(result: Completed) -> Outcome:
    return _OUTCOMES[result.outcome]


def error_of(result: Completed) -> str:
    return "" if result.error is ErrorCode.NONE else result.error.value
