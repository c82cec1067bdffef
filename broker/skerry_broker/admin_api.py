"""The admin plane: metrics, health, status, peer checks, and the raw bytes of replicas, read-only.

``/healthz`` says that the event loop runs, and nothing else: liveness must never depend on peers, or a partition would
get every broker restarted.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from skerry_broker.config import PLANES
from skerry_broker.core.types import Plane
from skerry_broker.metrics import Metrics
from skerry_broker.peer_checks import PeerChecks
from skerry_broker.status_report import StatusReport

log = logging.getLogger("skerry_broker.admin_api")

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,250}")
REPLICA_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,198}")


class AdminApi:
    """The HTTP routes of the admin plane."""

    def __init__(
        self, status: Callable[[], StatusReport], checks: PeerChecks, metrics: Metrics, data_dir: Path
    ) -> None:
        self._status = status
        self._checks = checks
        self._metrics = metrics
        self._topics_dir = data_dir / "topics"
        self._runner: web.AppRunner | None = None

    async def open(self) -> web.Server:
        """The protocol factory for the listener."""
        app = web.Application(client_max_size=4096, middlewares=[self._errors])
        app.add_routes(
            [
                web.get("/metrics", self._get_metrics),
                web.get("/healthz", self._health),
                web.get("/readyz", self._ready),
                web.get("/status", self._get_status),
                web.post("/peer-check", self._peer_check),
                web.get("/replica/{topic}/{partition}", self._list_replica),
                web.get("/replica/{topic}/{partition}/{file}", self._replica_file),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        assert self._runner.server is not None
        return self._runner.server

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _json({"error": error.text or error.reason}, error.status)

    async def _get_metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.render(), headers={"Content-Type": METRICS_TYPE})

    async def _health(self, request: web.Request) -> web.Response:
        return _json({"alive": True})

    async def _ready(self, request: web.Request) -> web.Response:
        report = self._status()
        return _json({"ready": report.ready, "reason": report.not_ready}, 200 if report.ready else 503)

    async def _get_status(self, request: web.Request) -> web.Response:
        return _json(self._status())

    async def _peer_check(self, request: web.Request) -> web.Response:
        """``?planes=Raft,Replication&brokers=2,3`` (default: all); ``closely=1``: see `PeerChecks.look_closely`."""
        planes = [text for text in request.query.get("planes", "").split(",") if text]
        brokers = [text for text in request.query.get("brokers", "").split(",") if text]
        try:
            chosen = [Plane(text) for text in planes] or list(PLANES)
            peers = {int(text) for text in brokers} or None
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{error}; planes are {', '.join(PLANES)}, brokers are numbers") from None
        if request.query.get("closely") == "1":
            self._checks.look_closely()
        return _json(await self._checks.probe(chosen, peers))

    # --- replicas

    def _replica_dir(self, request: web.Request) -> Path:
        topic, partition = request.match_info["topic"], request.match_info["partition"]
        if not REPLICA_NAME.fullmatch(topic) or not (partition.isascii() and partition.isdigit()):
            raise web.HTTPNotFound(text="no such replica")
        directory = self._topics_dir / f"{topic}-{int(partition)}"
        if not directory.is_dir():
            raise web.HTTPNotFound(text=f"this broker holds no replica of {topic}-{partition}")
        return directory

    async def _list_replica(self, request: web.Request) -> web.Response:
        """Name and size of every file, sorted. Files may change while they are read: compare below the high
        watermark only."""
        directory = self._replica_dir(request)
        return _json(
            [
                {"name": path.name, "bytes": path.stat().st_size}
                for path in sorted(directory.iterdir())
                if path.is_file() and not path.is_symlink() and FILE_NAME.fullmatch(path.name)
            ]
        )

    async def _replica_file(self, request: web.Request) -> web.FileResponse:
        directory = self._replica_dir(request)
        name = request.match_info["file"]
        path = directory / name
        if not FILE_NAME.fullmatch(name) or not path.is_file() or path.is_symlink():
            raise web.HTTPNotFound(text=f"no file {name[:80]} in this replica")
        return web.FileResponse(path, headers={"Content-Type": "application/octet-stream"})


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
