"""The asyncio client against scripted brokers: routing, addresses, what is definite and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from fake_broker import FakeBroker, Script

from skerry_broker.batch import Record, encode_batch, validate
from skerry_broker.client import Client, DefiniteError, UnknownError
from skerry_broker.client_codec import seal
from skerry_broker.config import Address
from skerry_broker.core.api import (
    ClientRequest,
    ClientResponse,
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
from skerry_broker.core.client import ClientConfig, Outcome
from skerry_broker.core.types import Acks, Batch
from skerry_broker.errors import ConfigError

QUICK = ClientConfig(request_timeout_ms=200, delivery_timeout_ms=600, retry_backoff_ms=10, idempotent=False)
PATIENT = ClientConfig(request_timeout_ms=10_000, idempotent=False)
"""Where it is not a matter of time: megabytes take their own on a busy machine."""
ONE = encode_batch([Record(b"key", b"value")])


def led_by(leader: int, epoch: int = 1, brokers: tuple[int, ...] = (1, 2)) -> MetadataResponse:
    partition = PartitionDescription(0, leader, epoch, brokers, brokers, ())
    return MetadataResponse("c", leader, brokers, (TopicDescription("orders", "id", 1, (partition,)),), epoch)


def answering(*answers: ClientResponse | None) -> Script:
    """Metadata is answered with what is metadata among ``answers``; the others in turn, the last one for ever."""
    turns = [one for one in answers if not isinstance(one, MetadataResponse)]
    metadata = [one for one in answers if isinstance(one, MetadataResponse)]

    def script(request: ClientRequest) -> ClientResponse | None:
        if isinstance(request, MetadataRequest):
            return metadata[0]
        return turns.pop(0) if len(turns) > 1 else turns[0]

    return script


Open = Callable[..., Awaitable[FakeBroker]]


@pytest.fixture
async def brokers() -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def make(broker_id: int, script: Script) -> FakeBroker:
            broker = FakeBroker(broker_id, script)
            await broker.open()
            stack.push_async_callback(broker.close)
            return broker

        yield make


def address(broker: FakeBroker) -> str:
    return broker.identity.advertised[broker.identity.voter.broker_id]


def introduce(*brokers: FakeBroker) -> None:
    """As their handshakes do in a cluster."""
    for one in brokers:
        for other in brokers:
            one.identity.learn(other.identity.voter.broker_id, address(other))


async def test_one_address_is_enough_to_find_the_leader(brokers: Open) -> None:
    follower = await brokers(1, answering(led_by(2), ErrorResponse(ErrorCode.NOT_LEADER, "", 2, 1)))
    leader = await brokers(2, answering(led_by(2), ProduceResponse(41, 1, 2)))
    introduce(follower, leader)
    async with Client([address(follower)], QUICK) as client:
        answer = await client.produce("orders", 0, ONE)
        assert answer == ProduceResponse(41, 1, 2)
        assert client.address_of(2) == address(leader)
    assert not any(isinstance(request, ProduceRequest) for request in follower.requests)


async def test_a_fixed_map_is_not_changed_by_what_brokers_say(brokers: Open) -> None:
    one = await brokers(1, answering(led_by(1, brokers=(1,)), FetchResponse(3, 0, 1, 1)))
    one.identity.advertised[1] = "127.0.0.1:1"  # where this client must not go
    async with Client({1: str(one.listener.address)}, QUICK) as client:
        assert (await client.fetch("orders", 0, 3)).high_watermark == 3
        assert (await client.metadata()).controller == 1
        assert client.address_of(1) == str(one.listener.address)


async def test_answers_come_in_whatever_order(brokers: Open) -> None:
    one = await brokers(1, lambda request: led_by(1) if isinstance(request, MetadataRequest) else None)
    async with Client({1: address(one)}, QUICK) as client:
        futures = [client.submit(FetchRequest("orders", 0, offset)) for offset in range(3)]
        await one.until(lambda: sum(isinstance(request, FetchRequest) for request in one.requests) == 3)
        fetches = [
            (request_id, request.offset)
            for request_id, request in zip(one.request_ids, one.requests, strict=True)
            if isinstance(request, FetchRequest)
        ]
        for request_id, offset in reversed(fetches):
            one.gateway.reply(request_id, FetchResponse(100 + offset, 0, 1, 1))
        results = [await future for future in futures]
        assert [one.response for one in results] == [FetchResponse(100 + offset, 0, 1, 1) for offset in range(3)]


async def test_a_refusal_is_definite(brokers: Open) -> None:
    one = await brokers(1, answering(led_by(1), ErrorResponse(ErrorCode.OFFSET_OUT_OF_RANGE, "the log ends at 5")))
    async with Client({1: address(one)}, QUICK) as client:
        with pytest.raises(DefiniteError, match="OffsetOutOfRange after 1 attempts: the log ends at 5") as raised:
            await client.fetch("orders", 0, 9)
        assert raised.value.error is ErrorCode.OFFSET_OUT_OF_RANGE


async def test_a_request_that_is_too_large_is_refused_and_the_others_go_on(brokers: Open) -> None:
    one = await brokers(1, answering(led_by(1), FetchResponse(3, 0, 1, 1)))
    huge = encode_batch([Record(None, bytes(5 << 20))])
    async with Client({1: address(one)}, PATIENT) as client:
        with pytest.raises(DefiniteError, match="BatchTooLarge after 1 attempts"):
            await client.produce("orders", 0, huge)
        assert (await client.fetch("orders", 0, 3)).high_watermark == 3
        with pytest.raises(DefiniteError, match="a batch of 5"):  # over the batch limit, under the frame's
            await client.produce("orders", 0, encode_batch([Record(None, bytes(5000))]))
    assert not any(isinstance(request, ProduceRequest) for request in one.requests)


async def test_a_write_without_an_answer_is_unknown(brokers: Open) -> None:
    one = await brokers(1, answering(led_by(1), None))
    async with Client({1: address(one)}, QUICK) as client:
        with pytest.raises(UnknownError):
            await client.produce("orders", 0, ONE)
    assert sum(isinstance(request, ProduceRequest) for request in one.requests) == 1


async def test_a_write_that_no_broker_could_be_sent_is_definite() -> None:
    async with Client({1: "127.0.0.1:1"}, QUICK) as client:
        with pytest.raises(DefiniteError):
            await client.produce("orders", 0, ONE)
        completed = await client.submit(ProduceRequest("orders", 0, ONE, Acks.ALL, 100), broker=1)
        assert (completed.outcome, completed.error) == (Outcome.FAILED, ErrorCode.CONNECTION_FAILED)


async def test_a_broker_that_dies_with_the_request_leaves_it_unknown(brokers: Open) -> None:
    one = await brokers(1, answering(led_by(1), None))
    async with Client({1: address(one)}, QUICK) as client:
        future = client.submit(ProduceRequest("orders", 0, ONE, Acks.ALL, 100), broker=1)
        await one.until(lambda: bool(one.requests))
        await one.listener.close()
        completed = await future
        assert (completed.outcome, completed.error) == (Outcome.UNKNOWN, ErrorCode.CONNECTION_LOST)
        assert one.gone == one.request_ids


async def test_a_probe_goes_where_it_is_told_and_nowhere_else(brokers: Open) -> None:
    one = await brokers(1, answering(led_by(2), ErrorResponse(ErrorCode.NOT_LEADER, "", 2, 1)))
    two = await brokers(2, answering(led_by(2), ProduceResponse(0, 1, 2)))
    async with Client({1: address(one), 2: address(two)}, QUICK) as client:
        with pytest.raises(DefiniteError, match="NotLeader after 1 attempts"):
            await client.produce("orders", 0, ONE, broker=1)
    assert two.requests == []


async def test_without_acks_nothing_is_promised(brokers: Open) -> None:
    one = await brokers(1, answering(led_by(1), None))
    async with Client({1: address(one)}, QUICK) as client:
        assert await client.produce("orders", 0, ONE, Acks.NONE) is None


async def test_idempotent_batches_carry_their_identity_in_their_bytes(brokers: Open) -> None:
    def script(request: ClientRequest) -> ClientResponse:
        if isinstance(request, MetadataRequest):
            return led_by(1)
        return InitProducerResponse(77, 0) if isinstance(request, InitProducerRequest) else ProduceResponse(0, 1, 1)

    one = await brokers(1, script)
    async with Client({1: address(one)}, ClientConfig()) as client:
        for _ in range(2):
            await client.produce("orders", 0, encode_batch([Record(None, b"a"), Record(None, b"b")]))
    produced = [request.batch for request in one.requests if isinstance(request, ProduceRequest)]
    assert [(one.producer_id, one.producer_epoch, one.base_sequence) for one in produced] == [(77, 0, 0), (77, 0, 2)]


async def test_a_dead_path_is_replaced_and_a_slow_broker_is_not(brokers: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skerry_broker.client_connection.SILENCE_S", 0.05)
    slow = await brokers(1, answering(led_by(1), None))
    accepted = 0

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        while await reader.read(65536):
            pass
        writer.close()

    hole = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = hole.sockets[0].getsockname()[1]
    async with Client({1: address(slow), 2: f"127.0.0.1:{port}"}, QUICK) as client:
        probe = ProduceRequest("orders", 0, ONE, Acks.ALL, 100)
        for broker in (1, 1, 2, 2):
            completed = await client.submit(probe, broker=broker, delivery_timeout_ms=200)
            assert completed.outcome is Outcome.UNKNOWN
            async with asyncio.timeout(2):  # for the ping's verdict
                while client._connections[broker]._ping is not None:  # noqa: ASYNC110  # a timer: nothing to wait on
                    await asyncio.sleep(0.01)
        assert slow.listener.open_connections == 1
        assert accepted == 2
    hole.close()
    await hole.wait_closed()


async def test_a_client_that_is_closed_cancels_what_it_had_begun(brokers: Open) -> None:
    one = await brokers(1, answering(led_by(1), None))
    client = Client({1: address(one)}, QUICK)
    future = client.submit(FetchRequest("orders", 0, 0, 1000))
    await one.until(lambda: bool(one.requests))
    await client.close()
    assert future.cancelled()
    with pytest.raises(RuntimeError, match="this client is closed"):
        client.submit(FetchRequest("orders", 0, 0))


def test_a_malformed_address_is_named() -> None:
    with pytest.raises(ConfigError, match="bootstrap: 'nowhere' is not HOST:PORT"):
        Client(["nowhere"])


def test_sealed_bytes_are_a_valid_batch_of_that_producer() -> None:
    sealed = seal(Batch(-1, -1, 1, ONE.data, 9, 3, 12, ONE.max_timestamp_ms))
    again = validate(sealed.data)
    assert (again.producer_id, again.producer_epoch, again.base_sequence) == (9, 3, 12)
    assert seal(ONE).data == ONE.data
    with pytest.raises(ValueError, match="5 bytes are no record batch"):
        seal(Batch(-1, -1, 1, b"bytes"))


async def test_http_and_frames_share_a_port(brokers: Open) -> None:
    one = await brokers(1, answering(led_by(1), FetchResponse(3, 0, 1, 1)))
    host, port = Address("127.0.0.1", one.listener.address.port)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /v1/metadata HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
    writer.close()
    async with Client({1: address(one)}, QUICK) as client:
        assert (await client.fetch("orders", 0, 3)).high_watermark == 3
