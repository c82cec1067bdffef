"""One run as it is recorded: carries out what the conductor asks of workload, eyes and checker, and writes it down.

Faults are not its business: whoever holds it injects them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from skerry.checker import judge
from skerry.engine.world import (
    Action,
    ActionReport,
    Check,
    CheckLinks,
    Drain,
    Prepare,
    Record,
    ReportState,
    StartProbe,
    StartWorkload,
    StopProbe,
    WorkloadView,
)
from skerry.experiment.document import Experiment
from skerry.history.codec import read_history
from skerry.history.records import Footer, Header, Note, ReplicaDump
from skerry.history.run import History
from skerry.runner.clock import RunClock
from skerry.runner.final_read import final_read
from skerry.runner.load import Load
from skerry.runner.recorder import Recorder
from skerry.runner.sampling import Process, Sampler
from skerry.schema.verdict import Finding
from skerry.targets.skerry.client import ADMIN_TIMEOUT_MS
from skerry.targets.skerry.system import SkerrySystem
from skerry.workload.log.operations import CreateTopic, MoveController, MoveLeader, Told
from skerry.workload.operations import ClientSpec

Dumps = Callable[[Mapping[int, int]], Awaitable[Sequence[ReplicaDump]]]
"""The replicas of the topic, given the high watermark that the final read found in each partition."""


class RunError(Exception):
    """An action could not be carried out; the sentence says why and what to change."""


class Run:
    """Use it once. Invariant: every action that it takes is answered by a report, in ``take_reports``."""

    def __init__(
        self,
        experiment: Experiment,
        header: Header,
        directory: Path,
        target: SkerrySystem,
        processes: Mapping[int, Process],
        clock: RunClock,
        dumps: Dumps,
    ) -> None:
        """``directory`` gets the history. Raises OSError."""
        names = frozenset(each.metric.name for each in experiment.spec.expect if each.metric is not None)
        self.experiment = experiment
        self.clock = clock
        self.recorder = Recorder(directory / "history.jsonl", header)
        self.sampler = Sampler(target, processes, self.recorder, clock, names)
        self.load = Load(experiment, target, self.recorder, clock)
        self.findings: tuple[Finding, ...] | None = None
        self.abort_reason = ""
        self._target = target
        self._dumps = dumps
        self._reports: list[ActionReport] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what the conductor sees --------------------------------------------------------------------------

    def take_reports(self) -> tuple[ActionReport, ...]:
        """New ones since the last call."""
        reports = tuple(self._reports)
        self._reports.clear()
        return reports

    def workload(self) -> WorkloadView:
        """A history that cannot be written is as good as no workload: what happens now is not evidence."""
        view = self.load.view(self.clock.now_ns())
        return msgspec.structs.replace(view, lost=self.recorder.failure) if self.recorder.failure else view

    # --- what the conductor asks --------------------------------------------------------------------------

    def perform(self, action: Action) -> bool:
        """Begin it; False: it is none of ours."""
        match action:
            case Record():
                self.recorder.append(action.record)
            case Prepare():
                self.spawn(self._report_around(action.id, self._prepare(action)))
            case StartWorkload():
                self.load.start()
                self._done(action.id)
            case StartProbe():
                self.load.start_probe(action)
                self._done(action.id)
            case StopProbe():
                self.load.stop_probe(action.probe)
                self._done(action.id)
            case CheckLinks():
                self.spawn(self._report_around(action.id, self.sampler.check_links()))
            case Drain():
                self.spawn(self._report_around(action.id, self._drain()))
            case Check():
                self.spawn(self._report_around(action.id, self._check()))
            case _:
                return False
        return True

    def report(self, report: ActionReport) -> None:
        """What whoever injects the faults has to say."""
        self._reports.append(report)

    def note(self, text: str, broker: int = -1) -> None:
        self.recorder.append(Note(self.clock.now_ns(), text, broker))

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(coroutine))

    def raise_failure(self) -> None:
        """A bug in carrying an action out ends the run; it must not look like a cluster that does nothing."""
        self.sampler.raise_failure()
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            if not task.cancelled() and (failure := task.exception()) is not None:
                raise failure

    # --- life ---------------------------------------------------------------------------------------------

    async def break_off(self) -> None:
        """Whatever is under way ends now; nothing is recorded of it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.load.close()
        await self.sampler.stop()

    def history(self) -> History:
        with self.recorder.path.open("rb") as lines:
            return read_history(lines)

    async def _prepare(self, action: Prepare) -> None:
        async with self._target.client(ClientSpec("prepare")) as client:
            create = CreateTopic(
                action.topic,
                action.partitions,
                action.replication_factor,
                action.min_in_sync_replicas,
                ADMIN_TIMEOUT_MS,
            )
            told = await client.perform(create)
            assert isinstance(told, Told)
            if told.error and not told.exists:
                raise RunError(f"topic {action.topic} was not created ({told.outcome}): {told.error}")
            if action.controller >= 0:
                await client.perform(MoveController(action.controller, ADMIN_TIMEOUT_MS))
            for partition, ordinal in action.leaders:
                await client.perform(MoveLeader(action.topic, partition, ordinal, ADMIN_TIMEOUT_MS))

    async def _drain(self) -> None:
        await self.load.stop()
        ends = await final_read(self.experiment, self._target, self.load, self.recorder, self.clock)
        for dump in await self._dumps(ends):
            self.recorder.append(dump)
        self.load.drained()

    async def _check(self) -> None:
        self.recorder.close(Footer(self.clock.now_ns(), aborted=bool(self.abort_reason), reason=self.abort_reason))
        self.findings = await asyncio.to_thread(lambda: tuple(judge(self.history(), self.experiment)))

    async def _report_around(self, action_id: int, work: Coroutine[Any, Any, None]) -> None:
        before_ns, wall_ns = self.clock.now_ns(), self.clock.wall_ns()
        self._reports.append(ActionReport(action_id, ReportState.STARTED, before_ns, before_wall_ns=wall_ns))
        state, error = ReportState.DONE, ""
        try:
            await work
        except (RunError, OSError, TimeoutError) as failure:
            state, error = ReportState.FAILED, str(failure) or type(failure).__name__
        self._reports.append(ActionReport(action_id, state, before_ns, self.clock.now_ns(), wall_ns, error))

    def _done(self, action_id: int) -> None:
        now_ns = self.clock.now_ns()
        self._reports.append(ActionReport(action_id, ReportState.DONE, now_ns, now_ns, self.clock.wall_ns()))
