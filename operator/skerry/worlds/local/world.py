"""The local world: starts the cluster, drives the conductor in real time, carries its actions out, and cleans up.

Whatever happens (a verdict, Ctrl-C, an error), `LocalWorld.run` heals every fault and ends every process it started
before it returns; if it is killed instead, the watchdog does.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from skerry.engine.capabilities import capabilities_for
from skerry.engine.loop import TURN_NS, Loop, OnTurn, nobody_watches
from skerry.engine.world import (
    Action,
    ActionReport,
    Capabilities,
    Finish,
    Heal,
    HealAll,
    Inject,
    InjectorView,
    Observation,
    Steps,
)
from skerry.experiment.document import Experiment
from skerry.history.records import Footer, Header, PhaseEvent, ReplicaDump
from skerry.history.run import History
from skerry.runner.clock import RunClock
from skerry.runner.header import header_of
from skerry.runner.journal import JournalFile
from skerry.runner.refused import refused_run
from skerry.runner.run import Run
from skerry.targets.port import Launch, addresses_on_loopback
from skerry.worlds.local.brokers import BrokerProcess, data_directory_in
from skerry.worlds.local.capabilities import CAPABILITIES, CLOCK_ERROR_NS
from skerry.worlds.local.layout import Layout, lay_out, ports_needed
from skerry.worlds.local.machines import Machines
from skerry.worlds.local.ports import claim_ports
from skerry.worlds.local.proxies import FaultProxy, ProxyError
from skerry.worlds.local.proxy import StallReport
from skerry.worlds.local.watchdog import Watchdog
from skerry.worlds.local.world_faults import Faults

TURN_S = TURN_NS / 1_000_000_000


class RunResult(NamedTuple):
    """What is left of a run."""

    finish: Finish
    history: History
    history_path: Path


class LocalWorld:
    """One run. Use it once: ``await LocalWorld(...).run(conductor)``."""

    def __init__(
        self,
        experiment: Experiment,
        document: str,
        seed: int,
        directory: Path,
        version: str,
        on_turn: OnTurn = nobody_watches,
    ) -> None:
        """``directory`` is this run's own and new; data, logs, journal and history go there. Raises OSError, also when
        there is no program to start."""
        self._experiment = experiment
        self._launch = launch_of(experiment)
        self._on_turn = on_turn
        self._directory = directory
        self._clock = RunClock()
        spec = experiment.spec
        header = _header(experiment, document, seed, version, self._clock)
        self._journal = JournalFile(directory / "journal.jsonl")
        self._finish: Finish | None = None
        self._watchdog = Watchdog()
        self._proxy = FaultProxy(self._watchdog, self._proxy_stalled)
        target, brokers = experiment.target, spec.cluster.brokers
        self._ports = claim_ports(ports_needed(target, brokers), random.Random())
        layout = lay_out(target, brokers, self._ports)
        self._links = layout.links
        self._brokers = {ordinal: self._node(ordinal, layout) for ordinal in range(brokers)}
        system = target.connect(addresses_on_loopback(layout.nodes), experiment)
        self._run = Run(experiment, header, directory, system, self._brokers, self._clock, self._stop_and_dump)
        machines = Machines(self._brokers, self._proxy, self._clock, self._run.observer.brokers)
        self._faults = Faults(machines, self._clock, self._run.report)

    def _node(self, ordinal: int, layout: Layout) -> BrokerProcess:
        directory = self._directory / f"broker-{ordinal}"
        timing = str(self._experiment.spec.cluster.timing)
        command = self._launch.command(layout.place(ordinal, data_directory_in(directory), timing))
        return BrokerProcess(ordinal, command, directory, self._watchdog)

    # --- the World port -----------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        return capabilities_for(CAPABILITIES, self._experiment.target)

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def observe(self) -> Observation:
        run = self._run
        return Observation(
            brokers=run.observer.brokers(),
            links=run.observer.links(),
            workload=run.workload(),
            reports=run.take_reports(),
            injector=InjectorView(not self._proxy.lost, self._proxy.lost, essential=True),
            stalls=run.observer.take_stalls(),
            findings=run.findings,
            abort=run.abort_reason,
        )

    def perform(self, action: Action) -> None:
        match action:
            case Inject():
                self._run.spawn(self._faults.inject(action))
            case Heal():
                self._run.spawn(self._faults.heal(action))
            case HealAll():
                self._run.spawn(self._faults.heal_all(action))
            case Finish():
                self._finish = action
            case _:
                self._run.perform(action)

    def report(self, report: ActionReport) -> None:
        self._run.report(report)

    # --- the loop -------------------------------------------------------------------------------------------

    def abort(self, reason: str) -> None:
        """Heal, drain, stop; the verdict is Inconclusive."""
        self._run.abort_reason = self._run.abort_reason or reason

    @property
    def aborted(self) -> bool:
        return bool(self._run.abort_reason)

    def kill_now(self) -> None:
        """End every process that was started, at once and without asking; the run cannot go on after this."""
        self._watchdog.close()

    async def run(self, conductor: Steps) -> RunResult:
        """The whole run, from starting the brokers to ending them."""
        loop = Loop(conductor, self, self._on_turn)
        try:
            await self._start()
            while not loop.finished:
                loop.carry_out(self._journal.write(loop.decide()))
                self._run.recorder.flush()
                self._run.raise_failure()
                if self._watchdog.replace_if_dead():
                    self._run.note("the watchdog had ended, and was replaced")
                await asyncio.sleep(TURN_S)
        finally:
            await self._close()
        assert self._finish is not None
        return RunResult(self._finish, self._run.history(), self._run.recorder.path)

    async def _start(self) -> None:
        self._run.recorder.append(PhaseEvent("Starting", self._clock.now_ns()))
        try:
            await self._proxy.start(self._links)
        except ProxyError:
            return  # the conductor sees that it is lost, and says so
        for broker in self._brokers.values():
            broker.start()
        await self._run.sampling.start()

    async def _close(self) -> None:
        """Nothing that this run started is left when it returns. Each step is taken, whatever becomes of those before:
        cancelled once more, it waits for nobody, and the watchdog kills who is left."""
        async with contextlib.AsyncExitStack() as steps:  # the last one first
            steps.callback(self._reap_brokers)
            steps.callback(self._watchdog.close)
            steps.callback(self._close_records)
            steps.callback(self._ports.close)
            steps.push_async_callback(self._proxy.stop)
            steps.push_async_callback(self._stop_brokers)
            steps.push_async_callback(self._faults.close)
            steps.push_async_callback(self._run.break_off)

    def _close_records(self) -> None:
        # A run that was refused before anything was recorded ends in order, too; it only has nothing to check.
        refused = self._finish is not None and not self._finish.aborted
        reason = "" if refused else "the run was broken off"
        self._run.recorder.close(Footer(self._clock.now_ns(), aborted=not refused, reason=reason))
        self._journal.close()

    async def _stop_brokers(self) -> None:
        for broker in self._brokers.values():
            broker.signal(signal.SIGCONT)
            broker.signal(signal.SIGTERM)
        await asyncio.gather(*(self._await_end(broker) for broker in self._brokers.values()))

    def _reap_brokers(self) -> None:
        for broker in self._brokers.values():
            broker.reap()

    async def _await_end(self, broker: BrokerProcess) -> None:
        if not await broker.gone(self._launch.stop_s):
            self._run.note("did not stop on SIGTERM and was killed", broker.ordinal)
            broker.signal(signal.SIGKILL)
            await broker.gone(self._launch.stop_s)

    async def _stop_and_dump(self, ends: Mapping[int, int]) -> list[ReplicaDump]:
        await self._run.sampling.stop()
        await self._stop_brokers()
        directories = {ordinal: broker.data_directory for ordinal, broker in self._brokers.items()}
        return await asyncio.to_thread(self._launch.dumps, self._experiment, directories, ends)

    def _proxy_stalled(self, stall: StallReport) -> None:
        self._run.sampling.stalled(-2, stall.from_ns, stall.to_ns)


def refuse(
    experiment: Experiment,
    document: str,
    seed: int,
    directory: Path,
    version: str,
    on_turn: OnTurn = nobody_watches,
) -> RunResult | None:
    """The run of a document that this world refuses, without a cluster; None: it does not. Raises OSError."""
    header = _header(experiment, document, seed, version, RunClock())
    refused = refused_run(experiment, header, directory, capabilities_for(CAPABILITIES, experiment.target), on_turn)
    return RunResult(*refused) if refused is not None else None


def _header(experiment: Experiment, document: str, seed: int, version: str, clock: RunClock) -> Header:
    return header_of(
        experiment,
        document,
        world="local",
        seed=seed,
        started_wall_ns=clock.started_wall_ns,
        version=version,
        clock_error_ns=CLOCK_ERROR_NS,
    )


def launch_of(experiment: Experiment) -> Launch:
    """How its nodes are started here. Raises OSError with a sentence when they cannot be."""
    target = experiment.target
    if target.launch is None:
        raise OSError(f"the target `{target.name}` does not say how it is started on this machine")
    launch = target.launch()
    missing = launch.missing()
    if missing:
        raise OSError(missing)
    return launch


__all__ = ["CAPABILITIES", "LocalWorld", "RunResult", "refuse"]
