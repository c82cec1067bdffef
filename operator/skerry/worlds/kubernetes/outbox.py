"""What goes to the workload pod, in order: an action is sent again until the pod has taken it, or is lost.

The pod passes over ids that it has seen, so that sending twice is doing once. A pod that answers and does not take what
it is sent never will (another version, another token): the recording is as good as lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from itertools import takewhile

from skerry.engine.world import Action, ActionReport, Check, Drain, Finish, ReportState
from skerry.runner.messages import Events
from skerry.worlds.kubernetes.recording import Recording
from skerry.worlds.kubernetes.workload import WorkloadError, WorkloadRefused

AGAIN_S = 0.1
BATCH_MAX = 200


class Outbox:
    """Invariant: what was put first is taken first."""

    def __init__(self, recording: Recording, again_s: float = AGAIN_S) -> None:
        self._recording = recording
        self._again_s = again_s
        self._waiting: deque[Action] = deque()
        self._failures: list[ActionReport] = []
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._task: asyncio.Task[None] | None = None
        self.abort = ""
        self.lost = ""
        """Why nothing can be sent any more; what waits is then answered as failed."""

    def put(self, action: Action) -> None:
        self._waiting.append(action)
        self._filled.set()
        self._empty.clear()

    def take_failures(self) -> tuple[ActionReport, ...]:
        """Answer everything that waits while the pod is lost: nobody else will."""
        if why := self.lost or self._recording.lost:
            now_ns = self._recording.times.now_ns()
            while self._waiting:
                action = self._waiting.popleft()
                self._failures.append(ActionReport(action.id, ReportState.FAILED, now_ns, now_ns, error=why))
            self._empty.set()
        failures, self._failures = tuple(self._failures), []
        return failures

    def start(self) -> None:
        self._task = asyncio.create_task(self._send_all())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def raise_failure(self) -> None:
        """A sender that died must not look like a pod that does nothing."""
        task = self._task
        if task is not None and task.done() and not task.cancelled() and (failure := task.exception()) is not None:
            raise failure

    async def flushed(self, timeout_s: float) -> None:
        """Wait until the pod has taken everything, or is lost, or the time is over."""
        if self.lost or self._recording.lost:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()

    async def _send_all(self) -> None:
        while True:
            await self._filled.wait()
            if not self._waiting:
                self._filled.clear()
                self._empty.set()
                continue
            path, batch = first_batch(tuple(self._waiting)[:BATCH_MAX])
            try:
                await self._recording.post(path, Events(batch, self.abort))
            except WorkloadError as error:
                if isinstance(error, WorkloadRefused):
                    self.lost = str(error)
                if self.lost or self._recording.lost:
                    self._empty.set()
                    return
                await asyncio.sleep(self._again_s)
                continue
            for action in batch:
                if self._waiting and self._waiting[0] is action:  # not answered as failed meanwhile
                    self._waiting.popleft()


def first_batch(waiting: tuple[Action, ...]) -> tuple[str, tuple[Action, ...]]:
    """The path of the first, and all up to the first that goes elsewhere."""
    path = path_of(waiting[0])
    return path, tuple(takewhile(lambda each: path_of(each) == path, waiting))


def path_of(action: Action) -> str:
    match action:
        case Drain():
            return "/drain"
        case Check():
            return "/check"
        case Finish():
            return "/finish"
        case _:
            return "/events"
