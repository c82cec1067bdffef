"""The asyncio client: sockets and timers around the pure machine in `core.client`.

    async with Client(["127.0.0.1:9092", "127.0.0.1:9192"]) as client:
        await client.create_topic("orders", partitions=3, replication_factor=3, min_in_sync_replicas=2)
        answer = await client.produce("orders", 0, encode_batch([Record(b"key", b"value")]))
        print(answer.base_offset)

Every operation ends in one of three ways: a typed answer, `DefiniteError` (it surely did not happen and will not) or
`UnknownError` (it may have happened, or may still). Only a definite failure may be treated as "not written".
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from skerry_broker.client_codec import seal
from skerry_broker.client_connection import ClientConnection
from skerry_broker.clocks import boot_ns
from skerry_broker.config import Address, parse_address
from skerry_broker.core import client as machine
from skerry_broker.core.api import (
    ClientRequest,
    ClientResponse,
    CreateTopicRequest,
    DeleteTopicRequest,
    ElectLeaderRequest,
    ErrorCode,
    FetchRequest,
    FetchResponse,
    InitProducerRequest,
    InitProducerResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    MetadataRequest,
    MetadataResponse,
    ProduceRequest,
    ProduceResponse,
    TopicCreatedResponse,
)
from skerry_broker.core.client import Call, CancelCall, ClientConfig, Completed, Operation, Outcome
from skerry_broker.core.types import Acks, Batch, Rng
from skerry_broker.wire import AddressBook

T = TypeVar("T")

FIRST_SEED = -2
"""Brokers of a bare bootstrap list have no known ids yet; they are called -2, -3, ... (-1 means nobody)."""


PRODUCE_TIMEOUT_MS = 5000
"""How long a broker may wait for replication; the machine shortens it to its own time for an attempt."""


class ClientError(Exception):
    """An operation that did not succeed."""

    def __init__(self, completed: Completed) -> None:
        self.error: ErrorCode = completed.error
        self.attempts = completed.attempts
        self.completed = completed
        detail = f": {completed.message}" if completed.message else ""
        super().__init__(f"{completed.error.value} after {completed.attempts} attempts{detail}")


class DefiniteError(ClientError):
    """The operation surely did not happen and will not."""


class UnknownError(ClientError):
    """The operation may have happened, or may still happen."""


class Client:
    """A client of one cluster.

    ``bootstrap``: "host:port" of some brokers (the others are learned from them), or a fixed map of broker id to
    "host:port" (then nothing is learned: for a client that must go through proxies). Use within one event loop.
    """

    def __init__(
        self,
        bootstrap: Sequence[str] | Mapping[int, str],
        config: ClientConfig | None = None,
        *,
        rng: Rng | None = None,
        now: Callable[[], int] = boot_ns,
    ) -> None:
        """``now``: nanoseconds of a clock that does not go back. Raises ConfigError for a malformed address."""
        self._learns = not isinstance(bootstrap, Mapping)
        self._addresses: dict[int, Address] = {}
        if isinstance(bootstrap, Mapping):
            self._addresses = {broker: parse_address("bootstrap", text) for broker, text in sorted(bootstrap.items())}
        else:
            self._addresses = {
                FIRST_SEED - index: parse_address("bootstrap", text) for index, text in enumerate(bootstrap)
            }
        self._machine = machine.Client(
            config or ClientConfig(), tuple(self._addresses), rng or random.SystemRandom(), seal
        )
        self._now = now
        self._connections: dict[int, ClientConnection] = {}
        self._retired: list[ClientConnection] = []
        self._calls: dict[int, ClientConnection] = {}
        self._futures: dict[int, asyncio.Future[Completed]] = {}
        self._op_id = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._pumping = False
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop all connections. What was still under way is cancelled; its outcome is unknown."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for connection in (*self._connections.values(), *self._retired):
            await connection.close()
        self._connections.clear()
        for future in self._futures.values():
            future.cancel()
        self._futures.clear()

    # --- one operation at a time

    async def create_topic(
        self,
        topic: str,
        *,
        partitions: int = 1,
        replication_factor: int = 3,
        min_in_sync_replicas: int = 2,
        retention_bytes: int = -1,
        retention_ms: int = -1,
        timeout_ms: int = 5000,
    ) -> TopicCreatedResponse:
        request = CreateTopicRequest(
            topic, partitions, replication_factor, min_in_sync_replicas, retention_bytes, retention_ms, timeout_ms
        )
        return await self._result(request, TopicCreatedResponse)

    async def delete_topic(self, topic: str, *, timeout_ms: int = 5000) -> None:
        await self.run(DeleteTopicRequest(topic, timeout_ms))

    async def metadata(self, *topics: str, broker: int | None = None) -> MetadataResponse:
        """What some broker (or the given one) knows; without a guarantee."""
        return await self._result(MetadataRequest(topics), MetadataResponse, broker)

    async def init_producer(self) -> InitProducerResponse:
        return await self._result(InitProducerRequest(), InitProducerResponse)

    async def produce(
        self,
        topic: str,
        partition: int,
        batch: Batch,
        acks: Acks = Acks.ALL,
        *,
        broker: int | None = None,
        delivery_timeout_ms: int | None = None,
    ) -> ProduceResponse | None:
        """Append one batch (`skerry_broker.batch.encode_batch`). None for ``Acks.NONE``: nothing was promised.

        ``broker``: one attempt there, never redirected, never retried, never idempotent.
        """
        request = ProduceRequest(topic, partition, batch, acks, PRODUCE_TIMEOUT_MS)
        response = await self.run(request, broker, delivery_timeout_ms)
        return response if isinstance(response, ProduceResponse) else None

    async def fetch(
        self,
        topic: str,
        partition: int,
        offset: int,
        *,
        wait_ms: int = 0,
        bytes_max: int = 1 << 20,
        broker: int | None = None,
    ) -> FetchResponse:
        """Committed batches from the one that holds ``offset``; none: a tail read."""
        return await self._result(FetchRequest(topic, partition, offset, wait_ms, bytes_max), FetchResponse, broker)

    async def list_offsets(self, topic: str, partition: int, at_wall_ms: int | None = None) -> ListOffsetsResponse:
        return await self._result(ListOffsetsRequest(topic, partition, at_wall_ms), ListOffsetsResponse)

    async def elect_leader(self, topic: str, partition: int, broker: int, *, timeout_ms: int = 5000) -> None:
        """Move a partition's leadership to ``broker``, which must be in sync."""
        await self.run(ElectLeaderRequest(topic, partition, broker, timeout_ms))

    async def run(
        self, request: ClientRequest, broker: int | None = None, delivery_timeout_ms: int | None = None
    ) -> ClientResponse:
        """Any request. Raises DefiniteError or UnknownError."""
        completed = await self.submit(request, broker=broker, delivery_timeout_ms=delivery_timeout_ms)
        if completed.outcome is Outcome.UNKNOWN:
            raise UnknownError(completed)
        if completed.outcome is Outcome.FAILED or completed.response is None:
            raise DefiniteError(completed)
        return completed.response

    async def _result(self, request: ClientRequest, kind: type[T], broker: int | None = None) -> T:
        response = await self.run(request, broker)
        if not isinstance(response, kind):
            raise TypeError(f"{type(request).__name__} was answered with {type(response).__name__}")
        return response

    # --- many at once

    def submit(
        self, request: ClientRequest, *, broker: int | None = None, delivery_timeout_ms: int | None = None
    ) -> asyncio.Future[Completed]:
        """Start an operation now, for open-loop use. The future never raises; look at ``outcome``."""
        if self._closed:
            raise RuntimeError("this client is closed")
        op_id = self._op_id
        self._op_id += 1
        future: asyncio.Future[Completed] = asyncio.get_running_loop().create_future()
        self._futures[op_id] = future
        self._machine.submit(self._now(), op_id, Operation(request, broker, delivery_timeout_ms))
        self._pump()
        return future

    def address_of(self, broker: int) -> str | None:
        """Where a broker listens for clients; None: not known."""
        address = self._addresses.get(broker)
        return None if address is None else str(address)

    # --- the machine's hands

    def _pump(self) -> None:
        """Carry out what the machine wants. What that causes at once waits its turn in the same loop."""
        if self._pumping or self._closed:
            return
        self._pumping = True
        try:
            while actions := self._machine.take():
                for action in actions:
                    self._carry_out(action)
        finally:
            self._pumping = False
        self._arm()

    def _carry_out(self, action: Call | CancelCall | Completed) -> None:
        match action:
            case Call():
                connection = self._connection(action.broker_id)
                if connection is None:
                    self._machine.call_failed(self._now(), action.call_id, ErrorCode.CONNECTION_FAILED)
                else:
                    self._calls[action.call_id] = connection
                    connection.call(action.call_id, action.request)
            case CancelCall():
                cancelled = self._calls.pop(action.call_id, None)
                if cancelled is not None:
                    cancelled.cancel(action.call_id)
            case Completed():
                future = self._futures.pop(action.op_id, None)
                if future is not None and not future.done():
                    future.set_result(action)

    def _connection(self, broker: int) -> ClientConnection | None:
        connection = self._connections.get(broker)
        if connection is None:
            address = self._addresses.get(broker)
            if address is None:
                return None
            connection = ClientConnection(address, self._answered, self._failed, self._learn)
            self._connections[broker] = connection
        return connection

    def _answered(self, call_id: int, response: ClientResponse) -> None:
        self._calls.pop(call_id, None)
        self._machine.answered(self._now(), call_id, response)
        self._pump()

    def _failed(self, call_id: int, error: ErrorCode) -> None:
        if self._calls.pop(call_id, None) is not None:
            self._machine.call_failed(self._now(), call_id, error)
            self._pump()

    def _learn(self, book: AddressBook) -> None:
        if not self._learns:
            return
        for broker, text in book.addresses:
            address = parse_address("advertised address", text)
            if self._addresses.get(broker) != address:
                self._addresses[broker] = address
                if broker in self._connections:  # calls under way there end by themselves
                    self._retired.append(self._connections.pop(broker))

    def _arm(self) -> None:
        deadline = self._machine.next_deadline
        if deadline is None:
            return
        if self._timer is not None:
            if self._timer_ns <= deadline:
                return
            self._timer.cancel()
        self._timer_ns = deadline
        delay_s = max(0, deadline - self._now()) / 1e9
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._machine.tick(self._now())
        self._pump()
