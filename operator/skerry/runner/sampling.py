"""The observer on real sockets: asks nodes by the target's admin client, and this machine for their processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from skerry.engine.world import ProcessState
from skerry.history.records import Stall
from skerry.observe.asks import Ask, Heard, Look, ProcessLook
from skerry.observe.observer import Observer
from skerry.runner.clock import RunClock
from skerry.targets.port import Admin, System
from skerry.workload.operations import NEVER_NS

NS = 1_000_000_000


class Process(Protocol):
    """What is known of a broker's process beside what the broker itself says."""

    @property
    def state(self) -> ProcessState: ...

    @property
    def ended_by_itself(self) -> str:
        """How, and its last words, when nobody told the process to end; else empty."""
        ...

    @property
    def exit_code(self) -> int | None:
        """The exit code of the process that ended; the negative number of the signal that ended it. None: it runs, or
        is unseen."""
        ...

    @property
    def starts(self) -> int: ...

    def log_tail(self, lines: int = 5) -> str: ...


class UnseenProcess:
    """A process on another machine: who can look at it says so elsewhere."""

    state = ProcessState.UNKNOWN
    ended_by_itself = ""
    exit_code: int | None = None
    starts = 0

    def log_tail(self, lines: int = 5) -> str:
        return ""


class Sampling:
    def __init__(self, observer: Observer, system: System, processes: Mapping[int, Process], clock: RunClock) -> None:
        self._observer = observer
        self._system = system
        self._processes = processes
        self._clock = clock
        self._admin: Admin | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wake_ns = NEVER_NS

    async def start(self) -> None:
        self._admin = self._system.admin()
        await self._admin.__aenter__()
        self._observer.start(self._clock.now_ns())
        self.go_on()

    async def stop(self) -> None:
        self._observer.stop()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._admin is not None:
            await self._admin.__aexit__(None, None, None)
            self._admin = None

    def raise_failure(self) -> None:
        """A sampler that died must not look like a cluster that went silent."""
        if self._failure is not None:
            raise self._failure

    def stalled(self, process: int, from_boot_ns: int, to_boot_ns: int) -> None:
        """Somebody else on this machine did not run: the proxy (-2)."""
        self._observer.stalled(Stall(process, self._clock.run_ns(from_boot_ns), self._clock.run_ns(to_boot_ns)))

    def go_on(self, heard: Iterable[Heard] = ()) -> None:
        """Let the observer go on; it is asked again when it wants to be."""
        if self._admin is None:
            return
        for ask in self._observer.step(self._clock.now_ns(), heard):
            task = asyncio.create_task(self._answer(ask, self._admin))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        due_ns = self._observer.next_due_ns
        if due_ns < self._wake_ns:
            if self._timer is not None:
                self._timer.cancel()
            self._wake_ns = due_ns
            delay_s = max(0, due_ns - self._clock.now_ns()) / NS
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._wake)

    def _wake(self) -> None:
        self._wake_ns = NEVER_NS
        self._timer = None
        self.go_on()

    async def _answer(self, ask: Ask, admin: Admin) -> None:
        answer: Any
        process = ProcessLook()
        wall_before_ns = self._clock.wall_ns()
        match ask.look:
            case Look.STATUS:
                answer = await admin.status(ask.ordinal)
                process = _look_at(self._processes[ask.ordinal])
            case Look.METRICS:
                answer = await admin.metrics(ask.ordinal, ask.metric_names)
            case Look.LINKS:
                answer = await admin.check_links(ask.ordinal, ask.asked_ns, ask.closely)
        wall_ns = (wall_before_ns, self._clock.wall_ns())
        self.go_on((Heard(ask.id, self._clock.now_ns(), answer, process, wall_ns),))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failure = self._failure or failure


def _look_at(process: Process) -> ProcessLook:
    ended = process.ended_by_itself
    return ProcessLook(process.state, ended, process.starts, process.log_tail() if ended else "", process.exit_code)
