"""Real broker processes on loopback, for tests marked `local`: started, killed by their own pid, never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import aiohttp

from skerry.worlds.local.ports import claim_ports

PLANES = ("client", "raft", "replication", "admin")

T = TypeVar("T")


async def eventually(attempt: Callable[[], Awaitable[T | None]], what: str, timeout_s: float = 40) -> T:
    """The first answer that is not None. A broker that does not answer yet is asked again; nothing else is retried."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    last: object = None
    while loop.time() < deadline:
        try:
            answer = await attempt()
        except (aiohttp.ClientError, OSError) as error:
            answer, last = None, error
        if answer is not None:
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(f"{what}: not within {timeout_s} s ({last})")


class Processes:
    """``count`` brokers, 1 to ``count``, each with its own directory and log below ``directory``."""

    def __init__(self, directory: Path, count: int = 3, timing: str = "Relaxed") -> None:
        self.directory = directory
        self._claimed = claim_ports(len(PLANES) * count, random.Random())
        weakref.finalize(self, self._claimed.close)
        ports = iter(self._claimed)
        self.ports = {broker: [next(ports) for _ in PLANES] for broker in range(1, count + 1)}
        self.timing = timing
        self.running: dict[int, subprocess.Popen[bytes]] = {}
        self.extra: dict[int, list[str]] = {}
        """Arguments of one broker only, from its next start on."""

    def arguments(self, broker: int) -> list[str]:
        found = [
            f"--broker-id={broker}",
            f"--data-dir={self.directory / str(broker)}",
            f"--listen=127.0.0.1:{','.join(map(str, self.ports[broker]))}",
            f"--timing={self.timing}",
        ]
        found += [
            f"--peer={other}=127.0.0.1:{','.join(map(str, ports))}"
            for other, ports in self.ports.items()
            if other != broker
        ]
        return found + self.extra.get(broker, [])

    def address(self, broker: int, plane: str) -> tuple[str, int]:
        return "127.0.0.1", self.ports[broker][PLANES.index(plane)]

    @property
    def bootstrap(self) -> list[str]:
        return [f"127.0.0.1:{ports[0]}" for ports in self.ports.values()]

    def start(self, *brokers: int, extra: tuple[str, ...] = ()) -> None:
        """Start these, with ``extra`` flags."""
        for broker in brokers:
            with self.log_path(broker).open("ab") as log:
                self.running[broker] = subprocess.Popen(
                    [sys.executable, *self.program_of(broker), *self.arguments(broker), *extra],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )

    def program_of(self, broker: int) -> tuple[str, ...]:
        """What the interpreter runs."""
        return ("-m", "skerry_broker")

    def log_path(self, broker: int) -> Path:
        return self.directory / f"broker-{broker}.log"

    def log(self, broker: int) -> str:
        return self.log_path(broker).read_text()

    def kill(self, broker: int) -> None:
        process = self.running.pop(broker)
        process.kill()
        process.wait()

    def pause(self, broker: int, duration_s: float) -> None:
        process = self.running[broker]
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(duration_s)
        os.kill(process.pid, signal.SIGCONT)

    def terminate(self, broker: int, timeout_s: float = 20) -> int:
        """SIGTERM; the exit code."""
        process = self.running.pop(broker)
        process.terminate()
        try:
            return process.wait(timeout_s)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def close(self) -> None:
        for process in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
        self.running.clear()
        self._claimed.close()
