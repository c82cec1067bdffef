"""The client plane over HTTP: what each route asks of the node, what the answers look like, what is refused at once."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from fake_broker import BATCH_BYTES_MAX, FakeBroker

from skerry_broker import batch as batches
from skerry_broker.batch import Record, encode_batch
from skerry_broker.core.api import (
    ClientRequest,
    ClientResponse,
    CreateTopicRequest,
    DeleteTopicRequest,
    DoneResponse,
    ElectLeaderRequest,
    ErrorCode,
    ErrorResponse,
    FetchRequest,
    FetchResponse,
    InitProducerRequest,
    InitProducerResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    MetadataRequest,
    MetadataResponse,
    PartitionDescription,
    ProduceRequest,
    ProduceResponse,
    TopicCreatedResponse,
    TopicDescription,
    TransferControllerRequest,
)
from skerry_broker.core.intake import TIMEOUT_MS_MAX, WAIT_MS_MAX
from skerry_broker.core.types import Acks
from skerry_broker.http_api import BATCHES

ONE = encode_batch([Record(b"key", b"value", timestamp_ms=5), Record(None, b"\xff\xfe", timestamp_ms=6)])
METADATA = MetadataResponse(
    "cluster",
    2,
    (1, 2),
    (TopicDescription("orders", "id", 2, (PartitionDescription(0, 1, 4, (1, 2), (1,), (2,)),)),),
    9,
)
RECORDS = "/v1/topics/orders/partitions/3/records"


class Api:
    """A fake broker and an HTTP client on it."""

    def __init__(self, broker: FakeBroker, session: aiohttp.ClientSession, url: str) -> None:
        self.broker = broker
        self.session = session
        self.url = url

    async def ask(self, method: str, path: str, **arguments: Any) -> tuple[int, Any]:
        async with self.session.request(method, self.url + path, **arguments) as answer:
            body = await answer.read()
            return answer.status, json.loads(body) if answer.content_type == "application/json" else body


Open = Callable[[ClientResponse | None], Any]


@pytest.fixture
async def api() -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def make(answer: ClientResponse | None) -> Api:
            broker = FakeBroker(1, lambda request: answer)
            address = await broker.open()
            stack.push_async_callback(broker.close)
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return Api(broker, session, f"http://{address}")

        yield make


@pytest.mark.parametrize(
    ("method", "path", "body", "request_", "answer", "shown"),
    [
        ("POST", "/v1/topics", {"name": "orders", "partitions": 2, "replicationFactor": 3, "minInSyncReplicas": 2},
         CreateTopicRequest("orders", 2, 3, 2), TopicCreatedResponse("id"), {"topicId": "id"}),
        ("DELETE", "/v1/topics/orders?timeout_ms=7", None, DeleteTopicRequest("orders", 7), DoneResponse(),
         {"done": True}),
        ("POST", "/v1/producers", None, InitProducerRequest(), InitProducerResponse(7, 0),
         {"producerId": 7, "producerEpoch": 0}),
        ("GET", "/v1/topics/orders/partitions/3/offsets?at_ms=12", None, ListOffsetsRequest("orders", 3, 12),
         ListOffsetsResponse(1, 9, 4, 1, 6),
         {"logStartOffset": 1, "highWatermark": 9, "leaderEpoch": 4, "leader": 1, "offsetAtTime": 6}),
        ("POST", "/v1/topics/orders/partitions/3/leader", {"broker": 2}, ElectLeaderRequest("orders", 3, 2),
         DoneResponse(), {"done": True}),
        ("POST", "/v1/controller", {"broker": 2}, TransferControllerRequest(2), DoneResponse(), {"done": True}),
        ("GET", RECORDS + "?offset=4&wait_ms=5&bytes_max=6", None, FetchRequest("orders", 3, 4, 5, 6),
         FetchResponse(4, 0, 1, 1),
         {"highWatermark": 4, "logStartOffset": 0, "leaderEpoch": 1, "leader": 1, "records": []}),
    ],
    ids=["create", "delete", "producer", "offsets", "elect", "transfer", "tail read"],
)  # fmt: skip
async def test_routes(
    api: Open, method: str, path: str, body: object, request_: ClientRequest, answer: ClientResponse, shown: object
) -> None:
    one = await api(answer)
    assert await one.ask(method, path, json=body) == (200, shown)
    assert one.broker.requests == [request_]


async def test_metadata_names_addresses(api: Open) -> None:
    one = await api(METADATA)
    one.broker.identity.learn(2, "two:9092")
    status, body = await one.ask("GET", "/v1/metadata")
    assert status == 200
    assert body["brokers"][1] == {"id": 2, "address": "two:9092"}
    assert body["topics"][0]["partitions"] == [
        {"partition": 0, "leader": 1, "leaderEpoch": 4, "replicas": [1, 2], "isr": [1], "elr": [2]}
    ]
    assert (await one.ask("GET", "/v1/topics/orders"))[0] == 200
    status, body = await one.ask("GET", "/v1/topics/other")
    assert (status, body["error"]) == (404, "UnknownTopic")


async def test_a_batch_is_produced_as_it_is(api: Open) -> None:
    one = await api(ProduceResponse(41, 4, 1))
    status, body = await one.ask("POST", RECORDS + "?acks=Leader&timeout_ms=9", data=ONE.data)
    assert (status, body) == (200, {"baseOffset": 41, "leaderEpoch": 4, "leader": 1, "duplicate": False})
    (request,) = one.broker.requests
    assert request == ProduceRequest("orders", 3, batches.validate(ONE.data), Acks.LEADER, 9)


async def test_records_are_produced_from_json(api: Open) -> None:
    one = await api(ProduceResponse(0, 1, 1))
    sent = {"records": [{"key": "k", "value": "ü", "timestampMs": 5}, {"valueBase64": "//4="}, {"key": None}]}
    assert (await one.ask("POST", RECORDS, json=sent))[0] == 200
    (request,) = one.broker.requests
    assert isinstance(request, ProduceRequest)
    records = batches.decode_records(request.batch.stamped(0, 0))
    assert [(one.key, one.value) for one in records] == [(b"k", "ü".encode()), (None, b"\xff\xfe"), (None, None)]
    assert records[0].timestamp_ms == 5


async def test_without_acks_the_answer_is_only_that_it_was_received(api: Open) -> None:
    one = await api(None)
    assert await one.ask("POST", RECORDS + "?acks=None", data=ONE.data) == (200, {"done": True})
    assert one.broker.gateway.in_flight == 0


async def test_records_are_fetched_as_json_from_the_offset_that_was_asked_for(api: Open) -> None:
    one = await api(FetchResponse(12, 0, 4, 1, (ONE.stamped(10, 4),)))
    status, body = await one.ask("GET", RECORDS + "?offset=11")
    assert status == 200
    assert body["records"] == [{"offset": 11, "timestampMs": 6, "key": None, "valueBase64": "//4="}]


async def test_records_are_fetched_as_batches(api: Open) -> None:
    one = await api(FetchResponse(14, 2, 4, 1, (ONE.stamped(10, 3), ONE.stamped(12, 4))))
    async with one.session.get(one.url + RECORDS + "?offset=11", headers={"Accept": BATCHES}) as answer:
        body = await answer.read()
        assert answer.headers["Skerry-High-Watermark"] == "14"
        assert answer.headers["Skerry-Leader-Epoch"] == "4"
    assert [(one.base_offset, one.leader_epoch) for one in batches.split(body)] == [(10, 3), (12, 4)]


async def test_a_call_carries_any_request(api: Open) -> None:
    one = await api(METADATA)
    body = msgspec.msgpack.encode(MetadataRequest(("orders",)))
    status, answer = await one.ask("POST", "/v1/call", data=body)
    assert status == 200
    assert msgspec.msgpack.decode(answer, type=ClientResponse) == METADATA
    assert one.broker.requests == [MetadataRequest(("orders",))]


@pytest.mark.parametrize(
    ("error", "status", "definite", "retriable"),
    [
        (ErrorCode.NOT_LEADER, 421, True, True),
        (ErrorCode.NOT_ENOUGH_REPLICAS, 503, True, True),
        (ErrorCode.TIMED_OUT, 504, False, True),
        (ErrorCode.LEADERSHIP_LOST, 503, False, True),
        (ErrorCode.OFFSET_OUT_OF_RANGE, 416, True, False),
        (ErrorCode.TOPIC_EXISTS, 409, True, False),
    ],
)  # fmt: skip
async def test_errors_say_whether_it_happened(
    api: Open, error: ErrorCode, status: int, definite: bool, retriable: bool
) -> None:
    one = await api(ErrorResponse(error, "why", 2, 7))
    one.broker.identity.learn(2, "two:9092")
    assert await one.ask("POST", RECORDS, data=ONE.data) == (
        status,
        {"error": error.value, "message": "why", "definite": definite, "retriable": retriable,
         "leader": 2, "leaderEpoch": 7, "leaderAddress": "two:9092"},
    )  # fmt: skip


BAD: dict[str, tuple[str, str, dict[str, Any], int, str, str]] = {
    "no such path": ("GET", "/v2", {}, 404, "InvalidRequest", "GET /v2: Not Found"),
    "no such method": ("PUT", "/v1/topics", {}, 405, "InvalidRequest", "PUT /v1/topics: Method Not Allowed"),
    "acks": ("POST", RECORDS + "?acks=all", {"data": ONE.data}, 400, "InvalidRequest", "acks must be All"),
    "partition": ("GET", "/v1/topics/o/partitions/x/records", {}, 400, "InvalidRequest", "partition 'x' must be"),
    "offset": ("GET", RECORDS + "?offset=-1", {}, 400, "InvalidRequest", "offset '-1' must be a whole number"),
    "wait": ("GET", RECORDS + f"?wait_ms={WAIT_MS_MAX + 1}", {}, 400, "InvalidRequest", "wait_ms 30001 must be from"),
    "timeout": ("DELETE", f"/v1/topics/o?timeout_ms={TIMEOUT_MS_MAX + 1}", {}, 400, "InvalidRequest", "time"),
    "no JSON": ("POST", "/v1/topics", {"data": b"{"}, 400, "InvalidRequest", "the body is not the JSON"),
    "unknown field": ("POST", "/v1/topics", {"json": {"name": "a", "parts": 1}}, 400, "InvalidRequest", "the body is"),
    "topic name": ("POST", "/v1/topics", {"json": {"name": "../etc"}}, 400, "InvalidRequest", "topic name '../etc'"),
    "dots": ("POST", "/v1/topics", {"json": {"name": ".."}}, 400, "InvalidRequest", "topic name '..'"),
    "long name": ("POST", "/v1/topics", {"json": {"name": "a" * 300}}, 400, "InvalidRequest", "topic name 'aaaa"),
    "no records": ("POST", RECORDS, {"json": {"records": []}}, 400, "InvalidRequest", "a record batch needs"),
    "corrupt": ("POST", RECORDS, {"data": ONE.data[:-1] + b"?"}, 400, "CorruptBatch", ""),
    "cut short": ("POST", RECORDS, {"data": ONE.data[:-1]}, 400, "CorruptBatch", ""),
    "two batches": ("POST", RECORDS, {"data": ONE.data * 2}, 400, "CorruptBatch", ""),
    "large batch": ("POST", RECORDS, {"data": bytes(BATCH_BYTES_MAX + 1)}, 413, "BatchTooLarge", "a batch of 4097"),
    "large body": ("POST", RECORDS, {"data": bytes(1 << 20)}, 413, "BatchTooLarge", "Maximum request body size"),
    "no call": ("POST", "/v1/call", {"data": b"\x91\xa3foo"}, 400, "InvalidRequest", "the body is no msgpack"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
async def test_bad_requests_never_reach_the_node(api: Open, name: str) -> None:
    method, path, arguments, status, error, message = BAD[name]
    one = await api(DoneResponse())
    answered, body = await one.ask(method, path, **arguments)
    assert (answered, body["error"], body["definite"]) == (status, error, True)
    assert body["message"].startswith(message)
    assert one.broker.requests == []


async def test_one_request_too_many_is_overloaded(api: Open) -> None:
    one = await api(None)
    waiting = [asyncio.create_task(one.ask("GET", RECORDS)) for _ in range(8)]
    await one.broker.until(lambda: one.broker.gateway.in_flight == 8)
    status, body = await one.ask("GET", RECORDS)
    assert (status, body["error"], body["definite"]) == (429, "Overloaded", True)
    for request_id in one.broker.request_ids:
        one.broker.gateway.reply(request_id, FetchResponse(0, 0, 1, 1))
    assert [status for status, _ in await asyncio.gather(*waiting)] == [200] * 8


async def test_batches_in_flight_are_bounded_by_their_bytes(api: Open) -> None:
    one = await api(None)
    data = encode_batch([Record(None, bytes(3500))]).data
    waiting = [asyncio.create_task(one.ask("POST", RECORDS, data=data)) for _ in range(4)]
    await one.broker.until(lambda: one.broker.gateway.in_flight == 4)
    status, body = await one.ask("POST", RECORDS, data=data)
    assert (status, body["error"]) == (429, "Overloaded")
    for request_id in one.broker.request_ids:
        one.broker.gateway.reply(request_id, ProduceResponse(0, 1, 1))
    await asyncio.gather(*waiting)
    assert one.broker.gateway.intake.bytes_held == 0


async def test_a_client_that_hangs_up_is_forgotten(api: Open) -> None:
    one = await api(None)
    waiting = asyncio.create_task(one.ask("GET", RECORDS + "?wait_ms=30000"))
    await one.broker.until(lambda: bool(one.broker.requests))
    waiting.cancel()
    await one.broker.until(lambda: bool(one.broker.gone))
    assert one.broker.gone == one.broker.request_ids
    assert one.broker.gateway.in_flight == 0


async def test_requests_are_measured_by_api_and_error(api: Open) -> None:
    one = await api(ErrorResponse(ErrorCode.NOT_LEADER))
    await one.ask("GET", RECORDS)
    await one.ask("POST", RECORDS, data=b"")
    text = one.broker.metrics.render().decode()
    assert 'broker_request_seconds_count{api="fetch",error="NotLeader"} 1.0' in text
    assert 'broker_request_seconds_count{api="produce",error="None"} 0.0' in text


async def test_what_the_client_says_of_its_bytes_is_not_believed(api: Open) -> None:
    """A batch whose header says one thing and whose message another: the checksummed bytes count."""
    one = await api(ProduceResponse(0, 1, 1))
    lie = msgspec.structs.replace(ONE, record_count=1000, producer_id=77)
    body = msgspec.msgpack.encode(ProduceRequest("orders", 0, lie, Acks.ALL, 100))
    assert (await one.ask("POST", "/v1/call", data=body))[0] == 200
    (request,) = one.broker.requests
    assert isinstance(request, ProduceRequest)
    assert (request.batch.record_count, request.batch.producer_id) == (2, -1)


async def test_the_document_lists_every_route() -> None:
    text = (Path(__file__).parents[2] / "docs/broker-api.md").read_text()
    documented = {
        (method, re.sub(r"\{\w+\}", "{}", path))
        for row in re.findall(r"^\| (`.+?`)[ ,|].*$", text, re.M)
        for method, path in re.findall(r"`(GET|POST|DELETE) (/v1[^`? ]*)", row)
    } | {("GET", "/v1/topics")}  # shares a row with /v1/metadata
    broker = FakeBroker(1, lambda request: None)
    server = await broker.http.open()
    assert server is not None
    served = {
        (route.method, re.sub(r"\{\w+\}", "{}", route.resource.canonical))
        for route in broker.http.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    await broker.http.close()
    assert documented == served
