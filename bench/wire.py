"""Watches one pair of brokers from outside of Skerry: a new connection every 50 ms, asked of the broker itself.

The broker's own check (`POST /peer-check`) opens a connection to its peer and pings it; it is reached through the API
server's proxy, so that no fault on the peer planes touches the question.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from types import TracebackType
from typing import NamedTuple, Self

import aiohttp

ASK_EVERY_S = 0.05
ANSWER_TIMEOUT_S = 2.0


class Seen(NamedTuple):
    asked_wall_ns: int
    ok: bool


class WirePing:
    """``seen`` grows while it is open."""

    def __init__(self, namespace: str, source: str, target: int, plane: str = "Raft") -> None:
        """``source``: the pod that is asked; ``target``: the ordinal of its peer."""
        self._path = (
            f"/api/v1/namespaces/{namespace}/pods/{source}:9095/proxy/peer-check?planes={plane}&brokers={target}"
        )
        self.seen: list[Seen] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._proxy = await asyncio.create_subprocess_exec(
            "kubectl",
            "proxy",
            "--port=0",
            "--reject-methods=^$",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # one line for each question that is broken off at the end
        )
        assert self._proxy.stdout is not None
        line = (await self._proxy.stdout.readline()).decode()
        found = re.search(r"127\.0\.0\.1:\d+", line)
        assert found is not None, line
        self._url = f"http://{found[0]}{self._path}"
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S))
        self._loop_task = asyncio.create_task(self._ask_again_and_again())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop_task.cancel()
        await asyncio.gather(self._loop_task, *self._tasks, return_exceptions=True)
        await self._session.close()
        self._proxy.terminate()
        await self._proxy.wait()

    async def _ask_again_and_again(self) -> None:
        while True:
            task = asyncio.create_task(self._ask())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(ASK_EVERY_S)

    async def _ask(self) -> None:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError, LookupError):
            async with self._session.post(self._url) as response:
                report = await response.json(content_type=None)
            (probe,) = report["probes"]
            self.seen.append(Seen(report["begun_wall_ns"], probe["ok"]))

    # --- reading what was seen --------------------------------------------------------------------------

    def first_cut_after_ns(self, wall_ns: int) -> int | None:
        """When the first connection was opened, after this moment, from which on none succeeded for half a second."""
        later = sorted(each for each in self.seen if each.asked_wall_ns >= wall_ns)
        for index, each in enumerate(later):
            window = [other for other in later[index:] if other.asked_wall_ns <= each.asked_wall_ns + 500_000_000]
            if not any(other.ok for other in window):
                return each.asked_wall_ns
        return None

    def first_good_after_ns(self, wall_ns: int) -> int | None:
        """When the first connection that succeeded was opened after this moment."""
        return min(
            (each.asked_wall_ns for each in self.seen if each.ok and each.asked_wall_ns >= wall_ns), default=None
        )
