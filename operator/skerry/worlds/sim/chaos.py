"""One seed, from an empty disk to a verdict: found, load, break, heal, converge, read everything, judge.

``run_seed(seed)`` is a function of its arguments: the same seed gives the same hash of all events.
"""

from __future__ import annotations

import traceback

import msgspec

from skerry.checker import PROPERTIES, check
from skerry.checker.common import faults, processes
from skerry.engine.actions import Prepare
from skerry.engine.observation import ReportState
from skerry.history import History
from skerry.history.collector import collector_paused
from skerry.history.records import HISTORY_VERSION, Footer, Header, HistoryRecord, PhaseEvent
from skerry.observe.asks import Cadence
from skerry.schema.verdict import Finding, Verdict
from skerry.workload.log.clients import Asked
from skerry.workload.log.load import LoadSpec
from skerry.workload.log.prepare import Wanted
from skerry.worlds.sim.chaos_faults import Faults
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.invariants import Invariants, Violation
from skerry.worlds.sim.liveness import controller_of, statuses, why_not_whole
from skerry.worlds.sim.plan import CHAOS_BEGINS_NS, Plan, draw_plan
from skerry.worlds.sim.ports import NodeFactory
from skerry.worlds.sim.recording import Recording
from skerry.worlds.sim.scheduler import NS_PER_MS, NS_PER_S
from skerry.worlds.sim.streams import Streams
from skerry_broker.core.node import Node

TOPIC = "orders"
STARTED_WALL_NS = 1_750_000_000 * NS_PER_S
FORM_WITHIN_NS = 10 * NS_PER_S
CONVERGE_WITHIN_NS = 20 * NS_PER_S
"""I-LIV-5: leader everywhere and full ISR after everything is healed."""
STABLE_FOR_NS = 3 * NS_PER_S
"""I-LIV-1: no new term while nothing is broken."""
DRAIN_WITHIN_NS = 40 * NS_PER_S
LOOK_EVERY_NS = 250 * NS_PER_MS
CADENCE = Cadence(status_ns=LOOK_EVERY_NS, metrics_ns=0, own_lag_ns=0, kept_links=False)
"""Nobody verifies faults here, and no expectation is judged: the invariants see everything."""
PREPARE_ID = 1
DELIVERY_TIMEOUT_MS = 30_000
REQUEST_TIMEOUT_MS = 3000
RECORD_BYTES = 100
"""Without meaning here: batches are opaque."""
EVENTS_MAX = 3_000_000
CHECKED = [rule for rule in PROPERTIES if rule not in (processes.PROPERTY, faults.PROPERTY)]
"""The faults of a plan stand in no history but for what takes data away, and that without what an engine would measure
of it: a process that they restart would look like somebody else's deed, and no fault like one that was verified."""


class SeedResult(msgspec.Struct):
    seed: int
    plan: Plan
    events: int
    """Steps of brokers and clients, and actions of the world."""
    virtual_ns: int
    hash: str
    violations: list[Violation]
    findings: list[Finding]
    """The checker's, other than Pass."""
    history: list[HistoryRecord]
    acknowledged: int
    """Counted in records."""
    checks: int
    last_events: list[str]
    """In words, when asked for."""

    @property
    def passed(self) -> bool:
        return not self.violations and not self.findings

    def story(self) -> str:
        """Why it failed, in a few lines, and how to replay it."""
        lines = [f"seed {self.seed}: {len(self.violations)} violations, {len(self.findings)} findings"]
        lines += [f"  {violation}" for violation in self.violations[:10]]
        lines += [f"  {finding.verdict} {finding.rule}: {finding.message}" for finding in self.findings[:10]]
        lines.append(f"  faults: {', '.join(self.plan.classes)}")
        lines.append(f"  replay: python -m skerry.worlds.sim.replay {self.seed}")
        return "\n".join(lines)


class _Ended(Exception):
    """A violation was found; what follows it proves nothing more."""


class SeedRun:
    def __init__(self, plan: Plan, factory: NodeFactory, *, keep_events: int = 0) -> None:
        self.plan = plan
        self.invariants = Invariants(plan.flush)
        self.streams = Streams(plan.seed)
        self.cluster = Cluster(
            self.streams,
            factory,
            self.invariants,
            brokers=plan.brokers,
            flush=plan.flush,
            codec=plan.codec,
            keep_events=keep_events,
            max_drift_ppm=plan.max_drift_ppm,
            raft_entries_max_before_snapshot=plan.entries_before_snapshot,
            started_wall_ns=STARTED_WALL_NS,
        )
        self.invariants.attach(self.cluster.hosts, lambda: self.cluster.scheduler.now_ns)
        self.invariants.on_violation = self.cluster.scheduler.stop
        self.recording = Recording(self.cluster, load_of(plan), cadence=CADENCE)
        self.faults = Faults(self.cluster, self.invariants.truth, self.recording, TOPIC)

    @collector_paused()
    def run(self) -> SeedResult:
        recording, cluster = self.recording, self.cluster
        recording.add(
            Header(
                HISTORY_VERSION,
                f"chaos-seed-{self.plan.seed}",
                document_of_plan(self.plan),
                "sim",
                self.plan.seed,
                STARTED_WALL_NS,
                "0",
                self.plan.brokers,
                self.plan.flush.value,
                clock_error_ns=20 * NS_PER_MS,
            )
        )
        try:
            self._form()
            self._break()
            self._heal()
            self._drain()
        except _Ended:
            pass
        except Exception as error:
            # A machine that raises is a crash of the product (or of this world), at this very event.
            where = traceback.format_exc(limit=-6)
            self.invariants.truth.violate("raised", -1, f"{type(error).__name__}: {error}\n{where}")
        recording.add(Footer(cluster.now_ns, bool(self.violations), self.violations[0].rule if self.violations else ""))
        findings: list[Finding] = []
        if not self.violations:
            findings = check(History(recording.records), properties=CHECKED)
            findings = [finding for finding in findings if finding.verdict is not Verdict.PASS]
        return SeedResult(
            self.plan.seed,
            self.plan,
            cluster.trace.events,
            cluster.now_ns,
            cluster.trace.digest(),
            self.violations,
            findings,
            recording.records,
            recording.workload.tally.acknowledged,
            self.invariants.checks,
            cluster.trace.last_lines(),
        )

    @property
    def violations(self) -> list[Violation]:
        return self.invariants.violations

    # --- the phases -----------------------------------------------------------------------------------------

    def _run_to(self, until_ns: int) -> None:
        ran = self.cluster.scheduler.run(until_ns, EVENTS_MAX - self.cluster.scheduler.events)
        if self.violations:
            raise _Ended
        if not ran:
            self._fail("too-many-events", f"{EVENTS_MAX} events are not enough for {until_ns / NS_PER_S:.1f} s")

    def _fail(self, rule: str, message: str) -> None:
        self.invariants.truth.violate(rule, -1, message)
        raise _Ended

    def _phase(self, name: str) -> None:
        self.recording.add(PhaseEvent(name, self.cluster.now_ns))

    def _form(self) -> None:
        """An empty cluster founds itself, makes the topic and spreads it."""
        self._phase("Preflight")
        cluster = self.cluster
        cluster.start_all()
        self.recording.perform(Prepare(PREPARE_ID))
        self._converge("never-formed", FORM_WITHIN_NS)
        reports = {report.id: report for report in self.recording.take_reports()}
        if reports[PREPARE_ID].state is not ReportState.DONE:
            self._fail("never-formed", f"the topic was not created: {reports[PREPARE_ID]}")
        self._phase("SteadyState")
        self.recording.observe()
        self.recording.workload.start(cluster.now_ns)
        self.recording.work(())
        self._look(None)

    def _look(self, _: object) -> None:
        self.invariants.look(self.cluster)
        self.cluster.scheduler.post(self.cluster.now_ns + LOOK_EVERY_NS, self._look)

    def _break(self) -> None:
        self._phase("Injecting")
        begins_ns = max(self.cluster.now_ns, CHAOS_BEGINS_NS)
        late_ns = begins_ns - CHAOS_BEGINS_NS
        for step in self.plan.steps:
            self.cluster.scheduler.post(step.at_ns + late_ns, self.faults.carry_out, step)
        self._run_to(self.plan.chaos_ends_ns + late_ns)

    def _heal(self) -> None:
        self._phase("Healing")
        self.faults.heal_everything()
        self._phase("Recovering")
        self._converge("never-whole-again", CONVERGE_WITHIN_NS)
        before = self.recording.workload.tally.by_partition.copy()
        terms = self._terms()
        self._run_to(self.cluster.now_ns + STABLE_FOR_NS)
        if self._terms() != terms:
            self._fail("terms-not-stable", f"{terms} became {self._terms()} with nothing broken")
        reason = self._why_not_whole()
        if reason:
            self._fail("not-stable", f"whole once, then again not: {reason}")
        for partition, count in enumerate(self.recording.workload.tally.by_partition):
            if count <= before[partition]:
                self._fail("writes-do-not-flow", f"no write to {TOPIC}-{partition} in {STABLE_FOR_NS / NS_PER_S} s")

    def _terms(self) -> tuple[int, int]:
        found = statuses(self.cluster)
        return max(status.raft.term for status in found), controller_of(found)

    def _converge(self, rule: str, within_ns: int) -> None:
        deadline_ns = self.cluster.now_ns + within_ns
        while reason := self._why_not_whole():
            if self.cluster.now_ns >= deadline_ns:
                self._fail(rule, f"after {within_ns / NS_PER_S:.0f} s: {reason}")
            self._run_to(self.cluster.now_ns + 100 * NS_PER_MS)

    def _why_not_whole(self) -> str:
        if self.faults.moving:
            return "a move of leadership is still asked for"
        return why_not_whole(self.cluster, TOPIC, self.plan.partitions)

    def _drain(self) -> None:
        self._phase("Draining")
        workload = self.recording.workload
        workload.stop(self.cluster.now_ns)
        deadline_ns = self.cluster.now_ns + DRAIN_WITHIN_NS
        while not workload.idle:
            if self.cluster.now_ns >= deadline_ns:
                self._fail("never-drained", "operations are still in flight")
            self._run_to(self.cluster.now_ns + 100 * NS_PER_MS)
        workload.read_everything(self.cluster.now_ns)
        self.recording.work(())
        deadline_ns = self.cluster.now_ns + DRAIN_WITHIN_NS
        while (ends := workload.ends) is None or len(ends) < self.plan.partitions:
            if self.cluster.now_ns >= deadline_ns:
                self._fail("never-read", "the final read did not end")
            self._run_to(self.cluster.now_ns + 100 * NS_PER_MS)
        self._run_to(self.cluster.now_ns + NS_PER_S)
        high_watermarks = self._high_watermarks()
        for dump in self.recording.dumps(high_watermarks):
            self.recording.add(dump)

    def _high_watermarks(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for status in statuses(self.cluster):
            for part in status.partitions:
                if part.partition.topic == TOPIC and part.high_watermark is not None:
                    number = part.partition.partition
                    found[number] = max(found.get(number, -1), part.high_watermark)
        return found


def load_of(plan: Plan) -> LoadSpec:
    asked = Asked(
        TOPIC, plan.partitions, plan.acks.value, plan.idempotent, RECORD_BYTES, DELIVERY_TIMEOUT_MS, REQUEST_TIMEOUT_MS
    )
    wanted = Wanted(TOPIC, plan.partitions, 3, plan.min_in_sync_replicas)
    return LoadSpec(asked, wanted, plan.producers, plan.consumers, plan.records_per_second)


def document_of_plan(plan: Plan) -> str:
    """The plan as a document, as far as the checker needs it: what was asked for decides what is owed."""
    return f"""apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {{name: chaos-seed-{plan.seed}}}
spec:
  hypothesis: Whatever this seed breaks, nothing that was acknowledged is lost and the cluster recovers.
  cluster: {{brokers: {plan.brokers}}}
  topic:
    name: {TOPIC}
    partitions: {plan.partitions}
    replicationFactor: 3
    minInSyncReplicas: {plan.min_in_sync_replicas}
  workload:
    producers: {plan.producers}
    consumers: {plan.consumers}
    ratePerSecond: {plan.records_per_second}
    acks: {plan.acks.value}
    idempotent: {str(plan.idempotent).lower()}
  seed: {plan.seed}
  faults: # at least one is needed; what really happened is the plan's, and the wipe is in the history
  - {{name: plan, startAfter: 1s, duration: 1s, pause: {{target: {{ordinal: 0}}}}}}
"""


def run_plan(plan: Plan, factory: NodeFactory = Node, *, keep_events: int = 0) -> SeedResult:
    """Run a plan; ``factory`` builds the brokers (a test may put a broken one in its place)."""
    return SeedRun(plan, factory, keep_events=keep_events).run()


def run_seed(seed: int, factory: NodeFactory = Node, *, keep_events: int = 0) -> SeedResult:
    return run_plan(draw_plan(seed), factory, keep_events=keep_events)
