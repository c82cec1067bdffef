"""The workload on real sockets: carries its operations out with the target's clients, in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from skerry.experiment.document import Experiment
from skerry.history.records import HistoryRecord, ReplicaDump
from skerry.runner.clock import RunClock
from skerry.targets.port import Client, DataModel, System
from skerry.workload.log.load import LoadSpec, LogWorkload
from skerry.workload.log.operations import Dumped, DumpReplicas
from skerry.workload.operations import NEVER_NS, Answer, ClientSpec, Operation
from skerry.workload.port import Workload
from skerry.workload.register.load import RegisterLoadSpec, RegisterWorkload

NS = 1_000_000_000

Dumps = Callable[[Mapping[int, int]], Awaitable[Sequence[ReplicaDump]]]
"""What the disks hold, given where the final read found the end of each unit."""


def workload_of(experiment: Experiment, record: Callable[[HistoryRecord], None]) -> Workload:
    """What the clients of the target's model do."""
    if experiment.target.model is DataModel.REGISTER:
        return RegisterWorkload(RegisterLoadSpec.of(experiment), record)
    return LogWorkload(LoadSpec.of(experiment.spec), record)


class RunError(Exception):
    """An action could not be carried out; the sentence says why and what to change."""


class WorkloadDriver:
    """An operation's time of invocation is read before its first byte is sent, that of its end after its answer was
    understood."""

    def __init__(self, workload: Workload, system: System, clock: RunClock, dumps: Dumps) -> None:
        self._workload = workload
        self._system = system
        self._clock = clock
        self._dumps = dumps
        self._clients: dict[ClientSpec, Client] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._wake_ns = NEVER_NS
        self._closed = False

    def go_on(self, answers: Iterable[Answer] = ()) -> None:
        """Let the workload go on; it is asked again when it wants to be."""
        if self._closed:
            return
        for operation in self._workload.step(self._clock.now_ns(), answers):
            task = asyncio.create_task(self._carry_out(operation))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        self._arm()

    async def close(self) -> None:
        """Break off what is under way: the run is over, in whatever manner."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._workload.abandon(self._clock.now_ns())
        await asyncio.gather(*(client.close() for client in self._clients.values()))

    async def _carry_out(self, operation: Operation) -> None:
        if isinstance(operation.request, DumpReplicas):
            result = await self._dump(operation.request)
        else:
            result = await self._client(operation.client).perform(operation.request)
        self.go_on((Answer(operation.id, self._clock.now_ns(), result),))

    async def _dump(self, request: DumpReplicas) -> Dumped:
        try:
            return Dumped(tuple(await self._dumps(request.ends)))
        except (RunError, OSError, TimeoutError) as failure:
            return Dumped(error=str(failure) or type(failure).__name__)

    def _client(self, spec: ClientSpec) -> Client:
        client = self._clients.get(spec)
        if client is None:
            client = self._clients[spec] = self._system.client(spec)
        return client

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._workload.fail(f"the workload failed: {type(failure).__name__}: {failure}")

    def _arm(self) -> None:
        due_ns = self._workload.next_due_ns
        if due_ns >= self._wake_ns:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._wake_ns = due_ns
        delay_s = max(0, due_ns - self._clock.now_ns()) / NS
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._wake)

    def _wake(self) -> None:
        self._wake_ns = NEVER_NS
        self._timer = None
        self.go_on()
