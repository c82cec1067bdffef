"""Rules of what a broker tells its clients and its leaders."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from skerry.worlds.sim.invariants.logs import LogRules
from skerry.worlds.sim.invariants.truth import PartitionTruth, Truth
from skerry_broker.core.api import (
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ProduceRequest,
    ProduceResponse,
)
from skerry_broker.core.messages import Event, Reply, Send, ServeClient, ServeOffsets
from skerry_broker.core.peer_messages import ReplicaFetch, ReplicaProgress
from skerry_broker.core.types import Acks, TopicPartition

if TYPE_CHECKING:
    from skerry.worlds.sim.node_host import NodeHost

Rule = Callable[["NodeHost", Event, Any], None]


class AnswerRules:
    def __init__(self, truth: Truth, logs: LogRules, *, durable: bool) -> None:
        self._truth = truth
        self._logs = logs
        self._durable = durable

    def effects(self) -> dict[type[Any], Rule]:
        return {Reply: self._reply, ServeClient: self._serve_client, ServeOffsets: self._serve_offsets}

    def messages(self) -> dict[type[Any], Rule]:
        return {ReplicaFetch: self._replica_fetch, ReplicaProgress: self._replica_progress}

    # --- to clients -----------------------------------------------------------------------------------------

    def _reply(self, host: NodeHost, event: Event, effect: Reply) -> None:
        response = effect.response
        if isinstance(response, ProduceResponse):
            request = host.requests.get(effect.request_id)
            if isinstance(request, ProduceRequest):
                self._produced(host, request, response)
        elif isinstance(response, (ListOffsetsResponse, FetchResponse)):  # `|` makes a union every time
            request = host.requests.get(effect.request_id)
            if isinstance(request, (ListOffsetsRequest, FetchRequest)):
                self._end_told(host, TopicPartition(request.topic, request.partition), response)

    def _produced(self, host: NodeHost, request: ProduceRequest, response: ProduceResponse) -> None:
        state = self._state(host, TopicPartition(request.topic, request.partition))
        if state is None:
            return
        self._check_leadership(host, state, response.leader_epoch)
        if request.acks is Acks.NONE:
            return  # it says that the write was accepted; nothing is promised, and no offset is told
        log = host.disk.logs.get(state.partition)
        batch = log.batch_at(response.base_offset) if log is not None else None
        end = response.base_offset + request.batch.record_count
        if log is None or batch is None or batch.data != request.batch.data:
            self._truth.violate(
                "acknowledged-elsewhere",
                host.broker_id,
                f"{state.partition}: acknowledged at {response.base_offset}, where its log holds {batch!r:.160}",
            )
            return
        if self._durable and log.durable_end < end:
            self._truth.violate(
                "acknowledged-before-durable",
                host.broker_id,
                f"{state.partition}: acknowledged up to {end} with {log.durable_end} on disk",
            )
        if request.acks is Acks.ALL:
            if end > state.high_watermark:
                self._logs.commit(host, state, end)
            self._check_copies(host, state, end)
            state.acknowledged_end = max(state.acknowledged_end, end)

    def _check_copies(self, host: NodeHost, state: PartitionTruth, end: int) -> None:
        copies = 0
        batch = state.batch_at(end - 1)
        for replica in state.replicas:
            peer = self._truth.host(replica)
            if not self._truth.holds(replica) or peer is None:
                # Its disk was taken away; it may have held the record when that counted.
                copies += 1
                continue
            log = peer.disk.logs.get(state.partition)
            if log is None or (log.durable_end if self._durable else log.end_offset) < end:
                continue
            mine = log.batch_at(end - 1)
            copies += mine is batch or mine == batch
        if copies < state.copies_needed:
            self._truth.violate(
                "too-few-copies",
                host.broker_id,
                f"{state.partition}: acknowledged up to {end} with {copies} of {state.copies_needed} copies",
            )

    def _serve_client(self, host: NodeHost, event: Event, effect: ServeClient) -> None:
        response, read = effect.response, effect.read
        state = self._shown(host, read.partition, response)
        if read.end_offset > response.high_watermark:
            self._truth.violate(
                "read-beyond-high-watermark",
                host.broker_id,
                f"{read.partition}: reads to {read.end_offset}, high watermark {response.high_watermark}",
            )
        log = host.disk.logs.get(read.partition)
        if state is None or log is None:
            return
        for offset in (read.start_offset, min(read.end_offset, response.high_watermark) - 1):
            mine, known = log.batch_at(offset), state.batch_at(offset)
            if mine is not known and mine is not None and mine.next_offset <= read.end_offset and mine != known:
                self._truth.violate(
                    "committed-record-changed",
                    host.broker_id,
                    f"{read.partition}: serves {mine!r:.120} at {offset}, committed was {known!r:.120}",
                )

    def _serve_offsets(self, host: NodeHost, event: Event, effect: ServeOffsets) -> None:
        self._end_told(host, effect.partition, effect.response)

    def _end_told(
        self, host: NodeHost, partition: TopicPartition, response: FetchResponse | ListOffsetsResponse
    ) -> None:
        """A tail read, or a question for the end. It is linearizable: what was acknowledged before lies below the end
        that it tells. (The broker that answers here is the only leader, so all acknowledgements came before this
        answer; and those of earlier epochs came before its request.)"""
        state = self._shown(host, partition, response)
        if state is not None and response.high_watermark < state.acknowledged_end:
            self._truth.violate(
                "tail-read-behind",
                host.broker_id,
                f"{partition}: tells the end {response.high_watermark} in epoch {response.leader_epoch}, although "
                f"records up to {state.acknowledged_end} were acknowledged",
            )

    def _shown(
        self, host: NodeHost, partition: TopicPartition, response: FetchResponse | ListOffsetsResponse
    ) -> PartitionTruth | None:
        state = self._state(host, partition)
        if state is not None:
            self._check_leadership(host, state, response.leader_epoch)
            self._logs.expose(host, state, response.leader_epoch, response.high_watermark)
        return state

    def _state(self, host: NodeHost, partition: TopicPartition) -> PartitionTruth | None:
        """None when the broker still serves a topic of this name that was deleted meanwhile."""
        state = self._truth.partitions.get(partition)
        log = host.disk.logs.get(partition)
        return None if state is None or (log is not None and log.topic_id != state.topic_id) else state

    def _check_leadership(self, host: NodeHost, state: PartitionTruth, epoch: int) -> None:
        """A success is answered only while nobody else can lead (I-SAF-10), judged in true time."""
        leader = state.leaders.get(epoch)
        if leader != host.broker_id:
            self._truth.violate(
                "answered-without-leadership",
                host.broker_id,
                f"{state.partition}: answers in epoch {epoch}, whose committed leader is {leader}",
            )
        elif state.successor_epoch > epoch and state.leaders[state.successor_epoch] != host.broker_id:
            self._truth.violate(
                "answered-after-successor",
                host.broker_id,
                f"{state.partition}: answers success in epoch {epoch}; epoch {state.successor_epoch} of broker "
                f"{state.leaders[state.successor_epoch]} is committed",
            )

    # --- to leaders -----------------------------------------------------------------------------------------

    def _replica_fetch(self, host: NodeHost, event: Event, effect: Send) -> None:
        message = effect.message
        assert isinstance(message, ReplicaFetch)
        for part in message.partitions:
            self._check_progress(host, part.partition, part.topic_id, part.durable_end)

    def _replica_progress(self, host: NodeHost, event: Event, effect: Send) -> None:
        message = effect.message
        assert isinstance(message, ReplicaProgress)
        for partition, _, durable_end in message.partitions:
            self._check_progress(host, partition, None, durable_end)

    def _check_progress(
        self, host: NodeHost, partition: TopicPartition, topic_id: str | None, durable_end: int
    ) -> None:
        log = host.disk.logs.get(partition)
        if log is None or (topic_id is not None and log.topic_id != topic_id):
            return
        held = log.durable_end if self._durable else log.end_offset
        if durable_end > held:
            self._truth.violate(
                "progress-not-durable", host.broker_id, f"{partition}: claims {durable_end}, its disk holds {held}"
            )
