"""What runs in the two throw-away pods of `skerry doctor`, which measures whether NetworkPolicies are enforced.

``server`` echoes bytes on its ports. ``client`` asks it: on each port it opens a new connection again and again, and
keeps one open on which it asks again and again. What it finds it serves as JSON (`GET /` on ``--listen``), with its
own clock, so that its reader needs no clock in common with it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, web

EVERY_S = 0.05
TIMEOUT_S = 0.3
"""No answer for this long is a failure, as between brokers."""
URL_TIMEOUT_S = 3.0
ASKED = b"?"


async def serve(ports: Sequence[int]) -> None:
    """Echo until cancelled. Raises OSError. On plain sockets: asyncio's `Server` loses a connection that was accepted
    at the moment it is closed (python/cpython#109564), and so does ``sock_accept``."""
    loop = asyncio.get_running_loop()

    async def echo(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while asked := await loop.sock_recv(connection, 1):
                await loop.sock_sendall(connection, asked)

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            connection.setblocking(False)
            sockets.enter_context(connection)
            group.create_task(echo(connection))

    with contextlib.ExitStack() as sockets:
        listeners = [sockets.enter_context(_listen(port)) for port in ports]
        async with asyncio.TaskGroup() as group:
            for listener in listeners:
                loop.add_reader(listener, accept, listener)
            try:
                await asyncio.Event().wait()
            finally:
                for listener in listeners:
                    loop.remove_reader(listener)


def _listen(port: int) -> socket.socket:
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    listener = socket.create_server(("", port), family=family, backlog=100, dualstack_ipv6=both)
    listener.setblocking(False)
    return listener


class Port:
    """One port of the server, as the client finds it."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.new_ok_ns = 0
        """Monotonic; when a new connection last answered, 0: never."""
        self.new_failing_ns = 0
        """Since when new connections fail: when the first of those that failed was begun; 0: the last one answered."""
        self.kept_ok_ns = 0
        """When the kept connection last answered, 0: never."""
        self.kept_opened = 0
        """How many it took: one more means that one was lost."""
        self.error = ""
        """The kind of the last failure of a new connection: a silence is `TimeoutError`, a refusal is not."""

    async def watch_new(self) -> None:
        while True:
            begun_ns = time.monotonic_ns()
            try:
                reader, writer = await self._open()
                try:
                    await _ask(reader, writer)
                finally:
                    writer.close()
                self.new_ok_ns, self.new_failing_ns = time.monotonic_ns(), 0
            except OSError as error:  # TimeoutError is one
                self.new_failing_ns = self.new_failing_ns or begun_ns
                self.error = type(error).__name__
            await asyncio.sleep(EVERY_S)

    async def watch_kept(self) -> None:
        while True:
            writer = None
            try:
                reader, writer = await self._open()
                self.kept_opened += 1
                while True:
                    await _ask(reader, writer, timeout_s=None)
                    self.kept_ok_ns = time.monotonic_ns()
                    await asyncio.sleep(EVERY_S)
            except OSError:
                await asyncio.sleep(EVERY_S)
            finally:
                if writer is not None:
                    writer.close()

    def seen(self) -> dict[str, Any]:
        return {
            "new_ok_ns": self.new_ok_ns,
            "new_failing_ns": self.new_failing_ns,
            "kept_ok_ns": self.kept_ok_ns,
            "kept_opened": self.kept_opened,
            "error": self.error,
        }

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(TIMEOUT_S):
            return await asyncio.open_connection(self.host, self.port)


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout_s: float | None = TIMEOUT_S) -> None:
    """The kept connection waits for ever: what it must not do is give up, and so count a short silence as a loss."""
    writer.write(ASKED)
    await writer.drain()
    async with asyncio.timeout(timeout_s):
        if await reader.read(1) != ASKED:
            raise ConnectionResetError("closed by the other side")


async def look(ports: Sequence[Port], listen: int, url: str) -> None:
    """Watch the ports and serve what is found, until cancelled. Raises OSError."""
    error = await url_error(url) if url else ""

    async def tell(request: web.Request) -> web.Response:
        found = {"now_ns": time.monotonic_ns(), "url_error": error}
        return web.json_response({**found, "ports": {str(each.port): each.seen() for each in ports}})

    app = web.Application()
    app.add_routes([web.get("/", tell)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, None, listen).start()
    try:
        await asyncio.gather(*(watch() for each in ports for watch in (each.watch_new, each.watch_kept)))
    finally:
        await runner.cleanup()


async def url_error(url: str) -> str:
    """Why it does not answer; empty: it does."""
    try:
        async with ClientSession(timeout=ClientTimeout(total=URL_TIMEOUT_S)) as session, session.get(url) as response:
            return "" if response.status == 200 else f"it answered {response.status}"
    except (ClientError, OSError) as error:
        return str(error) or type(error).__name__


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="probe_pod")
    parser.add_argument("role", choices=("server", "client"))
    parser.add_argument("--port", type=int, action="append", required=True)
    parser.add_argument("--host", default="", help="of the server")
    parser.add_argument("--listen", type=int, default=8080, help="where the client tells what it finds")
    parser.add_argument("--url", default="", help="asked once by the client")
    parser.add_argument("--for-s", type=float, default=60.0, help="ends by itself after this")
    given = parser.parse_args(arguments)
    work = (
        serve(given.port)
        if given.role == "server"
        else look([Port(given.host, port) for port in given.port], given.listen, given.url)
    )

    async def bounded() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(given.for_s):
                await work

    try:
        asyncio.run(bounded())
    except OSError as error:
        json.dump({"error": str(error)}, sys.stdout)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
