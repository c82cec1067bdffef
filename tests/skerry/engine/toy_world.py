"""A toy cluster behind the World port: enough of one to tell a conductor a story, and to lie to it on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import permutations

from skerry.engine.capabilities import all_features
from skerry.engine.conductor import Conductor
from skerry.engine.world import (
    Action,
    ActionReport,
    BrokerView,
    Capabilities,
    Check,
    CheckLinks,
    Finish,
    Heal,
    HealAll,
    Inject,
    InjectorView,
    LinkKind,
    LinkView,
    Observation,
    OccurrenceId,
    PartitionAcks,
    ProcessState,
    Record,
    ReportState,
    ResolvedFault,
    StartWorkload,
    WorkloadView,
)
from skerry.experiment import Finding, FindingKind, Verdict
from skerry.faults.kill import Kill
from skerry.faults.network_partition import Cut
from skerry.faults.pause import Pause
from skerry.faults.wipe import Wipe
from skerry.history.records import BrokerSample, FaultEvent, PhaseEvent
from skerry.targets.skerry.planes import Plane

MS = 1_000_000
S = 1_000 * MS
TURN_NS = 100 * MS

ALL_FEATURES = Capabilities("toy", all_features(), frozenset({"skerry"}))
PASS = Finding(FindingKind.SAFETY, "lost-write", Verdict.PASS, "Nothing was lost.")


@dataclass
class ToyBroker:
    alive: bool = True
    paused: bool = False
    epoch: int = 10
    incarnation: int = 0
    clean: bool = True


@dataclass
class ToyWorld:
    """Three brokers, two partitions of `orders`; a fault is applied at once and a heal ends it at once."""

    brokers: int = 3
    partitions: int = 2
    ignores: set[str] = field(default_factory=set)
    """Kinds of fault that are reported as done and silently not applied."""
    silent: tuple[type, ...] = ()
    """Actions that are never reported."""
    fails: tuple[type, ...] = ()
    """Actions that are reported as failed."""
    findings: tuple[Finding, ...] | None = (PASS,)
    report_delay_ns: int = 0
    clean_restarts: bool = False
    """Killed brokers come back as after a clean shutdown: they were not really killed."""
    now_ns: int = 0
    leaders: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 1})
    epochs: dict[int, int] = field(default_factory=lambda: {0: 3, 1: 3})
    controller: int = 1
    started: bool = False
    abort: str = ""
    disproof: str = ""
    injector_alive: bool = True
    writes_flow: bool = True
    isr_whole: bool = True
    extra_cut: set[tuple[int, int]] = field(default_factory=set)
    """Pairs that fail although nobody cut them."""
    sample_age_ns: int = 0
    """How old the samples of brokers are when they are shown."""

    def __post_init__(self) -> None:
        self.nodes = [ToyBroker() for _ in range(self.brokers)]
        self.standing: dict[OccurrenceId, ResolvedFault] = {}
        self.actions: list[tuple[int, Action]] = []
        self.reports: list[tuple[int, ActionReport]] = []
        self.links_asked_ns = -1
        self.opened: dict[tuple[int, int, Plane], tuple[int, bool]] = {}
        """When a new connection was tried last, and whether it was opened."""
        self.answered_ns: dict[tuple[int, int, Plane], int] = {}
        self.checked = False
        self.samples: list[tuple[BrokerView, ...]] = []

    # --- the port ---------------------------------------------------------------------------------------

    def observe(self) -> Observation:
        due = tuple(report for at_ns, report in self.reports if at_ns <= self.now_ns)
        self.reports = [(at_ns, report) for at_ns, report in self.reports if at_ns > self.now_ns]
        self.samples.append(tuple(self._view(ordinal) for ordinal in range(self.brokers)))
        old_enough = [views for views in self.samples if views[0].sampled_ns <= self.now_ns - self.sample_age_ns]
        return Observation(
            brokers=(old_enough or self.samples)[-1 if old_enough else 0],
            links=tuple(self._links()),
            workload=self._workload(),
            reports=due,
            injector=InjectorView(self.injector_alive),
            findings=self.findings if self.checked else None,
            abort=self.abort,
            disproof=self.disproof,
        )

    def perform(self, action: Action) -> None:
        self.actions.append((self.now_ns, action))
        if isinstance(action, self.fails):
            self.tell(action, ReportState.FAILED, "the toy refuses")
            return
        if isinstance(action, Inject):
            self.inject(action)
        elif isinstance(action, Heal):
            self.heal(action.occurrence)
        elif isinstance(action, HealAll):
            for occurrence in list(self.standing):
                self.heal(occurrence)
        elif isinstance(action, StartWorkload):
            self.started = True
        elif isinstance(action, CheckLinks):
            self.links_asked_ns = self.now_ns
            list(self._links())  # each is tried now
        elif isinstance(action, Check) and Check not in self.silent:
            self.checked = True
        if not isinstance(action, self.silent):
            self.tell(action, ReportState.DONE)

    def run(self, conductor: Conductor, seconds: int = 600, until: Callable[[], bool] = lambda: False) -> None:
        end_ns = self.now_ns + seconds * S
        while not conductor.finished and self.now_ns < end_ns and not until():
            for action in conductor.step(self.now_ns, self.observe()):
                self.perform(action)
            self.now_ns += TURN_NS

    # --- what the stories ask ---------------------------------------------------------------------------

    def of(self, kind: type) -> list[Action]:
        return [action for _, action in self.actions if isinstance(action, kind)]

    @property
    def finish(self) -> Finish:
        (finish,) = self.of(Finish)
        assert isinstance(finish, Finish)
        assert self.actions[-1][1] is finish
        return finish

    @property
    def fault_events(self) -> list[FaultEvent]:
        return [a.record for _, a in self.actions if isinstance(a, Record) and isinstance(a.record, FaultEvent)]

    @property
    def steps(self) -> list[str]:
        """`cut#0 injecting`, in order."""
        return [f"{event.fault}#{event.occurrence} {event.step.value}" for event in self.fault_events]

    @property
    def phases(self) -> list[str]:
        return [a.record.phase for _, a in self.actions if isinstance(a, Record) and isinstance(a.record, PhaseEvent)]

    # --- the toy ----------------------------------------------------------------------------------------

    def tell(self, action: Action, state: ReportState, error: str = "") -> None:
        at_ns = self.now_ns + self.report_delay_ns
        self.reports.append((at_ns, ActionReport(action.id, state, self.now_ns, at_ns, 10**18 + self.now_ns, error)))

    def inject(self, action: Inject) -> None:
        fault = action.fault
        if type(fault).__name__ in self.ignores:
            return
        self.standing[action.occurrence] = fault
        if isinstance(fault, Kill | Wipe):
            for ordinal in fault.ordinals:
                self.nodes[ordinal].alive = False
                self._depose(ordinal)
        elif isinstance(fault, Pause):
            for ordinal in fault.ordinals:
                self.nodes[ordinal].paused = True
        elif isinstance(fault, Cut):
            self._depose(self.leaders[0]) if self.leaders[0] in fault.links[0] else None

    def _depose(self, ordinal: int) -> None:
        for partition, leader in self.leaders.items():
            if leader == ordinal:
                self.leaders[partition] = next(o for o in range(self.brokers) if o != ordinal and self.nodes[o].alive)
                self.epochs[partition] += 1

    def heal(self, occurrence: OccurrenceId) -> None:
        fault = self.standing.pop(occurrence, None)
        if isinstance(fault, Kill | Wipe):
            for ordinal in fault.ordinals:
                node = self.nodes[ordinal]
                node.alive, node.epoch, node.incarnation = True, node.epoch + 1, node.incarnation + 1
                node.clean = self.clean_restarts
        elif isinstance(fault, Pause):
            for ordinal in fault.ordinals:
                self.nodes[ordinal].paused = False

    def _view(self, ordinal: int) -> BrokerView:
        node = self.nodes[ordinal]
        isr = tuple(range(self.brokers)) if self.isr_whole else (0,)
        samples = tuple(
            BrokerSample(
                "orders",
                partition,
                self.leaders[partition],
                self.epochs[partition],
                isr,
                (),
                5,
                5,
                "Leader" if self.leaders[partition] == ordinal else "Follower",
            )
            for partition in range(self.partitions)
        )
        return BrokerView(
            ordinal,
            self.now_ns,
            reachable=node.alive and not node.paused,
            process=ProcessState.STOPPED if node.paused else ProcessState.RUNNING if node.alive else ProcessState.GONE,
            process_sampled_ns=self.now_ns,
            broker_epoch=node.epoch,
            incarnation=f"{ordinal}-{node.incarnation}",
            directory_id=f"disk-{ordinal}-{node.incarnation}",
            registered_clean=node.clean,
            group_role="Leader" if self.controller == ordinal else "Follower",
            term=4,
            controller=self.controller,
            fenced=False,
            partitions=samples,
        )

    def _links(self) -> Iterator[LinkView]:
        cut = {
            (source, target, plane)
            for fault in self.standing.values()
            if isinstance(fault, Cut)
            for source, target in fault.links
            for plane in fault.planes
        }
        cut |= {(a, b, plane) for a, b in self.extra_cut for plane in (Plane.RAFT, Plane.REPLICATION)}
        for source, target in permutations(range(self.brokers), 2):
            for plane in (Plane.RAFT, Plane.REPLICATION):
                dead = any(not self.nodes[o].alive or self.nodes[o].paused for o in (source, target))
                hears = not dead and (target, source, plane) not in cut
                ok = hears and (source, target, plane) not in cut
                answered_ns = self.now_ns if ok else self.answered_ns.get((source, target, plane), 0)
                self.answered_ns[source, target, plane] = answered_ns
                silent_ns = self.now_ns - answered_ns
                yield LinkView(
                    source,
                    target,
                    plane,
                    LinkKind.KEPT,
                    self.now_ns,
                    silent_ns < 300 * MS,
                    silent_ns,
                    rtt_ns=MS,
                    received_one_way=int(hears or silent_ns < 300 * MS),
                )
                asked_ns, opened = self.opened.get((source, target, plane), (-1, False))
                if asked_ns < self.links_asked_ns:
                    asked_ns, opened = self.opened[source, target, plane] = self.links_asked_ns, ok
                if asked_ns >= 0:
                    yield LinkView(source, target, plane, LinkKind.NEW, asked_ns, opened)

    def _workload(self) -> WorkloadView:
        flowing = self.started and self.writes_flow
        last_ns = self.now_ns if flowing else -1
        acks = tuple(PartitionAcks(partition, 1, last_ns) for partition in range(self.partitions))
        return WorkloadView(self.started, 1, 100, acks)


DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: story}
spec:
  hypothesis: It is a story.
  topic: {partitions: 2}
  timeout: 60s
"""

CUT = """  faults:
  - name: cut
    startAfter: 1s
    duration: 4s
    partition: {groups: [[{role: PartitionLeader, partition: 0}], [{role: Other}]]}
"""

KILL = """  faults:
  - name: crash
    startAfter: 1s
    kill: {target: {role: PartitionLeader, partition: 0}, how: Process, downFor: 3s}
"""
PAUSE = """  faults:
  - name: freeze
    startAfter: 1s
    duration: 3s
    pause: {target: {ordinal: 2}}
"""
