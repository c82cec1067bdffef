"""The client plane for people and other languages: HTTP with JSON, or the batches' own bytes (`docs/broker-api.md`).

Our own client speaks frames on the same port (`calls`); both end in the `gateway`, so the rules are the same.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from skerry_broker import batch as batches
from skerry_broker.core.api import (
    ClientRequest,
    ClientResponse,
    CreateTopicRequest,
    DeleteTopicRequest,
    ElectLeaderRequest,
    ErrorCode,
    ErrorResponse,
    FetchRequest,
    FetchResponse,
    InitProducerRequest,
    ListOffsetsRequest,
    MetadataRequest,
    MetadataResponse,
    ProduceRequest,
    TransferControllerRequest,
)
from skerry_broker.core.types import Acks
from skerry_broker.gateway import Gateway
from skerry_broker.http_json import STATUS, NewRecords, NewTopic, Target, batch_of, body_of
from skerry_broker.transport import Identity
from skerry_broker.wire import CALL_BYTES_EXTRA, FrameError, decode_request, encode_response

BATCHES = "application/vnd.skerry.record-batches"
"""Whole record batches v2, one after the other."""
MSGPACK = "application/vnd.msgpack"
T = TypeVar("T")


class BadRequest(Exception):
    """The request cannot be understood; the message says what would be right."""


class HttpApi:
    """The HTTP routes of the client plane."""

    def __init__(self, gateway: Gateway, identity: Identity) -> None:
        self._gateway = gateway
        self._identity = identity
        self._runner: web.AppRunner | None = None

    async def open(self) -> web.Server:
        """The protocol factory for the listener."""
        app = self.app = web.Application(
            client_max_size=self._gateway.batch_bytes_max + CALL_BYTES_EXTRA, middlewares=[self._errors]
        )
        one = "/v1/topics/{topic}/partitions/{partition}"
        app.add_routes(
            [
                web.get("/v1/metadata", self._metadata),
                web.get("/v1/topics", self._metadata),
                web.post("/v1/topics", self._create_topic),
                web.get("/v1/topics/{topic}", self._describe_topic),
                web.delete("/v1/topics/{topic}", self._delete_topic),
                web.post(f"{one}/records", self._produce),
                web.get(f"{one}/records", self._fetch),
                web.get(f"{one}/offsets", self._offsets),
                web.post(f"{one}/leader", self._elect),
                web.post("/v1/controller", self._transfer),
                web.post("/v1/producers", self._init_producer),
                web.post("/v1/call", self._call),
            ]
        )
        # handler_cancellation: a client that hangs up must release what waits for it
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        assert self._runner.server is not None
        return self._runner.server

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    # --- plumbing

    async def _ask(self, request: ClientRequest) -> ClientResponse:
        answer: asyncio.Future[ClientResponse] = asyncio.get_running_loop().create_future()

        def respond(response: ClientResponse) -> None:
            if not answer.done():
                answer.set_result(response)

        request_id = self._gateway.submit(request, respond)
        try:
            return await answer
        except asyncio.CancelledError:
            self._gateway.gone(request_id)
            raise

    async def _answer(self, request: ClientRequest, from_offset: int = 0) -> web.Response:
        return self._response(await self._ask(request), from_offset)

    def _response(self, response: ClientResponse, from_offset: int = 0) -> web.Response:
        status = STATUS.get(response.error, 503) if isinstance(response, ErrorResponse) else 200
        body = msgspec.json.encode(body_of(response, self._identity.advertised, from_offset))
        return web.Response(body=body, status=status, content_type="application/json")

    @web.middleware
    async def _errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Everything that goes wrong is answered in the one error format."""
        try:
            return await handler(request)
        except BadRequest as error:
            return self._response(ErrorResponse(ErrorCode.INVALID_REQUEST, str(error)))
        except web.HTTPRequestEntityTooLarge as error:
            return self._response(ErrorResponse(ErrorCode.BATCH_TOO_LARGE, error.text or "the body is too large"))
        except web.HTTPException as error:
            reason = f"{request.method} {request.path[:200]}: {error.reason}"
            answer = self._response(ErrorResponse(ErrorCode.INVALID_REQUEST, reason))
            answer.set_status(error.status)
            if "Allow" in error.headers:
                answer.headers["Allow"] = error.headers["Allow"]
            return answer

    # --- topics and metadata

    async def _metadata(self, request: web.Request) -> web.Response:
        return await self._answer(MetadataRequest())

    async def _describe_topic(self, request: web.Request) -> web.Response:
        topic = request.match_info["topic"]
        response = await self._ask(MetadataRequest((topic,)))
        if isinstance(response, MetadataResponse) and not any(one.topic == topic for one in response.topics):
            response = ErrorResponse(ErrorCode.UNKNOWN_TOPIC, f"there is no topic {topic}, as far as this broker knows")
        return self._response(response)

    async def _create_topic(self, request: web.Request) -> web.Response:
        new = await _json(request, NewTopic)
        return await self._answer(
            CreateTopicRequest(
                new.name,
                new.partitions,
                new.replication_factor,
                new.min_in_sync_replicas,
                new.retention_bytes,
                new.retention_ms,
                _number(request, "timeout_ms", 5000),
            )
        )

    async def _delete_topic(self, request: web.Request) -> web.Response:
        return await self._answer(DeleteTopicRequest(request.match_info["topic"], _number(request, "timeout_ms", 5000)))

    async def _init_producer(self, request: web.Request) -> web.Response:
        return await self._answer(InitProducerRequest(_number(request, "timeout_ms", 5000)))

    # --- one partition

    async def _produce(self, request: web.Request) -> web.Response:
        topic, partition = _partition(request)
        try:
            acks = Acks(request.query.get("acks", Acks.ALL.value))
        except ValueError:
            raise BadRequest("acks must be All, Leader or None") from None
        if request.content_type == "application/json":
            try:
                batch = batch_of(await _json(request, NewRecords))
            except ValueError as error:
                raise BadRequest(str(error)) from None
        else:
            batch = batches.unchecked(await request.read())
        return await self._answer(ProduceRequest(topic, partition, batch, acks, _number(request, "timeout_ms", 5000)))

    async def _fetch(self, request: web.Request) -> web.Response:
        topic, partition = _partition(request)
        offset = _number(request, "offset", 0)
        fetch = FetchRequest(
            topic, partition, offset, _number(request, "wait_ms", 0), _number(request, "bytes_max", 1 << 20)
        )
        if BATCHES not in request.headers.get("Accept", ""):
            return await self._answer(fetch, offset)
        response = await self._ask(fetch)
        if not isinstance(response, FetchResponse):
            return self._response(response)
        return web.Response(
            body=b"".join(batches.patch(one.data, one.base_offset, one.leader_epoch) for one in response.batches),
            content_type=BATCHES,
            headers={
                "Skerry-High-Watermark": str(response.high_watermark),
                "Skerry-Log-Start-Offset": str(response.log_start_offset),
                "Skerry-Leader-Epoch": str(response.leader_epoch),
                "Skerry-Leader": str(response.leader),
            },
        )

    async def _offsets(self, request: web.Request) -> web.Response:
        at_wall_ms = _number(request, "at_ms", 0) if "at_ms" in request.query else None
        return await self._answer(ListOffsetsRequest(*_partition(request), at_wall_ms))

    async def _elect(self, request: web.Request) -> web.Response:
        target = await _json(request, Target)
        timeout_ms = _number(request, "timeout_ms", 5000)
        return await self._answer(ElectLeaderRequest(*_partition(request), target.broker, timeout_ms))

    async def _transfer(self, request: web.Request) -> web.Response:
        target = await _json(request, Target)
        return await self._answer(TransferControllerRequest(target.broker, _number(request, "timeout_ms", 5000)))

    # --- everything, in msgpack

    async def _call(self, request: web.Request) -> web.Response:
        try:
            call = decode_request(await request.read())
        except FrameError as error:
            raise BadRequest(f"the body is no msgpack ClientRequest: {error}") from None
        return web.Response(body=encode_response(await self._ask(call)), content_type=MSGPACK)


async def _json(request: web.Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is not the JSON that is expected here: {error}") from None


def _partition(request: web.Request) -> tuple[str, int]:
    text = request.match_info["partition"]
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadRequest(f"partition {text[:20]!r} must be a whole number")
    return request.match_info["topic"], int(text)


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BadRequest(f"{name} {text[:20]!r} must be a whole number")
    return int(text)
