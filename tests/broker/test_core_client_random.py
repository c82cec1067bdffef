"""The client against a toy broker that loses requests, answers late, out of order, or not at all.

A request that was refused does not come twice: connections do not repeat, and a refusal could not be final otherwise.
The toy judges sequences with the broker's own `ProducerTable`; nothing it has appended is ever lost. So every success
must be in its log exactly once, at its offset; nothing that failed may be in it; and in the order of submission.
"""

from __future__ import annotations

from random import Random

import pytest

from skerry_broker.core.api import (
    ErrorCode,
    ErrorResponse,
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
from skerry_broker.core.producers import ProducerTable, Verdict
from skerry_broker.core.types import Acks, Batch

MS = 1_000_000
_REFUSALS = (
    ErrorCode.LEASE_EXPIRED,
    ErrorCode.NOT_ENOUGH_REPLICAS,
    ErrorCode.OVERLOADED,
    ErrorCode.HIGH_WATERMARK_UNKNOWN,
)


class ToyWorld:
    """One partition whose leader moves between brokers; links that delay, lose and repeat."""

    def __init__(self, seed: int, config: ClientConfig) -> None:
        self.rng = Random(seed)
        self.client = Client(config, (1, 2, 3), Random(seed + 1))
        self.now = 0
        self.leader, self.epoch = 1, 1
        self.log: list[Batch] = []
        self.producers = ProducerTable()
        self.next_producer_id = 1
        self.arrivals: list[tuple[int, int, Call]] = []
        self.answers: list[tuple[int, int, int, object]] = []
        self.count = 0
        self.cancelled: set[int] = set()
        self.done: dict[int, Completed] = {}
        self.calm = False

    def run(self, operations: int) -> None:
        for op_id in range(operations):
            batch = Batch(-1, -1, self.rng.randrange(1, 4), f"v{op_id}".encode())
            request = ProduceRequest("orders", 0, batch, Acks.ALL, 1000)
            self.client.submit(self.now, op_id, Operation(request))
            self.collect()
            self.advance(self.rng.randrange(0, 60))
        self.calm = self.rng.random() < 0.5
        self.advance(40_000)
        assert len(self.done) == operations, "every operation completes"
        assert self.client.in_progress == 0

    def collect(self) -> None:
        for action in self.client.take():
            match action:
                case Call():
                    self.count += 1
                    rng = self.rng
                    if self.calm or rng.random() > 0.1:
                        delay = rng.choice((1, 2, 5, 30)) if rng.random() > 0.05 else 700
                        self.arrivals.append((self.now + delay * MS, self.count, action))
                    elif rng.random() < 0.5:
                        self.answers.append((self.now + MS, self.count, action.call_id, ErrorCode.CONNECTION_FAILED))
                case CancelCall():
                    self.cancelled.add(action.call_id)
                case Completed():
                    assert action.op_id not in self.done
                    self.done[action.op_id] = action

    def advance(self, ms: int) -> None:
        end = self.now + ms * MS
        while True:
            deadline = self.client.next_deadline
            times = [at for at, _, _ in self.arrivals] + [at for at, _, _, _ in self.answers]
            times += [] if deadline is None else [max(deadline, self.now)]
            if not times or min(times) > end:
                break
            self.now = min(times)
            for item in sorted(a for a in self.arrivals if a[0] <= self.now):
                self.arrivals.remove(item)
                self.arrive(item[2])
            for entry in sorted((a for a in self.answers if a[0] <= self.now), key=lambda a: a[:2]):
                self.answers.remove(entry)
                _, _, call_id, response = entry
                if isinstance(response, ErrorCode):
                    self.client.call_failed(self.now, call_id, response)
                else:
                    self.client.answered(self.now, call_id, response)  # type: ignore[arg-type]
                self.collect()
            self.client.tick(self.now)
            self.collect()
        self.now = end

    def arrive(self, call: Call) -> None:
        rng = self.rng
        if not self.calm and rng.random() < 0.03:
            self.leader, self.epoch = rng.randrange(1, 4), self.epoch + 1
        response = self.answer(call)
        if isinstance(response, ProduceResponse) and not self.calm and rng.random() < 0.1:
            self.count += 1
            self.arrivals.append((self.now + rng.choice((1, 300)) * MS, self.count, call))  # it comes once more
        if self.calm or rng.random() > 0.1:
            self.count += 1
            self.answers.append((self.now + rng.choice((1, 2, 10)) * MS, self.count, call.call_id, response))

    def answer(self, call: Call) -> object:
        request = call.request
        if isinstance(request, MetadataRequest):
            description = PartitionDescription(0, self.leader, self.epoch, (1, 2, 3), (1, 2, 3), ())
            topic = TopicDescription("orders", "t1", 2, (description,))
            return MetadataResponse("c", 1, (1, 2, 3), (topic,), self.epoch)
        if isinstance(request, InitProducerRequest):
            if call.broker_id != 1:
                return ErrorResponse(ErrorCode.NOT_CONTROLLER, leader=1)
            self.next_producer_id += 1
            return InitProducerResponse(self.next_producer_id, 0)
        assert isinstance(request, ProduceRequest)
        if call.broker_id != self.leader:
            return ErrorResponse(ErrorCode.NOT_LEADER, leader=self.leader, leader_epoch=self.epoch)
        if not self.calm and self.rng.random() < 0.1:
            return ErrorResponse(self.rng.choice(_REFUSALS))
        batch = request.batch
        offset = sum(b.record_count for b in self.log)
        if batch.producer_id >= 0:
            judgement = self.producers.judge(batch)
            if judgement.verdict is Verdict.DUPLICATE:
                return ProduceResponse(judgement.base_offset, self.epoch, self.leader, True)
            if judgement.verdict is Verdict.OUT_OF_ORDER:
                return ErrorResponse(ErrorCode.OUT_OF_ORDER_SEQUENCE)
            if judgement.verdict is Verdict.OLD_EPOCH:
                return ErrorResponse(ErrorCode.INVALID_PRODUCER_EPOCH)
        stamped = batch.stamped(offset, self.epoch)
        self.log.append(stamped)
        self.producers.append(stamped, offset)
        if not self.calm and self.rng.random() < 0.05:
            return ErrorResponse(self.rng.choice((ErrorCode.LEADERSHIP_LOST, ErrorCode.TIMED_OUT)))
        return ProduceResponse(offset, self.epoch, self.leader)


def judge(world: ToyWorld, *, idempotent: bool) -> None:
    at: dict[bytes, list[int]] = {}
    for batch in world.log:
        at.setdefault(batch.data, []).append(batch.base_offset)
    order = []
    for op_id, done in sorted(world.done.items()):
        offsets = at.get(f"v{op_id}".encode(), [])
        if done.outcome is Outcome.OK:
            assert isinstance(done.response, ProduceResponse)
            assert done.response.base_offset in offsets
            order.append(done.response.base_offset)
        if done.outcome is Outcome.FAILED:
            assert not offsets, f"operation {op_id} failed, but it is at {offsets}"
        if idempotent:
            assert len(offsets) <= 1, f"operation {op_id} is at {offsets}"
    if idempotent:
        assert order == sorted(order), "out of the order of submission"


@pytest.mark.parametrize("seed", range(30))
def test_idempotent(seed: int) -> None:
    world = ToyWorld(seed, ClientConfig())
    world.run(60)
    judge(world, idempotent=True)
    assert sum(done.outcome is Outcome.OK for done in world.done.values()) >= 58


@pytest.mark.parametrize("seed", range(30))
def test_idempotent_with_little_patience(seed: int) -> None:
    """Delivery times so short that many are given up: unknown, drained, a new producer id."""
    world = ToyWorld(seed, ClientConfig(delivery_timeout_ms=900, request_timeout_ms=300))
    world.run(60)
    judge(world, idempotent=True)


@pytest.mark.parametrize("seed", range(30))
def test_not_idempotent(seed: int) -> None:
    world = ToyWorld(seed, ClientConfig(idempotent=False))
    world.run(60)
    judge(world, idempotent=False)


def test_the_toy_is_hostile_enough() -> None:
    outcomes = set()
    for seed in range(10):
        world = ToyWorld(seed, ClientConfig(delivery_timeout_ms=900, request_timeout_ms=300))
        world.run(60)
        outcomes |= {done.outcome for done in world.done.values()}
    assert outcomes == set(Outcome)
