"""The simulated world: whole experiments in virtual time. The engine's World port on top of `cluster`.

The same document, conductor, checker and report as in the other worlds; only the cluster is simulated. The run is a
function of document and seed. The invariants are on all the time: a violation is a safety finding of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from skerry.checker import judge
from skerry.engine.capabilities import ELSEWHERE, EMPTY_AT_FIRST, PREPARE, capabilities_from
from skerry.engine.conductor import Conductor
from skerry.engine.loop import TURN_NS, Loop, OnTurn, nobody_watches
from skerry.engine.world import (
    Action,
    ActionReport,
    Capabilities,
    Check,
    Finish,
    Heal,
    HealAll,
    Inject,
    Observation,
    ReportState,
    Steps,
)
from skerry.expectations.port import METRICS, PROMQL
from skerry.experiment.document import Experiment
from skerry.history import History, HistoryWriter
from skerry.history.records import FindingSeen, Footer, Header, PhaseEvent
from skerry.observe.asks import Cadence
from skerry.runner.header import header_of
from skerry.runner.journal import JournalFile
from skerry.runner.refused import refused_run
from skerry.schema.verdict import Finding, FindingKind, Verdict
from skerry.workload.log.load import LoadSpec
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.faults.registry import HANDLERS
from skerry.worlds.sim.invariants import Invariants
from skerry.worlds.sim.pings import Pinger
from skerry.worlds.sim.recording import Recording
from skerry.worlds.sim.scheduler import NS_PER_MS, NS_PER_S
from skerry.worlds.sim.streams import Streams
from skerry.worlds.sim.tasks import Tasks, Work
from skerry.worlds.sim.world_faults import BrokenOff, WorldFaults
from skerry_broker.core.node import Node
from skerry_broker.core.types import TIMING_PRESETS

STARTED_WALL_NS = 1_750_000_000 * NS_PER_S
"""The simulated date; a constant, so that the same seed gives the same history."""
CLOCK_ERROR_NS = 20 * NS_PER_MS
CADENCE = Cadence(own_lag_ns=0)
"""Virtual time waits for the recorder."""

CAPABILITIES = capabilities_from(
    "sim",
    HANDLERS.values(),
    others=(PREPARE, METRICS),
    reasons={
        PROMQL: "there is no Prometheus; use a `metric` expectation, or the kubernetes world.",
        ELSEWHERE: EMPTY_AT_FIRST,
    },
    clock_error_ns=CLOCK_ERROR_NS,
    under_test=lambda target: target.simulated,
)


class SimulatedRun(NamedTuple):
    """What is left of a run: (finish, history, history_path)."""

    finish: Finish
    history: History
    history_path: Path


class SimWorld:
    """One run. Use it once: ``SimWorld(...).run(conductor)``."""

    def __init__(
        self,
        experiment: Experiment,
        document: str,
        seed: int,
        directory: Path,
        version: str,
        on_turn: OnTurn = nobody_watches,
    ) -> None:
        """``directory`` is this run's own and new; journal and history go there."""
        self._experiment = experiment
        self._directory = directory
        self._on_turn = on_turn
        self._abort = ""
        self._reports: list[ActionReport] = []
        self._findings: tuple[Finding, ...] | None = None
        self._finish: Finish | None = None
        spec = experiment.spec
        self.invariants = Invariants()
        self.cluster = Cluster(
            Streams(seed),
            Node,
            self.invariants,
            brokers=spec.cluster.brokers,
            timing=TIMING_PRESETS[str(spec.cluster.timing)],
            started_wall_ns=STARTED_WALL_NS,
        )
        self.invariants.attach(self.cluster.hosts, self.now_ns)
        self._tasks = Tasks(self.cluster.scheduler)
        self._pinger = Pinger(self.cluster)
        self.recording = self._new_recording(experiment)
        self.recording.add(_header(experiment, document, seed, version))
        self.recording.add(PhaseEvent("Starting", 0))
        self.cluster.start_all()
        self.recording.observe()
        self._faults = WorldFaults(self.cluster, self.invariants.truth)
        self._journal = JournalFile(directory / "journal.jsonl")

    def _new_recording(self, experiment: Experiment) -> Recording:
        spec = experiment.spec
        return Recording(
            self.cluster,
            LoadSpec.of(spec),
            cadence=CADENCE,
            timing=str(spec.cluster.timing),
            started_wall_ns=STARTED_WALL_NS,
            metrics=experiment.metrics,
            stamps=frozenset(experiment.target.stamps or ()),
            kept_links=self._pinger.kept,
            check_new=self._pinger.check_new,
        )

    # --- the World port -------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def now_ns(self) -> int:
        return self.cluster.scheduler.now_ns

    def observe(self) -> Observation:
        recording = self.recording
        reports, self._reports = tuple(self._reports), []
        return Observation(
            brokers=recording.observer.brokers(),
            links=recording.observer.links(),
            workload=recording.workload.view(self.now_ns()),
            reports=reports + recording.take_reports(),
            findings=self._findings,
            abort=self._abort,
        )

    def perform(self, action: Action) -> None:
        match action:
            case Inject():
                self._begin(action.id, self._faults.inject(action))
            case Heal():
                self._faults.lift(action.occurrence, action.fault)
                self._done(action.id)
            case HealAll():
                self._faults.lift_everything()
                self._done(action.id)
            case Check():
                self._check()
                self._done(action.id)
            case Finish():
                self._finish = action
            case _:
                self.recording.perform(action)

    def report(self, report: ActionReport) -> None:
        self._reports.append(report)

    # --- the loop -------------------------------------------------------------------------------------------

    def abort(self, reason: str) -> None:
        """Heal, drain, stop; the verdict is Inconclusive."""
        self._abort = self._abort or reason

    def run(self, conductor: Steps) -> SimulatedRun:
        """The whole run, in virtual time."""
        loop = Loop(conductor, self, self._on_turn)
        try:
            while not loop.finished:
                loop.carry_out(self._journal.write(loop.decide()))
                self.cluster.run_for(TURN_NS)
        finally:
            self._journal.close()
        assert self._finish is not None
        history = History(self.recording.records)
        path = self._directory / "history.jsonl"
        with path.open("wb") as lines:
            writer = HistoryWriter(lines)
            for record in self.recording.records:
                writer.append(record)
        return SimulatedRun(self._finish, history, path)

    # --- actions --------------------------------------------------------------------------------------------

    def _begin(self, action_id: int, work: Work) -> None:
        self._tasks.spawn(self._bracket(action_id, work))

    def _bracket(self, action_id: int, work: Work) -> Work:
        before_ns = self.now_ns()
        wall_ns = STARTED_WALL_NS + before_ns
        self._reports.append(ActionReport(action_id, ReportState.STARTED, before_ns, before_wall_ns=wall_ns))
        state, error = ReportState.DONE, ""
        try:
            yield from work
        except BrokenOff as broken_off:
            state, error = ReportState.FAILED, str(broken_off)
        self._reports.append(ActionReport(action_id, state, before_ns, self.now_ns(), wall_ns, error))

    def _done(self, action_id: int) -> None:
        now_ns = self.now_ns()
        self._reports.append(ActionReport(action_id, ReportState.DONE, now_ns, now_ns, STARTED_WALL_NS + now_ns))

    def _check(self) -> None:
        recording = self.recording
        invariants = self._invariant_findings()
        for seen in invariants:
            recording.add(seen)
        recording.add(Footer(self.now_ns(), bool(self._abort), self._abort))
        self._findings = (*(seen.finding for seen in invariants), *judge(History(recording.records), self._experiment))

    def _invariant_findings(self) -> list[FindingSeen]:
        """One for each invariant that broke, at the moment at which it first did."""
        violations = self.invariants.violations
        if not violations:
            message = f"{self.invariants.checks} effects of the brokers kept every invariant of the protocol"
            return [FindingSeen(self.now_ns(), Finding(FindingKind.SAFETY, "invariants", Verdict.PASS, message))]
        seen = []
        for rule in dict.fromkeys(violation.rule for violation in violations):
            broken = [violation for violation in violations if violation.rule == rule]
            again = f" ({len(broken)} times until {broken[-1].at_ns / 1e9:.2f} s)" if len(broken) > 1 else ""
            finding = Finding(
                FindingKind.SAFETY,
                "invariants",
                Verdict.FAIL,
                f"{broken[0].sentence}{again}",
                "InvariantBroken",
                name=rule,
            )
            seen.append(FindingSeen(broken[0].at_ns, finding))
        return seen


def _header(experiment: Experiment, document: str, seed: int, version: str) -> Header:
    return header_of(
        experiment,
        document,
        world="sim",
        seed=seed,
        started_wall_ns=STARTED_WALL_NS,
        version=version,
        clock_error_ns=CLOCK_ERROR_NS,
    )


def run_simulated(
    experiment: Experiment,
    document: str,
    seed: int,
    directory: Path,
    version: str,
    on_turn: OnTurn = nobody_watches,
) -> SimulatedRun:
    """Run one experiment in virtual time; Ctrl-C ends it at once (nothing is left behind). One that is refused gets no
    cluster."""
    refused = refused_run(experiment, _header(experiment, document, seed, version), directory, CAPABILITIES, on_turn)
    if refused is not None:
        return SimulatedRun(*refused)
    world = SimWorld(experiment, document, seed, directory, version, on_turn)
    return world.run(Conductor(experiment, seed, CAPABILITIES))
