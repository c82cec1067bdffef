"""The runner's handle on the fault proxy process: rules in, answers with their clock brackets out."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable

import msgspec

from skerry.worlds.local.proxy import Answer, Command, Link, StallReport
from skerry.worlds.local.rules import Rule
from skerry.worlds.local.watchdog import Watchdog

ANSWER_TIMEOUT_S = 5.0


class ProxyError(Exception):
    """The proxy did not do what it was asked; the sentence says what."""


class FaultProxy:
    """Started once per run; ``rules`` replaces all rules at once, so that doing it twice is doing it once.

    The brokers reach each other only through it. If it dies, another one is started in its place, without any rule: the
    cluster heals, and can be read to its end. But ``lost`` stays: nobody knows what the traffic went through.
    """

    def __init__(self, watchdog: Watchdog, on_stall: Callable[[StallReport], None]) -> None:
        self._watchdog = watchdog
        self._on_stall = on_stall
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._links: tuple[Link, ...] = ()
        self._stopping = False
        self.lost = ""
        """Why it is gone, or could not be started."""
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._next_id = 1

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def start(self, links: tuple[Link, ...]) -> None:
        """Start the process and open every link. Raises ProxyError; ``lost`` then says the same."""
        self._links = links
        try:
            await self._start()
        except ProxyError as error:
            self.lost = str(error)
            raise

    async def _start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "skerry.worlds.local.proxy",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._watchdog.watch(self._process.pid)
        self._reader = asyncio.get_running_loop().create_task(self._read(self._process))
        await self._ask("open", links=self._links)

    async def set_rules(self, rules: tuple[Rule, ...]) -> Answer:
        """These rules and no others hold from now on. Raises ProxyError."""
        return await self._ask("rules", rules=rules)

    async def stop(self) -> None:
        """Close its input, which ends it; kill it if that does not."""
        self._stopping = True
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        self._watchdog.forget(process.pid)
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])
            if not self._reader.cancelled():
                self._reader.result()

    async def _ask(self, op: str, rules: tuple[Rule, ...] = (), links: tuple[Link, ...] = ()) -> Answer:
        process = self._process
        if process is None or process.returncode is not None:
            raise ProxyError("the fault proxy is not running")
        assert process.stdin is not None
        command = Command(self._next_id, op, rules, links)
        self._next_id += 1
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[command.id] = future
        process.stdin.write(msgspec.json.encode(command) + b"\n")
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answer = await future
        except TimeoutError:
            raise ProxyError(f"the fault proxy did not answer {op!r} within {ANSWER_TIMEOUT_S:g} s") from None
        finally:
            self._waiting.pop(command.id, None)
        if answer.error:
            raise ProxyError(f"the fault proxy could not carry out {op!r}: {answer.error}")
        return answer

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        decoder: msgspec.json.Decoder[dict[str, object]] = msgspec.json.Decoder(dict[str, object])
        while line := await process.stdout.readline():
            message = decoder.decode(line)
            if message.get("event") == "stall":
                self._on_stall(msgspec.convert(message, StallReport))
                continue
            answer = msgspec.convert(message, Answer)
            waiting = self._waiting.get(answer.id)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ProxyError("the fault proxy ended while it was being asked"))
        if not self._stopping:
            await self._replace(process)

    async def _replace(self, ended: asyncio.subprocess.Process) -> None:
        """Once: a proxy that dies again and again is not made to look alive."""
        code = await ended.wait()
        self._watchdog.forget(ended.pid)
        first, self.lost = not self.lost, self.lost or f"the fault proxy ended by itself (code {code})"
        if first and not self._stopping:
            with contextlib.suppress(ProxyError):
                await self._start()
