"""A stand-in for one etcd member: a dictionary behind the gateway's two paths, in this process, on loopback.

It does everything right unless it is told to lie.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

Answer = Callable[[str, dict[str, Any]], Awaitable[web.StreamResponse] | web.StreamResponse | None]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def decoded(text: str) -> str:
    return base64.b64decode(text).decode()


class StandIn:
    """``lie``: is shown each request first; what it returns is the answer, None: the truth."""

    def __init__(self, member_id: int = 11) -> None:
        self.member_id = member_id
        self.revision = 1
        self.keys: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.lie: Answer | None = None
        self.server = TestServer(self._application())

    async def __aenter__(self) -> StandIn:
        await self.server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def header(self, revision: int | None = None) -> dict[str, str]:
        return {
            "cluster_id": "1",
            "member_id": str(self.member_id),
            "revision": str(self.revision if revision is None else revision),
            "raft_term": "2",
        }

    def _application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v3/kv/put", self._put)
        app.router.add_post("/v3/kv/range", self._range)
        return app

    async def _put(self, request: web.Request) -> web.StreamResponse:
        body = msgspec.json.decode(await request.read())
        return await self._lied("put", body) or self.put(body)

    async def _range(self, request: web.Request) -> web.StreamResponse:
        body = msgspec.json.decode(await request.read())
        return await self._lied("range", body) or self.range(body)

    def put(self, body: dict[str, str]) -> web.Response:
        self.revision += 1
        version = int(self.keys.get(body["key"], {"version": "0"})["version"]) + 1
        self.keys[body["key"]] = {
            "key": body["key"],
            "create_revision": "2",
            "mod_revision": str(self.revision),
            "version": str(version),
            "value": body["value"],
        }
        return web.json_response({"header": self.header()})

    def range(self, body: dict[str, str]) -> web.Response:
        found = self.keys.get(body["key"])
        answer: dict[str, Any] = {"header": self.header()}
        if found is not None:
            answer |= {"kvs": [found], "count": "1"}
        return web.json_response(answer)

    async def _lied(self, what: str, body: dict[str, Any]) -> web.StreamResponse | None:
        self.asked.append(what)
        answer = self.lie(what, body) if self.lie is not None else None
        return await answer if isinstance(answer, Awaitable) else answer


def refusal(status: int, code: int, message: str) -> web.Response:
    """As the gateway tells an error of gRPC."""
    return web.json_response({"error": message, "code": code, "message": message}, status=status)
