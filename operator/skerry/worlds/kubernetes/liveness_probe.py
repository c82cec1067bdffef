"""A connection that is kept open to notice the death of the process that serves it: the kernel closes it then.

No status of Kubernetes is as fast: the kubelet looks at its containers once a second. Until then a small request goes
over the wire again and again; the last one that was answered says until when the process certainly lived. So a death is
bracketed by what the process and the kernel say, tens of milliseconds apart.

Only the broker's own answer, 200, is life. A proxy in its pod (a service mesh's sidecar) keeps the connection open when
the broker behind it dies, and answers 502 or 503 in its place: that is as good as a connection that closed.

A server may close a connection and live on. Only when nobody answers on a new one either is it gone; who answers may be
the same process or, after a while, its successor, so a wire that breaks while somebody answers proves nothing. The
kernel closes the sockets of the dead one by one: for another moment a new connection may be accepted, but not answered.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

CONNECT_TIMEOUT_S = 1.0
ANSWER_TIMEOUT_S = 0.5
"""Shorter than any container needs to be started again, so that no successor is taken for the dead."""
ASK_EVERY_S = 0.02
HEAD_BYTES_MAX = 4096
ALIVE = 200
"""The HTTP status of a broker's own answer."""


class LivenessProbe:
    """``has_fallen`` turns true once, when the other side is gone, and ``stands`` turns false. A connection that could
    not be made, or that broke while the broker answers, neither stands nor falls."""

    def __init__(
        self, host: str, port: int, path: str, lower_ns: Callable[[], int], upper_ns: Callable[[], int]
    ) -> None:
        """``path``: what is asked for, by HTTP. ``lower_ns``, ``upper_ns``: bounds of the run's clock."""
        self._host = host
        self._port = port
        self._request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        self._lower_ns = lower_ns
        self._upper_ns = upper_ns
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.has_fallen = False
        self.stands = False
        self.alive_ns = -1
        """When the last request was sent that was answered; -1: none was."""
        self.fell_ns = -1
        """When it was noticed that the connection had ended with the process; -1: it has not."""

    async def __aenter__(self) -> Self:
        if self._host:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    self._reader, self._writer = await self._connect()
                    self.stands = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    async def fell(self, timeout_s: float) -> bool:
        """Wait for it; False: it has not when the time is over, or never will."""
        if self._reader is not None and self._writer is not None and self.stands:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    broke, broke_ns = await self._breaks(self._reader, self._writer), self._upper_ns()
                    self.has_fallen = broke and not await self._answers_anew()
                    self.fell_ns = broke_ns if self.has_fallen else -1
                    self.stands = False
        return self.has_fallen

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._host, self._port, limit=HEAD_BYTES_MAX)

    async def _breaks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Ask until the connection ends, or until the broker behind it is gone; False: what answers is not understood
        from the beginning, and neither would its end be."""
        try:
            while True:
                sent_ns = self._lower_ns()
                writer.write(self._request)
                if await _answer(reader) != ALIVE:
                    return self.alive_ns >= 0
                self.alive_ns = sent_ns
                await asyncio.sleep(ASK_EVERY_S)
        except (OSError, asyncio.IncompleteReadError):
            return True
        except (ValueError, asyncio.LimitOverrunError):
            return False

    async def _answers_anew(self) -> bool:
        """Whether the broker answers on a new connection, now that the old one is gone. Silence for as long as an
        answer may take is no answer, and neither is that of a proxy."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                while True:
                    try:
                        reader, writer = await self._connect()
                    except OSError:
                        return False
                    try:
                        writer.write(self._request)
                        if await _answer(reader) == ALIVE:
                            return True
                        await asyncio.sleep(ASK_EVERY_S)
                    except (OSError, asyncio.IncompleteReadError):
                        await asyncio.sleep(ASK_EVERY_S)  # accepted by what is being closed: ask once more
                    except (ValueError, asyncio.LimitOverrunError):
                        return True
                    finally:
                        writer.close()
        return False


async def _answer(reader: asyncio.StreamReader) -> int:
    """The HTTP status. Raises IncompleteReadError or OSError when the other side is gone, ValueError or
    LimitOverrunError when it says something else."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, _, rest = head.partition(b"content-length:")
    await reader.readexactly(int(rest.split(b"\r\n")[0] or b"0"))
    return int(head[9:12])
