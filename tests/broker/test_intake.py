"""The admission of client requests: the same request gets the same answer from the runtime and from the simulator."""

from __future__ import annotations

import msgspec
import pytest

from skerry.worlds.sim.client_requests import opaque_batch
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.invariants import Invariants
from skerry.worlds.sim.network import CLIENTS
from skerry.worlds.sim.ports import ClientAnswer, ClientCall, ClientCancel
from skerry.worlds.sim.streams import Streams
from skerry_broker.batch import Record, check_batch, encode_batch, unchecked
from skerry_broker.core.api import (
    ClientRequest,
    ClientResponse,
    CreateTopicRequest,
    DeleteTopicRequest,
    DoneResponse,
    ErrorCode,
    ErrorResponse,
    FetchRequest,
    ListOffsetsRequest,
    MetadataRequest,
    ProduceRequest,
)
from skerry_broker.core.intake import (
    BACKLOG_BYTES_MAX,
    PARTITIONS_MAX,
    TIMEOUT_MS_MAX,
    WAIT_MS_MAX,
    Admission,
    CheckBatch,
    Intake,
    IntakeLimits,
)
from skerry_broker.core.messages import Event, FromClient
from skerry_broker.core.node import Node
from skerry_broker.core.types import Acks, Batch
from skerry_broker.gateway import Gateway
from skerry_broker.metrics import Metrics

ONE = encode_batch([Record(b"key", b"value", timestamp_ms=5)])
NEGATIVE = encode_batch([Record(None, b"value")], producer_id=7, producer_epoch=0, base_sequence=-1)
MS = 1_000_000


def produce(batch: Batch = ONE, partition: int = 0, acks: Acks = Acks.ALL, timeout_ms: int = 100) -> ProduceRequest:
    return ProduceRequest("orders", partition, batch, acks, timeout_ms)


def topic(name: str = "orders", partitions: int = 1) -> CreateTopicRequest:
    return CreateTopicRequest(name, partitions, 3, 2)


BAD: dict[str, tuple[ClientRequest, ErrorCode, str]] = {
    "batch too large": (produce(unchecked(bytes((1 << 20) + 1))), ErrorCode.BATCH_TOO_LARGE, "a batch of 1048577"),
    "batch without bytes": (produce(unchecked(b"")), ErrorCode.CORRUPT_BATCH, "a record batch needs 61 bytes"),
    "batch cut short": (produce(unchecked(ONE.data[:-1])), ErrorCode.CORRUPT_BATCH, "the batch's length field"),
    "two batches": (produce(unchecked(ONE.data * 2)), ErrorCode.CORRUPT_BATCH, "the batch's length field"),
    "checksum": (produce(unchecked(ONE.data[:-1] + b"?")), ErrorCode.CORRUPT_BATCH, "the checksum of the batch"),
    "format": (produce(unchecked(ONE.data[:16] + b"\1" + ONE.data[17:])), ErrorCode.CORRUPT_BATCH, "the batch has fo"),
    "corrupt, without acks": (produce(unchecked(b"?"), acks=Acks.NONE), ErrorCode.CORRUPT_BATCH, "a record batch"),
    "sequence": (produce(NEGATIVE), ErrorCode.INVALID_REQUEST, "an idempotent batch needs"),
    "partition": (produce(partition=-1), ErrorCode.INVALID_REQUEST, "partition must not be negative"),
    "timeout below 0": (produce(timeout_ms=-1), ErrorCode.INVALID_REQUEST, "timeout_ms -1 must be from 0"),
    "timeout": (DeleteTopicRequest("a", TIMEOUT_MS_MAX + 1), ErrorCode.INVALID_REQUEST, "timeout_ms 120001 must"),
    "wait": (FetchRequest("a", 0, 0, WAIT_MS_MAX + 1), ErrorCode.INVALID_REQUEST, "wait_ms 30001 must be from"),
    "offset": (FetchRequest("a", 0, -1), ErrorCode.INVALID_REQUEST, "offset must not be negative"),
    "no bytes": (FetchRequest("a", 0, 0, 0, 0), ErrorCode.INVALID_REQUEST, "offset must not be negative, and bytes"),
    "offsets of partition -1": (ListOffsetsRequest("a", -1), ErrorCode.INVALID_REQUEST, "partition must not be"),
    "topic of dots": (topic(".."), ErrorCode.INVALID_REQUEST, "topic name '..'"),
    "topic as a path": (topic("a/b"), ErrorCode.INVALID_REQUEST, "topic name 'a/b'"),
    "topic without a name": (topic(""), ErrorCode.INVALID_REQUEST, "topic name ''"),
    "topic with a long name": (topic("a" * 201), ErrorCode.INVALID_REQUEST, "topic name 'aaaa"),
    "no partitions": (topic(partitions=0), ErrorCode.INVALID_REQUEST, "topic orders: partitions is 0"),
    "partitions": (topic(partitions=PARTITIONS_MAX + 1), ErrorCode.INVALID_REQUEST, "topic orders: partitions is 1025"),
}


def answer_of_the_runtime(request: ClientRequest) -> tuple[list[Event], list[ClientResponse]]:
    """(what the node saw, what the client was told)"""
    seen: list[Event] = []
    told: list[ClientResponse] = []
    Gateway(seen.append, Metrics(), Intake(IntakeLimits(), check_batch)).submit(request, told.append)
    return seen, told


class Sim:
    """One simulated broker of a whole node, and a client that speaks to it without a client machine."""

    def __init__(self, check: CheckBatch = check_batch) -> None:
        invariants = Invariants()
        self.cluster = Cluster(Streams(1), Node, invariants, brokers=1, check_batch=check)
        invariants.attach(self.cluster.hosts, lambda: self.cluster.now_ns)
        self.host = self.cluster.hosts[0]
        self.told: list[ClientResponse] = []
        self.cluster.network.attach(CLIENTS, self._receive)
        self.cluster.start_all()
        self.cluster.run_for(3000 * MS)

    def _receive(self, source: int, payload: object) -> None:
        assert isinstance(payload, ClientAnswer)
        self.told.append(payload.response)

    def ask(self, request: ClientRequest, key: object = "a") -> list[ClientResponse]:
        self.host.receive(CLIENTS, ClientCall(key, request))
        self.cluster.run_for(5 * MS)
        return self.told


@pytest.fixture(scope="module")
def sim() -> Sim:
    return Sim()


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_gets_one_answer_in_every_world(sim: Sim, name: str) -> None:
    request, error, message = BAD[name]
    seen, told = answer_of_the_runtime(request)
    assert seen == []
    (answer,) = told
    assert isinstance(answer, ErrorResponse)
    assert (answer.error, answer.message.startswith(message)) == (error, True), answer
    sim.told.clear()
    assert sim.ask(request) == told
    assert not sim.host.requests


@pytest.mark.parametrize("request_", [MetadataRequest(), produce(), topic(), FetchRequest("orders", 0, 0)])
def test_a_sound_request_reaches_the_node(request_: ClientRequest) -> None:
    assert answer_of_the_runtime(request_) == ([FromClient(1, request_)], [])


def test_without_acks_the_client_is_told_only_that_the_request_was_received(sim: Sim) -> None:
    seen, told = answer_of_the_runtime(produce(acks=Acks.NONE))
    assert (seen, told) == ([FromClient(1, produce(acks=Acks.NONE))], [DoneResponse()])
    sim.told.clear()
    assert sim.ask(produce(acks=Acks.NONE)) == [DoneResponse()]
    assert not sim.host.requests


def test_a_fetch_of_too_many_bytes_is_a_fetch_of_fewer() -> None:
    seen, _ = answer_of_the_runtime(FetchRequest("orders", 0, 0, 0, 1 << 40))
    assert seen == [FromClient(1, FetchRequest("orders", 0, 0, 0, 1 << 20))]


def test_the_bytes_are_believed_and_not_what_is_said_about_them() -> None:
    lie = msgspec.structs.replace(ONE, record_count=1000, producer_id=77)
    seen, _ = answer_of_the_runtime(produce(lie))
    assert seen == [FromClient(1, produce(ONE))]


def test_requests_and_bytes_in_flight_are_bounded() -> None:
    size = len(ONE.data)
    intake = Intake(IntakeLimits(requests_max=3, bytes_max=2 * size), check_batch)
    assert [intake.admit(number, produce()).answer for number in (1, 2)] == [None, None]
    assert overloaded(intake.admit(3, produce())) == "too many bytes wait to be written or replicated"
    assert intake.admit(4, MetadataRequest()).answer is None
    assert overloaded(intake.admit(5, MetadataRequest())) == "3 requests are in flight"
    for number in (1, 1, 4, 9):  # what is not held is released in vain
        intake.release(number)
    assert (intake.in_flight, intake.bytes_held) == (1, size)
    assert intake.admit(6, produce()).answer is None


def test_a_disk_that_does_not_keep_up_is_overload() -> None:
    backlog = BACKLOG_BYTES_MAX
    intake = Intake(IntakeLimits(), check_batch, lambda: backlog)
    assert intake.admit(1, produce()).answer is None
    backlog += 1
    assert overloaded(intake.admit(2, produce())) == "too many bytes wait to be written or replicated"
    assert intake.admit(3, FetchRequest("orders", 0, 0)).answer is None


def overloaded(admission: Admission) -> str:
    answer = admission.answer
    assert isinstance(answer, ErrorResponse)
    assert (admission.request, answer.error) == (None, ErrorCode.OVERLOADED)
    return answer.message


def test_a_paused_process_admits_nothing_before_it_goes_on() -> None:
    sim = Sim(opaque_batch)
    sim.host.pause()
    assert sim.ask(FetchRequest("orders", 0, -1), "bad") == []
    sim.ask(FetchRequest("orders", 0, 0, 1000), "gone")
    sim.host.receive(CLIENTS, ClientCancel("gone"))
    sim.host.resume()
    sim.cluster.run_for(5 * MS)
    assert {answer.error for answer in sim.told if isinstance(answer, ErrorResponse)} == {
        ErrorCode.INVALID_REQUEST,
        ErrorCode.UNKNOWN_TOPIC,
    }
    assert not sim.host.requests


def test_a_simulated_batch_holds_records() -> None:
    sim = Sim(opaque_batch)
    (answer,) = sim.ask(produce(Batch(-1, -1, 0, b"any")))
    assert isinstance(answer, ErrorResponse)
    assert answer.error is ErrorCode.CORRUPT_BATCH
