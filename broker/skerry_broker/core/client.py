"""The client's state machine, sans I/O: metadata, routing, retries, and honest outcomes.

Theory of operation. An operation becomes one attempt after another (`Call`) until one succeeds, one fails for good, or
its time is over. Where an attempt goes is decided by what is believed of the cluster (`client_metadata`); a broker
that does not lead names the leader, and the next attempt goes there at once. While nobody is known to lead, metadata is
asked from one broker after another, every `retry_backoff_ms`; an attempt that is slow starts the same search, so that
a leader behind a black hole is replaced as soon as another one has been elected, not when the attempt times out.

An attempt ends *definitely* without effect, or its outcome is *unknown*. An operation that had one unknown attempt and
no success is unknown, never failed (I-SAF-11).
"""

from __future__ import annotations

from collections.abc import Callable

from skerry_broker.core.api import (
    RETRIABLE,
    UNKNOWN_OUTCOME,
    ClientRequest,
    ClientResponse,
    DeleteTopicRequest,
    ErrorCode,
    ErrorResponse,
    InitProducerRequest,
    InitProducerResponse,
    MetadataResponse,
    ProduceRequest,
)
from skerry_broker.core.client_calls import (
    ELSEWHERE,
    MS,
    NAMES_LEADER,
    Call,
    CancelCall,
    ClientConfig,
    Completed,
    Op,
    Operation,
    Outcome,
    Route,
    Timers,
    attempt_timeout_ms,
    next_backoff_ms,
)
from skerry_broker.core.client_metadata import ClusterView
from skerry_broker.core.client_producer import PartitionProducer
from skerry_broker.core.client_search import MetadataSearch
from skerry_broker.core.types import NO_BROKER, Batch, Rng, TopicPartition

__all__ = ["Call", "CancelCall", "Client", "ClientConfig", "Completed", "Operation", "Outcome"]

_IDENTITY = -2
"""The op id of the client's own requests for a producer id."""

_OK, _NONE = Outcome.OK, ErrorCode.NONE


class Client:
    """``seal`` binds a batch's bytes to the producer id, epoch and sequence that the client gave it (the record
    batch's checksum covers them); the identity where bytes are opaque. Called once per batch and identity.

    ``op_id`` is the caller's, non-negative and unique. Invariant: every operation completes exactly once.
    """

    def __init__(
        self, config: ClientConfig, bootstrap: tuple[int, ...], rng: Rng, seal: Callable[[Batch], Batch] | None = None
    ) -> None:
        self._config = config
        self._rng = rng
        self._seal = seal
        self._view = ClusterView(bootstrap)
        first_broker = rng.randrange(0, len(bootstrap))
        self._out: list[Call | CancelCall | Completed] = []
        self._ops: dict[int, Op] = {}
        self._calls: dict[int, tuple[Op, int]] = {}  # call id -> (operation, time when it is over)
        self._call_id = 0
        self._own_id = _IDENTITY  # the client's own operations count down from here
        self._identity_for: dict[int, PartitionProducer] = {}
        self._producers: dict[TopicPartition, PartitionProducer] = {}
        self._producer_keys: list[PartitionProducer] = []
        self._waiting: dict[int, Op] = {}  # operations without an attempt under way, except produces
        self._timers = Timers({"op": self._ops, "call": self._calls, "retry": self._waiting})
        self._suspects: dict[TopicPartition, int] = {}  # partition -> its believed leader, which does not serve it
        self._search = MetadataSearch(config, self._view, self._timers, self._suspects, first_broker, self.send)

    # --- the interface --------------------------------------------------------------------------------------

    def submit(self, now: int, op_id: int, operation: Operation) -> None:
        """Start an operation. Raises ValueError for an id in use."""
        if op_id in self._ops or op_id < 0:
            raise ValueError(f"operation id {op_id} is in use or negative; give each operation its own")
        timeout_ms = operation.delivery_timeout_ms
        deadline = now + (self._config.delivery_timeout_ms if timeout_ms is None else timeout_ms) * MS
        op = Op(op_id, operation, deadline)
        self._ops[op_id] = op
        self._timers.at(deadline, "op", op_id)
        if self._search.is_old(now):
            self._search.want(now)
        if operation.directed_to is not None:
            self._send_probe(now, op, operation.directed_to)
        elif isinstance(operation.request, ProduceRequest):
            assert op.partition is not None
            self._producer(op.partition).submit(now, op)
        else:
            self._try(now, op)

    def answered(self, now: int, call_id: int, response: ClientResponse) -> None:
        op = self._end_call(call_id)
        if op is None:
            return
        if isinstance(response, ErrorResponse):
            self._attempt_failed(now, op, response.error, response)
        else:
            self._succeeded(now, op, response)

    def call_failed(self, now: int, call_id: int, error: ErrorCode) -> None:
        """CONNECTION_FAILED: never sent. CONNECTION_LOST: sent or perhaps sent, not answered."""
        op = self._end_call(call_id)
        if op is not None:
            self._attempt_failed(now, op, error, None)

    def tick(self, now: int) -> None:
        while (due := self._timers.take_due(now)) is not None:
            time, kind, key = due
            if kind == "op":
                self._expire(now, self._ops[key])
            elif kind == "call":
                self._call_timer(now, key)
            elif kind == "retry":
                self._try(now, self._waiting.pop(key))
            elif kind == "pump":
                self._producer_keys[key].pump(now)
            else:
                self._search.timer(now, time)

    @property
    def next_deadline(self) -> int | None:
        return self._timers.next_deadline()

    def take(self) -> list[Call | CancelCall | Completed]:
        """What to do since the last call, in order."""
        out, self._out = self._out, []
        return out

    @property
    def in_progress(self) -> int:
        return sum(op_id >= 0 for op_id in self._ops)

    # --- attempts ---------------------------------------------------------------------------------------------

    def send(self, now: int, op: Op, broker: int, request: ClientRequest, timeout_ms: int) -> None:
        self._call_id += 1
        op.call_id = self._call_id
        op.broker = broker
        op.attempts += 1
        over_at = now + timeout_ms * MS
        self._calls[self._call_id] = (op, over_at)
        slow_at = over_at - self._config.request_timeout_ms * MS + self._config.slow_call_ms * MS
        self._timers.at(min(slow_at, over_at) if slow_at > now else over_at, "call", self._call_id)
        self._out.append(Call(self._call_id, broker, request, timeout_ms))

    def _send_probe(self, now: int, op: Op, broker: int) -> None:
        request = op.operation.request
        if isinstance(request, ProduceRequest) and self._seal is not None:
            batch = self._seal(request.batch)
            request = ProduceRequest(request.topic, request.partition, batch, request.acks, request.timeout_ms)
        self.send(now, op, broker, request, attempt_timeout_ms(self._config, request))

    def _try(self, now: int, op: Op) -> None:
        """Send the next attempt of anything but a produce, or wait until somebody is known who could answer."""
        if op.route is Route.ANY:
            broker = self._search.next_broker()
        elif op.route is Route.CONTROLLER:
            broker = self._view.controller
        else:
            assert op.partition is not None
            broker = self._view.leader(op.partition)
        if broker == NO_BROKER:
            op.retry_at = now
            self._waiting[op.op_id] = op
            self._search.want(now)
            return
        self.send(now, op, broker, op.operation.request, attempt_timeout_ms(self._config, op.operation.request))

    def _end_call(self, call_id: int) -> Op | None:
        entry = self._calls.pop(call_id, None)
        if entry is not None:  # else cancelled, or given up
            entry[0].call_id = None
        return None if entry is None else entry[0]

    def _cancel(self, op: Op) -> None:
        """Nobody waits for the attempt under way any more: what it did is unknown."""
        if op.call_id is not None:
            self._out.append(CancelCall(op.call_id))
            del self._calls[op.call_id]
            op.call_id = None
            op.maybe = op.maybe or op.has_effect

    def _call_timer(self, now: int, call_id: int) -> None:
        op, over_at = self._calls[call_id]
        if now >= over_at:
            self._cancel(op)
            self._attempt_failed(now, op, ErrorCode.CONNECTION_LOST, None)
            return
        if op.operation.directed_to is None and op.route is not Route.ANY:
            self._suspect(now, op)
        self._timers.at(min(over_at, now + 2 * self._config.retry_backoff_ms * MS), "call", call_id)

    def _attempt_failed(self, now: int, op: Op, error: ErrorCode, response: ErrorResponse | None) -> None:
        op.error = error
        op.message = "" if response is None else response.message
        if error in UNKNOWN_OUTCOME and op.has_effect:
            op.maybe = True
        if op is self._search.op:
            self._search.failed(now)
            return
        if op.operation.directed_to is not None:
            self.give_up(op)
            return
        news = self._learn_from(now, op, error, response)
        at_once = news or self._is_elsewhere(op, error)
        final = error not in RETRIABLE or (
            error is ErrorCode.UNKNOWN_TOPIC and isinstance(op.operation.request, DeleteTopicRequest)
        )
        if op.producer is not None:
            op.producer.attempt_failed(now, op, error, at_once=at_once)
        elif final and op.op_id not in self._identity_for:
            self.give_up(op)
        elif at_once:
            self._try(now, op)
        else:
            op.backoff_ms = self.backoff_ms(op.backoff_ms)
            op.retry_at = now + op.backoff_ms * MS
            self._waiting[op.op_id] = op
            self._timers.at(op.retry_at, "retry", op.op_id)
        if news and op.partition is not None:
            self._leader_changed(now, op.partition)

    def _learn_from(self, now: int, op: Op, error: ErrorCode, response: ErrorResponse | None) -> bool:
        """Take over the leader that the answer names; True when that is news: somebody else is to be asked."""
        named = NO_BROKER if response is None else response.leader
        if op.route is Route.CONTROLLER:
            if error is ErrorCode.NOT_CONTROLLER and named not in (NO_BROKER, op.broker):
                self._view.controller = named
                return op.backoff_ms == 0 and op.attempts < 4  # two brokers may name each other
            if error in RETRIABLE:
                if self._view.controller == op.broker:
                    self._view.controller = NO_BROKER
                self._search.want(now)
            return False
        if op.partition is None or error not in RETRIABLE:
            return False
        news = False
        if response is not None and error in NAMES_LEADER and response.leader_epoch >= 0:
            news = self._view.leads(op.partition, named, response.leader_epoch) and named != op.broker
        if not news:
            self._suspect(now, op)
        return news

    def _is_elsewhere(self, op: Op, error: ErrorCode) -> bool:
        if op.partition is None or error not in ELSEWHERE:
            return False
        return self._view.leader(op.partition) not in (NO_BROKER, op.broker)

    def _suspect(self, now: int, op: Op) -> None:
        """The one that was asked does not serve: look for another until it does, or another is found."""
        if op.partition is not None and self._view.leader(op.partition) in (NO_BROKER, op.broker):
            self._suspects[op.partition] = op.broker
        self._search.want(now)

    def _succeeded(self, now: int, op: Op, response: ClientResponse) -> None:
        if op is self._search.op:
            self._search.op = None
            if isinstance(response, MetadataResponse):
                self._learned(now, response)
            return
        producer = self._identity_for.pop(op.op_id, None)
        if producer is not None:
            self._ops.pop(op.op_id, None)
            if isinstance(response, InitProducerResponse):
                producer.identified(now, (response.producer_id, response.producer_epoch))
            return
        self._ops.pop(op.op_id, None)
        if op.partition is not None and self._suspects and self._suspects.get(op.partition) == op.broker:
            del self._suspects[op.partition]
        self._out.append(Completed(op.op_id, _OK, response, _NONE, op.attempts))
        if isinstance(response, MetadataResponse) and op.operation.directed_to is None:
            self._learned(now, response)
        if op.producer is not None:
            op.producer.succeeded(now, op)

    def give_up(self, op: Op) -> None:
        """It ends without success."""
        self._cancel(op)
        self._waiting.pop(op.op_id, None)
        self._ops.pop(op.op_id, None)
        outcome = Outcome.UNKNOWN if op.maybe else Outcome.FAILED
        self._out.append(Completed(op.op_id, outcome, None, op.error, op.attempts, op.message))

    def _expire(self, now: int, op: Op) -> None:
        self._cancel(op)
        producer = self._identity_for.pop(op.op_id, None)
        if producer is not None:
            self._waiting.pop(op.op_id, None)
            del self._ops[op.op_id]
            producer.identified(now, None)
        elif op.producer is not None:
            op.producer.expired(now, op)
        else:
            self.give_up(op)

    # --- for the producers ------------------------------------------------------------------------------------

    def _producer(self, partition: TopicPartition) -> PartitionProducer:
        producer = self._producers.get(partition)
        if producer is None:
            producer = PartitionProducer(len(self._producer_keys), self._config, partition, self)
            self._producers[partition] = producer
            self._producer_keys.append(producer)
        return producer

    def leader_of(self, now: int, partition: TopicPartition) -> int:
        leader = self._view.leader(partition)
        if leader == NO_BROKER:
            self._search.want(now)
        return leader

    def seal(self, batch: Batch) -> Batch:
        return batch if self._seal is None else self._seal(batch)

    def acquire_identity(self, now: int, producer: PartitionProducer) -> None:
        self._own_id -= 1
        timeout_ms = self._config.request_timeout_ms
        op = Op(self._own_id, Operation(InitProducerRequest(timeout_ms)), now + self._config.delivery_timeout_ms * MS)
        self._ops[op.op_id] = op
        self._identity_for[op.op_id] = producer
        self._timers.at(op.deadline, "op", op.op_id)
        self._try(now, op)

    def pump_at(self, time: int, producer: PartitionProducer) -> None:
        self._timers.at(time, "pump", producer.key)

    def backoff_ms(self, before: int) -> int:
        return next_backoff_ms(self._config, self._rng, before)

    # --- metadata -----------------------------------------------------------------------------------------------

    def _learned(self, now: int, response: MetadataResponse) -> None:
        self._search.learned(now)
        for partition in self._view.learned(response):
            self._leader_changed(now, partition)
        for op in list(self._waiting.values()):
            if op.op_id in self._waiting and op.retry_at <= now:
                del self._waiting[op.op_id]
                self._try(now, op)
        for producer in self._producer_keys:
            producer.pump(now)
        if self._suspects:
            wanted = {op.partition for op in self._ops.values()}
            for partition in [partition for partition in self._suspects if partition not in wanted]:
                del self._suspects[partition]
            if self._suspects:
                self._search.want(now)

    def _leader_changed(self, now: int, partition: TopicPartition) -> None:
        """Attempts at the former leader are not waited for: a produce with a sequence and a read may be repeated."""
        leader = self._view.leader(partition)
        self._suspects.pop(partition, None)
        for op in [op for op, _ in self._calls.values() if op.partition == partition]:
            if op.broker == leader or op.operation.directed_to is not None:
                continue
            if op.producer is None:
                self._cancel(op)
                self._try(now, op)
            elif op.base_sequence >= 0:
                self._cancel(op)
        for op in [op for op in self._waiting.values() if op.partition == partition]:
            del self._waiting[op.op_id]
            self._try(now, op)
        producer = self._producers.get(partition)
        if producer is not None:
            producer.leader_changed(now)
