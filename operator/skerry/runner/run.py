"""One run as it is recorded: carries out what the conductor asks of workload, observer and checker, and writes it down.

Faults are not its business: its owner injects them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec

from skerry.engine.world import Action, ActionReport, Check, Record, ReportState, WorkloadView
from skerry.experiment.document import Experiment
from skerry.history.codec import blocks_of, read_history
from skerry.history.records import Footer, Header, Note
from skerry.history.run import History
from skerry.observe.observer import Observer
from skerry.runner.clock import RunClock
from skerry.runner.judging import judged_apart
from skerry.runner.recorder import Recorder
from skerry.runner.sampling import Process, Sampling
from skerry.runner.workload import Dumps, RunError, WorkloadDriver, workload_of
from skerry.schema.verdict import Finding
from skerry.targets.port import System


class Run:
    """Use it once. Invariant: every action that it takes is answered by a report, in ``take_reports``."""

    def __init__(
        self,
        experiment: Experiment,
        header: Header,
        directory: Path,
        system: System,
        processes: Mapping[int, Process],
        clock: RunClock,
        dumps: Dumps,
    ) -> None:
        """``directory`` gets the history. Raises OSError."""
        names = experiment.metrics
        self.experiment = experiment
        self.clock = clock
        self.recorder = Recorder(directory / "history.jsonl", header)
        self.observer = Observer(
            tuple(processes),
            self.recorder.append,
            metrics=names,
            stamps=frozenset(experiment.target.stamps or ()),
        )
        self.sampling = Sampling(self.observer, system, processes, clock)
        self._workload = workload_of(experiment, self.recorder.append)
        self._driver = WorkloadDriver(self._workload, system, clock, dumps)
        self.findings: tuple[Finding, ...] | None = None
        self.abort_reason = ""
        self._reports: list[ActionReport] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what the conductor sees --------------------------------------------------------------------------

    def take_reports(self) -> tuple[ActionReport, ...]:
        """New ones since the last call."""
        reports = (*self._reports, *self._workload.take_reports(), *self.observer.take_reports())
        self._reports.clear()
        return reports

    def workload(self) -> WorkloadView:
        """A history that cannot be written is as good as no workload: what happens now is not evidence."""
        view = self._workload.view(self.clock.now_ns())
        return msgspec.structs.replace(view, lost=self.recorder.failure) if self.recorder.failure else view

    # --- what the conductor asks --------------------------------------------------------------------------

    def perform(self, action: Action) -> bool:
        """Begin it; False: it is none of ours."""
        now_ns, wall_ns = self.clock.now_ns(), self.clock.wall_ns()
        if isinstance(action, Record):
            self.recorder.append(action.record)
        elif isinstance(action, Check):
            self.spawn(self._report_around(action.id, self._check()))
        elif self._workload.perform(action, now_ns, wall_ns):
            self._driver.go_on()
        elif self.observer.perform(action, now_ns, wall_ns):
            self.sampling.go_on()
        else:
            return False
        return True

    def report(self, report: ActionReport) -> None:
        """What the injector of the faults has to say."""
        self._reports.append(report)

    def note(self, text: str, broker: int = -1) -> None:
        self.recorder.append(Note(self.clock.now_ns(), text, broker))

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(coroutine))

    def raise_failure(self) -> None:
        """A bug in carrying an action out ends the run; it must not look like a cluster that does nothing."""
        self.sampling.raise_failure()
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
        await self._driver.close()
        await self.sampling.stop()

    def history(self) -> History:
        with self.recorder.path.open("rb") as file:
            return read_history(blocks_of(file))

    async def _check(self) -> None:
        self.recorder.close(Footer(self.clock.now_ns(), aborted=bool(self.abort_reason), reason=self.abort_reason))
        self.findings = await judged_apart(self.recorder.path)

    async def _report_around(self, action_id: int, work: Coroutine[Any, Any, None]) -> None:
        before_ns, wall_ns = self.clock.now_ns(), self.clock.wall_ns()
        self._reports.append(ActionReport(action_id, ReportState.STARTED, before_ns, before_wall_ns=wall_ns))
        state, error = ReportState.DONE, ""
        try:
            await work
        except (RunError, OSError, TimeoutError) as failure:
            state, error = ReportState.FAILED, str(failure) or type(failure).__name__
        self._reports.append(ActionReport(action_id, state, before_ns, self.clock.now_ns(), wall_ns, error))
