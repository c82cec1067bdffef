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
from typing import IO, Any, NamedTuple

import msgspec

from skerry.checker import check
from skerry.engine.world import (
    Action,
    ActionReport,
    Capabilities,
    Check,
    CheckLinks,
    Drain,
    Feature,
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
    turn,
)
from skerry.experiment.document import Experiment
from skerry.experiment.verdict import Finding
from skerry.experiment.vocabulary import Plane
from skerry.history.codec import read_history
from skerry.history.records import HISTORY_VERSION, Footer, Header, Note, PhaseEvent
from skerry.history.run import History
from skerry.targets.skerry import BrokerPorts, Target, broker_arguments
from skerry.worlds.local.brokers import BrokerProcess
from skerry.worlds.local.drain import dump_replicas, final_read
from skerry.worlds.local.faults import Faults
from skerry.worlds.local.load import Load
from skerry.worlds.local.ports import free_ports
from skerry.worlds.local.proxies import FaultProxy
from skerry.worlds.local.proxy import Link, StallReport
from skerry.worlds.local.recorder import Recorder, RunClock
from skerry.worlds.local.sampling import Sampler
from skerry.worlds.local.watchdog import Watchdog

NS = 1_000_000_000
TURN_S = 0.05
STOP_TIMEOUT_S = 8.0
PROXIED_PLANES = (Plane.RAFT, Plane.REPLICATION)
CLOCK_ERROR_NS = 1_000_000
"""The brokers stamp elections with the wall clock, the runner judges by the boot clock of the same machine."""

CAPABILITIES = Capabilities(
    world="local",
    features=frozenset(
        {
            Feature.PARTITION,
            Feature.PARTITION_ONE_WAY,
            Feature.PARTITION_ESTABLISHED,
            Feature.PARTITION_REJECT,
            Feature.SLOW,
            Feature.SLOW_LOSS,
            Feature.SLOW_RATE,
            Feature.KILL_PROCESS,
            Feature.KILL_POD_DELETE,
            Feature.KILL_DOWN_FOR,
            Feature.RESTART_GRACEFUL,
            Feature.RESTART_KILL,
            Feature.PAUSE,
            Feature.WIPE,
            Feature.PREPARE,
            Feature.METRICS,
        }
    ),
    reasons={
        Feature.PARTITION_CLIENT: "clients reach the brokers directly; use `planes: [Raft, Replication]`.",
        Feature.PROMQL: "there is no Prometheus; use a `metric` expectation, or the kubernetes world.",
        Feature.CLOCK_JUMP: "the brokers share this machine's clock; use `--world sim`.",
        Feature.CLOCK_DRIFT: "the brokers share this machine's clock; use `--world sim`.",
        Feature.DISK_LOSE_UNSYNCED: "a killed process keeps what the kernel cached; use `--world sim`.",
        Feature.DISK_TORN_WRITE: "a killed process keeps what the kernel cached; use `--world sim`.",
        Feature.DISK_FSYNC_ERROR: "it needs a file system that fails on demand; use `--world sim`.",
        Feature.DISK_SLOW: "it needs a file system that is slow on demand; use `--world sim`.",
        Feature.DISK_BIT_FLIP: "use `--world sim`.",
    },
    clock_error_ns=CLOCK_ERROR_NS,
)

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
        self._journal: IO[bytes] = (directory / "journal.jsonl").open("wb")
        self._reports: list[ActionReport] = []
        self._findings: tuple[Finding, ...] | None = None
        self._finish: Finish | None = None
        self._abort = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._watchdog = Watchdog()
        self._proxy = FaultProxy(self._watchdog, self._proxy_stalled)
        ports = free_ports(spec.cluster.brokers * (4 + 2 * (spec.cluster.brokers - 1)), random.Random())
        self._ports = [BrokerPorts(*ports[4 * i : 4 * i + 4]) for i in range(spec.cluster.brokers)]
        self._links = self._plan_links(ports[4 * spec.cluster.brokers :])
        self._brokers = {
            ordinal: BrokerProcess(ordinal, self._arguments(ordinal), directory / f"broker-{ordinal}", self._watchdog)
            for ordinal in range(spec.cluster.brokers)
        }
        self._target = Target(dict(enumerate(self._ports)))
        names = frozenset(expectation.metric.name for expectation in spec.expect if expectation.metric is not None)
        self._sampler = Sampler(self._target, self._brokers, self._recorder, self._clock, names)
        self._load = Load(experiment, self._target, self._recorder, self._clock)
        self._faults = Faults(self._brokers, self._proxy, self._clock, self._reports.append)

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
            workload=self._load.view(now_ns),
            reports=reports,
            injector=InjectorView(self._proxy.alive, "" if self._proxy.alive else "the fault proxy has ended"),
            stalls=self._sampler.take_stalls(),
            findings=self._findings,
            abort=self._abort,
        )

    def journal(self, action: Action) -> None:
        self._journal.write(msgspec.json.encode(action) + b"\n")
        self._journal.flush()

    def perform(self, action: Action) -> None:
        match action:
            case Record():
                self._recorder.append(action.record)
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

    async def run(self, conductor: Steps) -> RunResult:
        """The whole run, from starting the brokers to ending them. Raises WorldError."""
        try:
            await self._start()
            while not conductor.finished:
                actions = turn(conductor, self)
                self._on_turn(self._clock.now_ns(), self.observe_again(), actions)
                self._recorder.flush()
                self._raise_from_tasks()
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
            workload=self._load.view(self._clock.now_ns()),
            abort=self._abort,
        )

    async def _start(self) -> None:
        self._recorder.append(PhaseEvent("Starting", self._clock.now_ns()))
        await self._proxy.start(self._links)
        for broker in self._brokers.values():
            broker.start()
        await self._sampler.start()

    async def _close(self) -> None:
        """Nothing that this run started is left when it returns."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sampler.stop()
        await self._stop_brokers()
        await self._proxy.stop()
        self._recorder.close(Footer(self._clock.now_ns(), aborted=True, reason="the run was broken off"))
        self._journal.close()
        self._watchdog.close()

    async def _stop_brokers(self) -> None:
        for broker in self._brokers.values():
            broker.signal(signal.SIGCONT)
            broker.signal(signal.SIGTERM)
        await asyncio.gather(*(self._await_end(broker) for broker in self._brokers.values()))

    async def _await_end(self, broker: BrokerProcess) -> None:
        if not await asyncio.to_thread(broker.wait, STOP_TIMEOUT_S):
            self._recorder.append(Note(self._clock.now_ns(), "did not stop on SIGTERM and was killed", broker.ordinal))
            broker.signal(signal.SIGKILL)
            await asyncio.to_thread(broker.wait, STOP_TIMEOUT_S)

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

    def _plan_links(self, ports: list[int]) -> tuple[Link, ...]:
        links = []
        free = iter(ports)
        for source, _ in enumerate(self._ports):
            for target, target_ports in enumerate(self._ports):
                if source != target:
                    for plane in PROXIED_PLANES:
                        links.append(Link(source, target, str(plane), next(free), target_ports.of(plane)))
        return tuple(links)

    def _arguments(self, ordinal: int) -> list[str]:
        through = {(link.target, link.plane): link.listen_port for link in self._links if link.source == ordinal}
        peers = {
            peer: BrokerPorts(
                ports.client, through[peer, str(Plane.RAFT)], through[peer, str(Plane.REPLICATION)], ports.admin
            )
            for peer, ports in enumerate(self._ports)
            if peer != ordinal
        }
        return broker_arguments(ordinal, self._ports[ordinal], peers, str(self._experiment.spec.cluster.timing))
