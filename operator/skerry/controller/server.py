"""`/metrics`, `/healthz` and `/readyz` of the operator, read-only. There is no API to control it but the resource."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

PORT = 8080


class Server:
    """Listens while it is used as an async context manager. Raises OSError when the port is taken."""

    def __init__(
        self, metrics: Callable[[], bytes], not_ready: Callable[[], str], host: str = "0.0.0.0", port: int = PORT
    ) -> None:
        """``not_ready``: why it is not ready; empty: it is."""
        self._metrics = metrics
        self._not_ready = not_ready
        application = web.Application()
        application.router.add_get("/metrics", self._serve_metrics)
        application.router.add_get("/healthz", self._serve_health)
        application.router.add_get("/readyz", self._serve_readiness)
        self._runner = web.AppRunner(application, access_log=None)
        self._host, self._port = host, port

    async def __aenter__(self) -> Server:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The one it has, when any was asked for (0)."""
        return int(self._runner.addresses[0][1])

    async def _serve_metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _serve_health(self, request: web.Request) -> web.Response:
        """That it is answered is the point: the loop that drives the experiments runs."""
        return web.Response(text="ok\n")

    async def _serve_readiness(self, request: web.Request) -> web.Response:
        why = self._not_ready()
        return web.Response(status=503, text=f"{why}\n") if why else web.Response(text="ok\n")
