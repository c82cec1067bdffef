"""The local world: starts the cluster, drives the conductor in real time, carries its actions out, and cleans up.

Whatever happens (a verdict, Ctrl-C, an error), `LocalWorld.run` heals every fault and ends every process it started
before it returns; if it is killed instead, the watchdog does.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from skerry.checker import check
from skerry.engine.world import (
    Action,
    ActionReport,
    Capabilities,
    Check,
    CheckLinks,
    Drain,
    Finish,
    Heal,
    HealAll,
    Inject,
    InjectorView,
    Observation,
    Prepare,
    Record,
    ReportState,
    StartProbe,
    StartWorkload,
    Steps,
    StopProbe,
    WorkloadView,
    turn,
)
from skerry.experiment.document import Experiment
from skerry.experiment.verdict import Finding
from skerry.history.codec import read_history
from skerry.history.records import HISTORY_VERSION, Footer, Header, Note, PhaseEvent
from skerry.history.run import History
from skerry.targets.skerry import Target
from skerry.worlds.local.brokers import BrokerProcess
from skerry.worlds.local.capabilities import CAPABILITIES, CLOCK_ERROR_NS
from skerry.worlds.local.drain import dump_replicas, final_read
from skerry.worlds.local.faults import Faults
from skerry.worlds.local.journal import JournalFile
from skerry.worlds.local.layout import lay_out, ports_needed
from skerry.worlds.local.load import Load
from skerry.worlds.local.ports import free_ports
from skerry.worlds.local.proxies import FaultProxy, ProxyError
from skerry.worlds.local.proxy import StallReport
from skerry.worlds.local.recorder import Recorder, RunClock
from skerry.worlds.local.sampling import Sampler
from skerry.worlds.local.watchdog import Watchdog

TURN_S = 0.05
STOP_TIMEOUT_S = 8.0

OnTurn = Callable[[int, Observation, Sequence[Action]], None]


class RunResult(NamedTuple):
    """What is left of a run."""

    finish: Finish
    history: History
    history_path: Path


class WorldError(Exception):
    """The run could not be carried out at all; the sentence says why and what to change."""


class LocalWorld:
    """One run. Use it once: ``await LocalWorld(...).run(conductor)``."""

    def __init__(
        self,
        experiment: Experiment,
        document: str,
        seed: int,
        directory: Path,
        version: str,
        on_turn: OnTurn = lambda now_ns, observation, actions: None,
    ) -> None:
        """``directory`` is this run's own and new; data, logs, journal and history go there."""
        self._experiment = experiment
        self._on_turn = on_turn
        self._directory = directory
        self._clock = RunClock()
        spec = experiment.spec
        header = Header(
            version=HISTORY_VERSION,
            experiment=experiment.name,
            document=document,
            world="local",
            seed=seed,
            started_wall_ns=self._clock.started_wall_ns,
            skerry_version=version,
            brokers=spec.cluster.brokers,
            clock_error_ns=CLOCK_ERROR_NS,
        )
        self._recorder = Recorder(directory / "history.jsonl", header)
        self._journal = JournalFile(directory / "journal.jsonl")
        self._reports: list[ActionReport] = []
        self._findings: tuple[Finding, ...] | None = None
        self._finish: Finish | None = None
        self._abort = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._watchdog = Watchdog()
        self._proxy = FaultProxy(self._watchdog, self._proxy_stalled)
        brokers = spec.cluster.brokers
        layout = lay_out(brokers, free_ports(ports_needed(brokers), random.Random()))
        self._links = layout.links
        self._brokers = {
            ordinal: BrokerProcess(
                ordinal,
                layout.arguments(ordinal, str(spec.cluster.timing)),
                directory / f"broker-{ordinal}",
                self._watchdog,
            )
            for ordinal in range(brokers)
        }
        self._target = Target(dict(enumerate(layout.brokers)))
        names = frozenset(expectation.metric.name for expectation in spec.expect if expectation.metric is not None)
        self._sampler = Sampler(self._target, self._brokers, self._recorder, self._clock, names)
        self._load = Load(experiment, self._target, self._recorder, self._clock)
        self._faults = Faults(self._brokers, self._proxy, self._clock, self._reports.append, self._sampler.brokers)

    # --- the World port -----------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def observe(self) -> Observation:
        now_ns = self._clock.now_ns()
        reports = tuple(self._reports)
        self._reports.clear()
        return Observation(
            brokers=self._sampler.brokers(),
            links=self._sampler.links(),
            workload=self._workload(now_ns),
            reports=reports,
            injector=InjectorView(not self._proxy.lost, self._proxy.lost, essential=True),
            stalls=self._sampler.take_stalls(),
            findings=self._findings,
            abort=self._abort,
        )

    def journal(self, action: Action) -> None:
        self._journal.append(action)

    def perform(self, action: Action) -> None:
        match action:
            case Record():
                self._recorder.append(action.record)
            case Inject() if self._journal.failure:
                # What is not in the journal is not injected: nobody could undo it.
                now_ns = self._clock.now_ns()
                failed = ActionReport(action.id, ReportState.FAILED, now_ns, now_ns, error=self._journal.failure)
                self._reports.append(failed)
            case Inject():
                self._spawn(self._faults.inject(action))
            case Heal():
                self._spawn(self._faults.heal(action))
            case HealAll():
                self._spawn(self._faults.heal_all(action))
            case Prepare():
                self._spawn(self._report_around(action.id, self._prepare(action)))
            case CheckLinks():
                self._spawn(self._report_around(action.id, self._sampler.check_links()))
            case Drain():
                self._spawn(self._report_around(action.id, self._drain()))
            case Check():
                self._spawn(self._report_around(action.id, self._check()))
            case StartWorkload():
                self._load.start()
                self._done(action.id)
            case StartProbe():
                self._load.start_probe(action)
                self._done(action.id)
            case StopProbe():
                self._load.stop_probe(action.probe)
                self._done(action.id)
            case Finish():
                self._finish = action

    # --- the loop -------------------------------------------------------------------------------------------

    def abort(self, reason: str) -> None:
        """Heal, drain, stop; the verdict is Inconclusive."""
        self._abort = self._abort or reason

    @property
    def aborted(self) -> bool:
        return bool(self._abort)

    def kill_now(self) -> None:
        """End every process that was started, at once and without asking; the run cannot go on after this."""
        self._watchdog.close()

    async def run(self, conductor: Steps) -> RunResult:
        """The whole run, from starting the brokers to ending them. Raises WorldError."""
        try:
            await self._start()
            while not conductor.finished:
                actions = turn(conductor, self)
                self._on_turn(self._clock.now_ns(), self.observe_again(), actions)
                self._recorder.flush()
                self._sampler.raise_failure()
                self._raise_from_tasks()
                if self._watchdog.replace_if_dead():
                    self._note("the watchdog had ended, and was replaced")
                await asyncio.sleep(TURN_S)
        finally:
            await self._close()
        assert self._finish is not None
        with self._recorder.path.open("rb") as lines:
            return RunResult(self._finish, read_history(lines), self._recorder.path)

    def observe_again(self) -> Observation:
        """The same picture for whoever watches, without taking anything from the conductor."""
        return Observation(
            brokers=self._sampler.brokers(),
            links=self._sampler.links(),
            workload=self._workload(self._clock.now_ns()),
            abort=self._abort,
        )

    def _workload(self, now_ns: int) -> WorkloadView:
        """A history that cannot be written is as good as no workload: what happens now is not evidence."""
        view = self._load.view(now_ns)
        return msgspec.structs.replace(view, lost=self._recorder.failure) if self._recorder.failure else view

    async def _start(self) -> None:
        self._recorder.append(PhaseEvent("Starting", self._clock.now_ns()))
        try:
            await self._proxy.start(self._links)
        except ProxyError:
            return  # the conductor sees that it is lost, and says so
        for broker in self._brokers.values():
            broker.start()
        await self._sampler.start()

    async def _close(self) -> None:
        """Nothing that this run started is left when it returns."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._faults.close()
        await self._load.close()
        await self._sampler.stop()
        await self._stop_brokers()
        await self._proxy.stop()
        # A run that was refused before anything was recorded ends in order, too; it only has nothing to check.
        refused = self._finish is not None and not self._finish.aborted
        reason = "" if refused else "the run was broken off"
        self._recorder.close(Footer(self._clock.now_ns(), aborted=not refused, reason=reason))
        self._journal.close()
        self._watchdog.close()

    async def _stop_brokers(self) -> None:
        for broker in self._brokers.values():
            broker.signal(signal.SIGCONT)
            broker.signal(signal.SIGTERM)
        await asyncio.gather(*(self._await_end(broker) for broker in self._brokers.values()))

    async def _await_end(self, broker: BrokerProcess) -> None:
        if not await broker.gone(STOP_TIMEOUT_S):
            self._note("did not stop on SIGTERM and was killed", broker.ordinal)
            broker.signal(signal.SIGKILL)
            await broker.gone(STOP_TIMEOUT_S)

    # --- actions ----------------------------------------------------------------------------------------------

    async def _prepare(self, action: Prepare) -> None:
        async with self._target.client(idempotent=False) as client:
            outcome, error = await client.create_topic(
                action.topic, action.partitions, action.replication_factor, action.min_in_sync_replicas
            )
            if error and error != "TopicExists":
                raise WorldError(f"topic {action.topic} was not created ({outcome}): {error}")
            if action.controller >= 0:
                await client.transfer_controller(action.controller)
            for partition, ordinal in action.leaders:
                await client.elect_leader(action.topic, partition, ordinal)

    async def _drain(self) -> None:
        await self._load.stop()
        ends = await final_read(self._experiment, self._target, self._load, self._recorder, self._clock)
        await self._sampler.stop()
        await self._stop_brokers()
        dumps = await asyncio.to_thread(dump_replicas, self._experiment, self._brokers, ends)
        for dump in dumps:
            self._recorder.append(dump)
        self._load.drained()

    async def _check(self) -> None:
        self._recorder.close(Footer(self._clock.now_ns(), aborted=bool(self._abort), reason=self._abort))
        self._findings = await asyncio.to_thread(self._judge)

    def _judge(self) -> tuple[Finding, ...]:
        with self._recorder.path.open("rb") as lines:
            return tuple(check(read_history(lines), self._experiment))

    async def _report_around(self, action_id: int, work: Coroutine[Any, Any, None]) -> None:
        before_ns, wall_ns = self._clock.now_ns(), self._clock.wall_ns()
        self._reports.append(ActionReport(action_id, ReportState.STARTED, before_ns, before_wall_ns=wall_ns))
        state, error = ReportState.DONE, ""
        try:
            await work
        except (WorldError, OSError, TimeoutError) as failure:
            state, error = ReportState.FAILED, str(failure) or type(failure).__name__
        self._reports.append(ActionReport(action_id, state, before_ns, self._clock.now_ns(), wall_ns, error))

    def _done(self, action_id: int) -> None:
        now_ns = self._clock.now_ns()
        self._reports.append(ActionReport(action_id, ReportState.DONE, now_ns, now_ns, self._clock.wall_ns()))

    # --- small things -------------------------------------------------------------------------------------------

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(coroutine))

    def _raise_from_tasks(self) -> None:
        """A bug in carrying an action out ends the run; it must not look like a cluster that does nothing."""
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            if not task.cancelled() and (failure := task.exception()) is not None:
                raise failure

    def _proxy_stalled(self, stall: StallReport) -> None:
        self._sampler.stalled(-2, stall.from_ns, stall.to_ns)

    def _note(self, text: str, broker: int = -1) -> None:
        self._recorder.append(Note(self._clock.now_ns(), text, broker))


__all__ = ["CAPABILITIES", "LocalWorld", "RunResult", "WorldError"]
