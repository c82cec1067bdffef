"""Keep one outgoing connection open: dial, wait for its end, back off, dial again.

Used for peer messages and for pings alike. The first attempt after a loss is made at once: when a process has just
died, "connection refused" is the fastest news there is.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import os
import socket
from collections.abc import Callable

from skerry_broker.config import Address
from skerry_broker.frames import Outgoing

BACKOFF_MIN_S = 0.05
BACKOFF_MAX_S = 0.5
CONNECT_TIMEOUT_S = 0.5
LASTED_S = 0.25
"""A connection that lasted this long was a good one: its successor is dialled without a pause."""
STALE_NAME_AFTER_S = 0.2
"""A name server that is slower than this is not waited for while an older answer is known."""


def reason(error: OSError) -> str:
    """The system's own words; asyncio's texts differ between its loops."""
    if isinstance(error, socket.gaierror):
        return f"the name is unknown ({error.strerror})"
    return os.strerror(error.errno) if error.errno else str(error)


class Resolver:
    """Names to addresses, at most one lookup per name at a time: lookups block a thread each, and a cut network must
    not collect threads."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._lookups: dict[str, asyncio.Task[str]] = {}

    async def resolve(self, host: str) -> str:
        """A literal address. Raises OSError when the name is unknown."""
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(host)
            return host
        lookup = self._lookups.get(host)
        if lookup is None:
            lookup = asyncio.get_running_loop().create_task(self._look_up(host))
            self._lookups[host] = lookup
            lookup.add_done_callback(functools.partial(self._looked_up, host))
        known = self._known.get(host)
        if known is None:
            return await asyncio.shield(lookup)
        try:
            async with asyncio.timeout(STALE_NAME_AFTER_S):
                return await asyncio.shield(lookup)
        except (TimeoutError, OSError):
            return known

    def _looked_up(self, host: str, lookup: asyncio.Task[str]) -> None:
        self._lookups.pop(host, None)
        if not lookup.cancelled():
            lookup.exception()  # the caller may have left; a failure that nobody hears is no news

    async def _look_up(self, host: str) -> str:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        self._known[host] = str(found[0][4][0])
        return self._known[host]


class Dialer:
    """One address that is kept connected until `stop`.

    ``make`` builds the connection anew each time; ``on_failed(reason, refused)`` hears why there is none, or none any
    more. Invariant: at most one connection at a time.
    """

    def __init__(
        self,
        address: Address,
        make: Callable[[], Outgoing],
        on_failed: Callable[[str, bool], None],
        resolver: Resolver,
        on_connected: Callable[[Outgoing], None] | None = None,
    ) -> None:
        self.address = address
        self.connection: Outgoing | None = None
        self.opened = 0
        self._make = make
        self._on_failed = on_failed
        self._on_connected = on_connected
        self._resolver = resolver
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def ended(self, problem: str, reset: bool) -> None:
        """To be called by the session of the present connection when it is closed."""
        self.connection = None
        self._ended.set()
        if problem:
            self._on_failed(problem, reset)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        backoff_s = 0.0
        while True:
            began = loop.time()
            failure = await self._connect()
            if failure is None:
                await self._ended.wait()
                if loop.time() - began > LASTED_S:
                    backoff_s = 0.0
                    continue
            else:
                self._on_failed(*failure)
            backoff_s = min(max(BACKOFF_MIN_S, backoff_s * 2), BACKOFF_MAX_S)
            await asyncio.sleep(backoff_s)

    async def _connect(self) -> tuple[str, bool] | None:
        """None when connected; otherwise the reason, and whether a host said that nobody listens."""
        loop = asyncio.get_running_loop()
        self._ended.clear()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                host = await self._resolver.resolve(self.address.host)
                _, connection = await loop.create_connection(self._make, host, self.address.port)
        except TimeoutError:
            return "no answer to a connection attempt", False
        except OSError as error:
            return reason(error), isinstance(error, ConnectionRefusedError | ConnectionResetError)
        if connection.closed:
            return None  # it ended before we heard that it began; `ended` has said why
        self.connection = connection
        self.opened += 1
        if self._on_connected is not None:
            self._on_connected(connection)
        return None
