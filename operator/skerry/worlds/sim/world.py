"""The simulated world: whole experiments in virtual time. The engine's World port on top of `cluster`.

The same document, conductor, checker and report as in the other worlds; only the cluster is simulated. The run is a
function of document and seed. The invariants are on all the time: a violation is a safety finding of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from skerry.checker import judge
from skerry.engine.capabilities import METRICS, PREPARE, PROMQL, capabilities_from
from skerry.engine.conductor import Conductor
from skerry.engine.loop import TURN_NS, Loop, OnTurn, nobody_watches
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
    Observation,
    PartitionAcks,
    Prepare,
    Record,
    ReportState,
    StartProbe,
    StartWorkload,
    Steps,
    StopProbe,
    WorkloadView,
)
from skerry.experiment.document import Experiment
from skerry.history import History, HistoryWriter
from skerry.history.records import HISTORY_VERSION, FindingSeen, Footer, Header, Note, PhaseEvent
from skerry.runner.journal import JournalFile
from skerry.schema.verdict import Finding, FindingKind, Verdict
from skerry.worlds.sim.clients import ClientHub
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.eyes import Eyes
from skerry.worlds.sim.faults.registry import HANDLERS
from skerry.worlds.sim.invariants import Invariants
from skerry.worlds.sim.pings import FAILED_AFTER_NS, Pinger
from skerry.worlds.sim.prober import Prober
from skerry.worlds.sim.recorder import Recorder
from skerry.worlds.sim.scheduler import NS_PER_MS, NS_PER_S
from skerry.worlds.sim.streams import Streams
from skerry.worlds.sim.tasks import Tasks, Work
from skerry.worlds.sim.world_faults import WorldFaults
from skerry_broker.core.api import (
    ClientRequest,
    CreateTopicRequest,
    ElectLeaderRequest,
    ErrorCode,
    TransferControllerRequest,
)
from skerry_broker.core.client import ClientConfig, Completed, Operation
from skerry_broker.core.node import Node
from skerry_broker.core.types import TIMING_PRESETS, Acks

STARTED_WALL_NS = 1_750_000_000 * NS_PER_S
"""The simulated date; a constant, so that the same seed gives the same history."""
CLOCK_ERROR_NS = 20 * NS_PER_MS
FINAL_READ_WITHIN_NS = 30 * NS_PER_S

CAPABILITIES = capabilities_from(
    "sim",
    HANDLERS.values(),
    others=(PREPARE, METRICS),
    reasons={PROMQL: "there is no Prometheus; use a `metric` expectation, or the kubernetes world."},
    clock_error_ns=CLOCK_ERROR_NS,
)


class SimulatedRun(NamedTuple):
    """What is left of a run: (finish, history, history_path)."""

    finish: Finish
    history: History
    history_path: Path


class PrepareFailed(Exception):
    """The sentence says why."""


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
        self._started = False
        self._drained = False
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
        self.recorder = Recorder(self.cluster, ClientHub(self.cluster), spec.topic.name, spec.topic.partitions)
        self.recorder.add(
            Header(
                HISTORY_VERSION,
                experiment.name,
                document,
                "sim",
                seed,
                STARTED_WALL_NS,
                version,
                spec.cluster.brokers,
                clock_error_ns=CLOCK_ERROR_NS,
            )
        )
        self.recorder.add(PhaseEvent("Starting", 0))
        self.cluster.start_all()
        self._prober = Prober(self.recorder)
        self._pinger = Pinger(self.cluster)
        names = frozenset(expectation.metric.name for expectation in spec.expect if expectation.metric is not None)
        self._eyes = Eyes(self.cluster, self.recorder, self._pinger, STARTED_WALL_NS, str(spec.cluster.timing), names)
        self._faults = WorldFaults(self.cluster, self.invariants.truth)
        self._journal = JournalFile(directory / "journal.jsonl")

    # --- the World port -------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def now_ns(self) -> int:
        return self.cluster.scheduler.now_ns

    def observe(self) -> Observation:
        reports, self._reports = tuple(self._reports), []
        recorder = self.recorder
        return Observation(
            brokers=tuple(self._eyes.brokers.values()),
            links=tuple(self._eyes.links.values()),
            workload=WorkloadView(
                self._started,
                recorder.acknowledged,
                recorder.acks_in_last_second(),
                tuple(
                    PartitionAcks(partition, count, recorder.last_ack_ns[partition])
                    for partition, count in enumerate(recorder.acknowledged_by_partition)
                ),
                self._drained,
            ),
            reports=reports,
            findings=self._findings,
            abort=self._abort,
        )

    def perform(self, action: Action) -> None:
        match action:
            case Record():
                self.recorder.add(action.record)
            case Inject():
                self._begin(action.id, self._faults.inject(action))
            case Heal():
                self._faults.lift(action.occurrence, action.fault)
                self._done(action.id)
            case HealAll():
                self._faults.lift_everything()
                self._done(action.id)
            case Prepare():
                self._begin(action.id, self._prepare(action))
            case CheckLinks():
                self._begin(action.id, self._check_links())
            case Drain():
                self._begin(action.id, self._drain())
            case Check():
                self._check()
                self._done(action.id)
            case StartWorkload():
                self._start_workload()
                self._done(action.id)
            case StartProbe():
                self._prober.start(action)
                self._done(action.id)
            case StopProbe():
                self._prober.stop(action.probe)
                self._done(action.id)
            case Finish():
                self._finish = action

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
        history = History(self.recorder.records)
        path = self._directory / "history.jsonl"
        with path.open("wb") as lines:
            writer = HistoryWriter(lines)
            for record in self.recorder.records:
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
        except PrepareFailed as failure:
            state, error = ReportState.FAILED, str(failure)
        self._reports.append(ActionReport(action_id, state, before_ns, self.now_ns(), wall_ns, error))

    def _done(self, action_id: int) -> None:
        now_ns = self.now_ns()
        self._reports.append(ActionReport(action_id, ReportState.DONE, now_ns, now_ns, STARTED_WALL_NS + now_ns))

    def _prepare(self, action: Prepare) -> Work:
        create = CreateTopicRequest(
            action.topic, action.partitions, action.replication_factor, action.min_in_sync_replicas
        )
        requests: list[ClientRequest] = [create]
        if action.controller >= 0:
            requests.append(TransferControllerRequest(action.controller))
        requests += [ElectLeaderRequest(action.topic, partition, ordinal) for partition, ordinal in action.leaders]
        client = self.recorder.hub.client(ClientConfig(idempotent=False), f"prepare {action.id}")
        for request in requests:
            done: list[Completed] = []
            client.submit(Operation(request), done.append)
            yield lambda: bool(done)  # noqa: B023 (asked only before the next one is made)
            if request is create and done[0].error not in (ErrorCode.NONE, ErrorCode.TOPIC_EXISTS):
                raise PrepareFailed(f"topic {action.topic} was not created: {done[0].error} {done[0].message}")

    def _check_links(self) -> Work:
        self._pinger.check_new()
        yield FAILED_AFTER_NS + NS_PER_MS

    def _start_workload(self) -> None:
        if self._started:
            return
        self._started = True
        workload = self._experiment.spec.workload
        self.recorder.start_producers(
            workload.producers,
            workload.rate_per_second,
            Acks(workload.acks.value),
            ClientConfig(idempotent=workload.idempotent, delivery_timeout_ms=10_000),
        )
        self.recorder.start_consumers(workload.consumers)

    def _drain(self) -> Work:
        recorder = self.recorder
        recorder.stop()
        self._prober.stop()
        yield lambda: recorder.idle and self._prober.idle
        finished: list[bool] = []
        deadline_ns = self.now_ns() + FINAL_READ_WITHIN_NS
        ends = recorder.read_everything(lambda: finished.append(True), deadline_ns)
        yield lambda: bool(finished) or self.now_ns() > deadline_ns
        for partition in range(recorder.partitions):
            if partition not in ends:
                seconds = FINAL_READ_WITHIN_NS // NS_PER_S
                recorder.add(
                    Note(self.now_ns(), f"partition {partition} could not be read to its end within {seconds} s")
                )
        yield NS_PER_S
        recorder.dump_replicas([ends.get(partition, -1) for partition in range(recorder.partitions)])
        self._drained = True

    def _check(self) -> None:
        recorder = self.recorder
        invariants = self._invariant_findings()
        for seen in invariants:
            recorder.add(seen)
        recorder.add(Footer(self.now_ns(), bool(self._abort), self._abort))
        self._findings = (*(seen.finding for seen in invariants), *judge(History(recorder.records), self._experiment))

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


def run_simulated(
    experiment: Experiment,
    document: str,
    seed: int,
    directory: Path,
    version: str,
    on_turn: OnTurn = nobody_watches,
) -> SimulatedRun:
    """Run one experiment in virtual time; Ctrl-C ends it at once (nothing is left behind)."""
    world = SimWorld(experiment, document, seed, directory, version, on_turn)
    return world.run(Conductor(experiment, seed, CAPABILITIES))
