"""The operations of the log model as requests to Skerry's brokers, and what their clients say as results.

Shared by the client on sockets and the simulated one. They differ in one thing: how a batch of values is written as
bytes, and read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain

from skerry.history.records import Outcome
from skerry.workload.log.operations import (
    CreateTopic,
    MoveController,
    MoveLeader,
    Read,
    ReadBack,
    Request,
    Result,
    Told,
    Write,
    Written,
)
from skerry_broker.batch import CorruptBatch
from skerry_broker.core.api import (
    CreateTopicRequest,
    ElectLeaderRequest,
    ErrorCode,
    FetchRequest,
    FetchResponse,
    ProduceRequest,
    ProduceResponse,
    TransferControllerRequest,
)
from skerry_broker.core.client import Completed, Operation
from skerry_broker.core.client import Outcome as ClientOutcome
from skerry_broker.core.types import Acks, Batch

MakeBatch = Callable[[int, int, int], Batch]
"""(first value, count, bytes of a record)"""
ValuesOf = Callable[[Batch], Iterable[int]]
"""Raises CorruptBatch or ValueError for what no workload has written."""

_OUTCOMES = {outcome: Outcome(outcome.value) for outcome in ClientOutcome}
_ACKS = {acks.value: acks for acks in Acks}
_NONE = ErrorCode.NONE


def operation_of(request: Request, make_batch: MakeBatch) -> Operation:
    """Raises TypeError: a client of Skerry's brokers does not do that."""
    match request:
        case Write():
            batch = make_batch(request.first_value, request.count, request.record_bytes)
            produce = ProduceRequest(request.topic, request.partition, batch, _ACKS[request.acks], request.timeout_ms)
            if request.directed_to < 0:
                return Operation(produce)
            return Operation(produce, request.directed_to, request.timeout_ms)
        case Read():
            return Operation(FetchRequest(request.topic, request.partition, request.offset, request.wait_ms))
        case CreateTopic():
            create = CreateTopicRequest(
                request.topic,
                request.partitions,
                request.replication_factor,
                request.min_in_sync_replicas,
                timeout_ms=request.timeout_ms,
            )
            return Operation(create, None if request.directed_to < 0 else request.directed_to, request.timeout_ms)
        case MoveLeader():
            elect = ElectLeaderRequest(request.topic, request.partition, request.ordinal, request.timeout_ms)
            return Operation(elect, None, request.timeout_ms)
        case MoveController():
            return Operation(TransferControllerRequest(request.ordinal, request.timeout_ms), None, request.timeout_ms)
        case _:
            raise TypeError(f"a client of Skerry's brokers does not do `{type(request).__name__}`")


def result_of(request: Request, done: Completed, values_of: ValuesOf) -> Result:
    match request:
        case Write():
            return written(done)
        case Read():
            return read_back(done, request.offset, values_of)
        case _:
            return told(done)


def written(done: Completed) -> Written:
    answer = done.response
    if not isinstance(answer, ProduceResponse):
        return Written(_OUTCOMES[done.outcome], attempts=done.attempts, error=error_of(done))
    return Written(
        _OUTCOMES[done.outcome],
        answer.base_offset,
        answer.leader,
        answer.leader_epoch,
        answer.duplicate,
        done.attempts,
        error_of(done),
    )


def read_back(done: Completed, offset: int, values_of: ValuesOf) -> ReadBack:
    answer = done.response
    if not isinstance(answer, FetchResponse) or done.outcome is not ClientOutcome.OK:
        return ReadBack(_OUTCOMES[done.outcome], error=error_of(done))
    try:
        values = tuple(chain.from_iterable(map(values_of, answer.batches)))
    except (CorruptBatch, ValueError) as corrupt:
        return ReadBack(Outcome.UNKNOWN, error=f"CorruptBatch: {corrupt}")
    return ReadBack(
        Outcome.OK,
        answer.batches[0].base_offset if answer.batches else offset,
        values,
        answer.high_watermark,
        answer.log_start_offset,
        answer.leader,
        answer.leader_epoch,
    )


def told(done: Completed) -> Told:
    return Told(_OUTCOMES[done.outcome], error_of(done), done.error is ErrorCode.TOPIC_EXISTS)


def error_of(done: Completed) -> str:
    return "" if done.outcome is ClientOutcome.OK or done.error is _NONE else str(done.error)
