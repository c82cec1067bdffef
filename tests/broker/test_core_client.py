"""The client's state machine, step by step: what it sends where, and what it says in the end."""

from __future__ import annotations

from random import Random

import pytest

from skerry_broker.core.api import (
    ClientRequest,
    ClientResponse,
    CreateTopicRequest,
    ErrorCode,
    ErrorResponse,
    FetchRequest,
    FetchResponse,
    InitProducerRequest,
    InitProducerResponse,
    MetadataRequest,
    MetadataResponse,
    PartitionDescription,
    ProduceRequest,
    ProduceResponse,
    TopicDescription,
)
from skerry_broker.core.client import Call, CancelCall, Client, ClientConfig, Completed, Operation, Outcome
from skerry_broker.core.types import Acks, Batch

MS = 1_000_000


def metadata(leader: int, epoch: int, *, controller: int = 1, offset: int = 10) -> MetadataResponse:
    description = PartitionDescription(0, leader, epoch, (1, 2, 3), (1, 2, 3), ())
    topic = TopicDescription("orders", "t1", 2, (description,))
    return MetadataResponse("c", controller, (1, 2, 3), (topic,), offset)


def produce(value: str = "v", acks: Acks = Acks.ALL) -> ProduceRequest:
    return ProduceRequest("orders", 0, Batch(-1, -1, 1, value.encode()), acks, 1000)


def produced(offset: int, *, duplicate: bool = False) -> ProduceResponse:
    return ProduceResponse(offset, 1, 1, duplicate)


def error(code: ErrorCode, leader: int = -1, epoch: int = -1) -> ErrorResponse:
    return ErrorResponse(code, "", leader, epoch)


class Bench:
    """A client with its calls laid open. ``ready`` clients know the cluster and have a producer id."""

    def __init__(self, *, ready: bool = True, **config: object) -> None:
        self.now = 0
        self.client = Client(ClientConfig(**config), (1, 2, 3), Random(1))  # type: ignore[arg-type]
        self.calls: dict[int, Call] = {}
        self.done: dict[int, Completed] = {}
        self.next_producer_id = 100
        if ready:
            self.submit(0, MetadataRequest())
            self.answer(self.call(MetadataRequest), metadata(1, 1))
            assert self.done.pop(0).outcome is Outcome.OK

    def take(self) -> None:
        for action in self.client.take():
            match action:
                case Call():
                    self.calls[action.call_id] = action
                case CancelCall():
                    del self.calls[action.call_id]
                case Completed():
                    assert action.op_id not in self.done, "completed twice"
                    self.done[action.op_id] = action

    def submit(self, op_id: int, request: ClientRequest, directed_to: int | None = None) -> None:
        self.client.submit(self.now, op_id, Operation(request, directed_to))
        self.take()
        self._identify()

    def _identify(self) -> None:
        for call in list(self.calls.values()):
            if isinstance(call.request, InitProducerRequest) and self.next_producer_id:
                self.answer(call, InitProducerResponse(self.next_producer_id, 0))
                self.next_producer_id += 1

    def answer(self, call: Call, response: ClientResponse) -> None:
        del self.calls[call.call_id]
        self.client.answered(self.now, call.call_id, response)
        self.take()
        self._identify()

    def fail(self, call: Call, code: ErrorCode) -> None:
        del self.calls[call.call_id]
        self.client.call_failed(self.now, call.call_id, code)
        self.take()
        self._identify()

    def advance(self, ms: int) -> None:
        end = self.now + ms * MS
        while (deadline := self.client.next_deadline) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.client.tick(self.now)
            self.take()
            self._identify()
        self.now = end

    def call(self, kind: type = ProduceRequest) -> Call:
        found = [call for call in self.calls.values() if isinstance(call.request, kind)]
        assert len(found) == 1, f"{len(found)} calls of {kind.__name__}: {self.calls}"
        return found[0]

    def produces(self) -> list[Call]:
        return [call for _, call in sorted(self.calls.items()) if isinstance(call.request, ProduceRequest)]

    def sequences(self) -> list[int]:
        return [call.request.batch.base_sequence for call in self.produces()]  # type: ignore[union-attr]


def test_starts_by_asking_any_broker() -> None:
    bench = Bench(ready=False)
    bench.submit(1, produce())
    asked = bench.call(MetadataRequest)
    bench.fail(asked, ErrorCode.CONNECTION_FAILED)
    again = bench.call(MetadataRequest)
    assert again.broker_id != asked.broker_id
    bench.answer(again, metadata(2, 1))
    call = bench.call()
    assert call.broker_id == 2
    assert isinstance(call.request, ProduceRequest)
    assert (call.request.batch.producer_id, call.request.batch.base_sequence) == (100, 0)
    bench.answer(call, produced(0))
    assert bench.done[1].outcome is Outcome.OK
    assert bench.client.in_progress == 0


def test_five_in_flight_in_order() -> None:
    bench = Bench()
    for op_id in range(1, 9):
        bench.submit(op_id, produce())
    assert bench.sequences() == [0, 1, 2, 3, 4]
    bench.answer(bench.produces()[0], produced(0))
    assert bench.sequences() == [1, 2, 3, 4, 5]


def test_not_leader_names_the_leader() -> None:
    """No metadata trip, no backoff (KIP-951)."""
    bench = Bench()
    bench.submit(1, produce())
    bench.answer(bench.call(), error(ErrorCode.NOT_LEADER, 3, 2))
    assert bench.call().broker_id == 3
    assert bench.call().request.batch.base_sequence == 0  # type: ignore[union-attr]
    # It denies it, naming nobody newer: now metadata is asked, and the attempt backs off.
    bench.answer(bench.call(), error(ErrorCode.NOT_LEADER, 1, 1))
    assert not bench.produces()
    bench.call(MetadataRequest)


def test_a_retry_keeps_its_sequence() -> None:
    bench = Bench()
    bench.submit(1, produce("a"))
    bench.submit(2, produce("b"))
    first, second = bench.produces()
    bench.fail(first, ErrorCode.CONNECTION_LOST)
    bench.answer(second, produced(1))
    bench.advance(100)
    assert bench.sequences() == [0]
    bench.answer(bench.call(), produced(0, duplicate=True))
    assert [bench.done[op].outcome for op in (1, 2)] == [Outcome.OK, Outcome.OK]


@pytest.mark.parametrize(
    ("config", "failure", "outcome"),
    [
        ({"idempotent": False}, ErrorCode.CONNECTION_LOST, Outcome.UNKNOWN),
        ({"idempotent": False}, ErrorCode.LEADERSHIP_LOST, Outcome.UNKNOWN),
        ({"idempotent": False}, ErrorCode.TIMED_OUT, Outcome.UNKNOWN),
        ({"idempotent": False}, ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND, Outcome.UNKNOWN),
        ({"idempotent": False}, ErrorCode.BATCH_TOO_LARGE, Outcome.FAILED),
        ({}, ErrorCode.BATCH_TOO_LARGE, Outcome.FAILED),
        ({}, ErrorCode.INVALID_REQUEST, Outcome.FAILED),
    ],
)
def test_one_answer_that_ends_a_produce(config: dict[str, object], failure: ErrorCode, outcome: Outcome) -> None:
    bench = Bench(**config)
    bench.submit(1, produce())
    bench.answer(bench.call(), error(failure))
    assert bench.done[1].outcome is outcome
    assert bench.done[1].error is failure


@pytest.mark.parametrize(
    ("failures", "outcome"),
    [
        ([ErrorCode.CONNECTION_FAILED], Outcome.FAILED),
        ([ErrorCode.LEASE_EXPIRED, ErrorCode.NOT_ENOUGH_REPLICAS], Outcome.FAILED),
        ([ErrorCode.CONNECTION_LOST, ErrorCode.NOT_ENOUGH_REPLICAS], Outcome.UNKNOWN),
        ([ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.TIMED_OUT], Outcome.UNKNOWN),
    ],
)
def test_time_is_over(failures: list[ErrorCode], outcome: Outcome) -> None:
    """Failed only if no attempt can have had an effect."""
    bench = Bench(delivery_timeout_ms=5000)
    bench.submit(1, produce())
    turn = 0
    while 1 not in bench.done:
        for call in list(bench.produces()):
            code = failures[min(turn, len(failures) - 1)]
            turn += 1
            if code in (ErrorCode.CONNECTION_FAILED, ErrorCode.CONNECTION_LOST):
                bench.fail(call, code)
            else:
                bench.answer(call, error(code))
        for call in [c for c in bench.calls.values() if isinstance(c.request, MetadataRequest)]:
            bench.answer(call, metadata(1, 1))
        bench.advance(10)
    assert bench.now <= 5010 * MS
    assert bench.done[1].outcome is outcome


def test_a_black_hole_is_left_as_soon_as_another_leads() -> None:
    """An attempt that is not answered starts a search; it is not waited for when another leader is found."""
    bench = Bench()
    bench.submit(1, produce())
    assert bench.call().broker_id == 1
    bench.advance(251)
    asked = bench.call(MetadataRequest)
    assert asked.broker_id != 1, "not the one that does not answer"
    bench.answer(asked, metadata(1, 1))  # no other leader yet: asked again and again
    for _ in range(5):
        bench.advance(60)
        bench.answer(bench.call(MetadataRequest), metadata(1, 1))
    bench.advance(60)
    bench.answer(bench.call(MetadataRequest), metadata(2, 2))
    assert bench.call().broker_id == 2
    assert bench.now < 1000 * MS


def test_older_news_lose() -> None:
    """A broker that is cut off still names the old leader."""
    bench = Bench()
    bench.submit(1, produce())
    bench.answer(bench.call(), error(ErrorCode.NOT_LEADER, 2, 5))
    bench.fail(bench.call(), ErrorCode.CONNECTION_FAILED)
    bench.answer(bench.call(MetadataRequest), metadata(1, 4, offset=3))
    bench.advance(100)
    assert bench.call().broker_id == 2


def test_given_up_unknown_needs_a_new_producer_id() -> None:
    """The rest is settled under the old id first, then goes on under a new one from sequence 0."""
    bench = Bench(delivery_timeout_ms=1000, request_timeout_ms=600)
    bench.submit(1, produce("a"))
    bench.advance(500)
    bench.submit(2, produce("b"))
    bench.submit(3, produce("c"))
    first, second, third = bench.produces()
    bench.answer(second, error(ErrorCode.OUT_OF_ORDER_SEQUENCE))
    bench.fail(first, ErrorCode.CONNECTION_LOST)
    while 1 not in bench.done:
        for call in bench.produces():
            if call.request.batch.base_sequence == 0:  # type: ignore[union-attr]
                bench.fail(call, ErrorCode.CONNECTION_LOST)
            elif call is not third:
                bench.answer(call, error(ErrorCode.OUT_OF_ORDER_SEQUENCE))
        bench.advance(10)
    assert bench.done[1].outcome is Outcome.UNKNOWN
    bench.submit(4, produce("d"))
    assert all(call.request.batch.data != b"d" for call in bench.produces()), "sent before the rest is settled"  # type: ignore[union-attr]
    bench.fail(third, ErrorCode.CONNECTION_LOST)
    settled = set()
    for _ in range(60):
        for call in bench.produces():
            batch = call.request.batch  # type: ignore[union-attr]
            if batch.producer_id == 100:
                bench.answer(call, error(ErrorCode.OUT_OF_ORDER_SEQUENCE))
            else:
                settled.add((batch.data, batch.producer_id, batch.base_sequence))
                bench.answer(call, produced(0))
        bench.advance(10)
    # b was refused every time: it goes on. c had an attempt that nobody can vouch for: unknown, not sent again.
    assert settled == {(b"b", 101, 0), (b"d", 101, 1)}
    assert {op: done.outcome for op, done in bench.done.items()} == {
        1: Outcome.UNKNOWN,
        2: Outcome.OK,
        3: Outcome.UNKNOWN,
        4: Outcome.OK,
    }


def test_an_overtaken_batch_is_not_a_lost_sequence() -> None:
    """Requests travel on several connections: the second may arrive first."""
    bench = Bench()
    bench.submit(1, produce("a"))
    bench.submit(2, produce("b"))
    first, second = bench.produces()
    bench.answer(first, produced(0))
    bench.answer(second, error(ErrorCode.OUT_OF_ORDER_SEQUENCE))  # it was sent when it was not the oldest
    bench.advance(60)
    assert bench.sequences() == [1]
    bench.answer(bench.call(), produced(1))
    assert bench.done[2].outcome is Outcome.OK


def test_a_lost_sequence_starts_over() -> None:
    """``acks: Leader`` batches were lost in a failover: the broker has a gap that will never close."""
    bench = Bench()
    bench.submit(1, produce("a", Acks.LEADER))
    bench.answer(bench.call(), produced(0))
    bench.submit(2, produce("b", Acks.LEADER))
    bench.answer(bench.call(), error(ErrorCode.OUT_OF_ORDER_SEQUENCE))
    call = bench.call()
    assert isinstance(call.request, ProduceRequest)
    assert (call.request.batch.producer_id, call.request.batch.base_sequence) == (101, 0)


def test_acks_none_is_sent_once() -> None:
    bench = Bench()
    bench.submit(1, produce("a", Acks.NONE))
    assert bench.call().request.batch.producer_id == -1  # type: ignore[union-attr]
    bench.fail(bench.call(), ErrorCode.CONNECTION_LOST)
    assert bench.done[1].outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("request_", "failure", "outcome"),
    [
        (produce(), ErrorCode.LEASE_EXPIRED, Outcome.FAILED),
        (produce(), ErrorCode.NOT_LEADER, Outcome.FAILED),
        (produce(), ErrorCode.CONNECTION_FAILED, Outcome.FAILED),
        (produce(), ErrorCode.CONNECTION_LOST, Outcome.UNKNOWN),
        (produce(acks=Acks.NONE), ErrorCode.CONNECTION_LOST, Outcome.UNKNOWN),
        (FetchRequest("orders", 0, 0), ErrorCode.CONNECTION_LOST, Outcome.FAILED),
        (CreateTopicRequest("x", 1, 3, 2), ErrorCode.CONNECTION_LOST, Outcome.UNKNOWN),
    ],
)
def test_a_probe_is_one_attempt(request_: ClientRequest, failure: ErrorCode, outcome: Outcome) -> None:
    bench = Bench()
    bench.submit(1, request_, directed_to=3)
    call = next(iter(bench.calls.values()))
    assert call.broker_id == 3
    if isinstance(request_, ProduceRequest):
        assert call.request.batch.producer_id == -1  # type: ignore[union-attr]
    bench.answer(call, error(failure, leader=1, epoch=9))
    assert bench.done[1].outcome is outcome
    assert not bench.calls


def test_a_probe_times_out() -> None:
    bench = Bench()
    bench.submit(1, produce(), directed_to=3)
    bench.advance(1000)
    assert bench.done[1].outcome is Outcome.UNKNOWN
    assert not bench.produces()


def test_the_controller_is_found() -> None:
    bench = Bench()
    bench.submit(1, CreateTopicRequest("x", 1, 3, 2))
    assert bench.call(CreateTopicRequest).broker_id == 1
    bench.answer(bench.call(CreateTopicRequest), error(ErrorCode.NOT_CONTROLLER, leader=2))
    assert bench.call(CreateTopicRequest).broker_id == 2
    bench.fail(bench.call(CreateTopicRequest), ErrorCode.CONNECTION_LOST)
    bench.advance(100)
    bench.answer(bench.call(MetadataRequest), metadata(1, 1, controller=3, offset=11))
    bench.advance(200)
    bench.answer(bench.call(CreateTopicRequest), error(ErrorCode.TOPIC_EXISTS))
    assert bench.done[1].outcome is Outcome.UNKNOWN, "it may be ours"


def test_a_read_is_repeated_and_fails_without_doubt() -> None:
    bench = Bench(delivery_timeout_ms=1000)
    bench.submit(1, FetchRequest("orders", 0, 0))
    bench.fail(bench.call(FetchRequest), ErrorCode.CONNECTION_LOST)
    bench.advance(100)
    bench.answer(bench.call(FetchRequest), error(ErrorCode.HIGH_WATERMARK_UNKNOWN))
    bench.advance(1000)
    assert bench.done[1].outcome is Outcome.FAILED
    bench.submit(2, FetchRequest("orders", 0, 0, wait_ms=500))
    assert bench.call(FetchRequest).timeout_ms == 1500
    bench.answer(bench.call(FetchRequest), FetchResponse(5, 0, 1, 1))
    assert bench.done[2].outcome is Outcome.OK


def test_without_anybody_it_fails() -> None:
    bench = Bench(ready=False, delivery_timeout_ms=2000)
    bench.submit(1, produce())
    for _ in range(400):
        for call in list(bench.calls.values()):
            bench.fail(call, ErrorCode.CONNECTION_FAILED)
        bench.advance(10)
    assert bench.done[1].outcome is Outcome.FAILED
    assert bench.done[1].attempts == 0
    assert bench.client.in_progress == 0
