"""A connection that is kept open to notice the death of whoever serves it: the kernel closes it at that moment.

No status of Kubernetes is as fast: the kubelet looks at its containers once a second.
"""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

CONNECT_TIMEOUT_S = 1.0


class Tripwire:
    """``has_fallen`` turns true once, when the other side is gone; a wire that could not be laid never falls."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.has_fallen = False

    async def __aenter__(self) -> Self:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    async def fell(self, timeout_s: float) -> bool:
        """Wait for it; False: it stands when the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._wait()
        return self.has_fallen

    async def _wait(self) -> None:
        if self._reader is None:
            await asyncio.Event().wait()
            return
        with contextlib.suppress(OSError):
            while await self._reader.read(4096):
                pass
        self.has_fallen = True
