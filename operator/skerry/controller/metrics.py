"""The operator's own metrics: ``docs/metrics.md`` has the table."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from skerry.controller.status import PENDING
from skerry.engine.progress import Phase
from skerry.history.records import FaultEvent, FaultStep
from skerry.schema.verdict import Verdict
from skerry.worlds.kubernetes.faults.registry import HANDLERS

NS = 1_000_000_000
PHASES = (PENDING, *map(str, Phase))
BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)
KINDS = tuple(kind for kind, handler in HANDLERS.items() if handler.carries)
"""What this world can do: their histograms are there from the start, so that the first rate is right."""


class Metrics:
    """One registry of this operator's own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.phase = Gauge(
            "skerry_experiment_phase",
            "1 for the phase that the experiment is in, 0 for the others.",
            ("namespace", "experiment", "phase"),
            registry=self.registry,
        )
        self.effective = Gauge(
            "skerry_fault_effective_timestamp_seconds",
            "When the fault took effect: the wall clock at the early edge of the action.",
            ("namespace", "experiment", "fault"),
            registry=self.registry,
        )
        self.healed = Gauge(
            "skerry_fault_healed_timestamp_seconds",
            "When the fault was healed: the wall clock at the early edge of the action.",
            ("namespace", "experiment", "fault"),
            registry=self.registry,
        )
        self.running = Gauge(
            "skerry_experiments_running", "Experiments that were accepted and have no verdict.", registry=self.registry
        )
        self.verdicts = Counter(
            "skerry_verdicts", "Experiments that came to this verdict.", ("verdict",), registry=self.registry
        )
        for verdict in Verdict:
            self.verdicts.labels(str(verdict))
        self.injection = self._histogram(
            "skerry_fault_injection_seconds", "From the decision to inject until the injection was carried out."
        )
        self.verification = self._histogram(
            "skerry_fault_verification_seconds", "From the effect, early edge, until it was seen on the wire."
        )
        self.heal = self._histogram(
            "skerry_fault_heal_seconds", "From the heal, early edge, until the fault was measured to be gone."
        )

    def _histogram(self, name: str, help_text: str) -> Histogram:
        histogram = Histogram(name, help_text, ("kind",), buckets=BUCKETS, registry=self.registry)
        for kind in KINDS:
            histogram.labels(kind)
        return histogram

    def exposition(self) -> bytes:
        """The page of `/metrics`, text format."""
        return generate_latest(self.registry)

    def samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """(name, labels, value) of every series, for `metric` expectations on the operator."""
        for family in self.registry.collect():
            for sample in family.samples:
                yield sample.name, dict(sample.labels), sample.value

    def of(self, namespace: str, experiment: str) -> ExperimentMetrics:
        return ExperimentMetrics(self, namespace, experiment)


class ExperimentMetrics:
    """The series of one experiment."""

    def __init__(self, metrics: Metrics, namespace: str, experiment: str) -> None:
        self._metrics = metrics
        self._labels = (namespace, experiment)
        self._steps: dict[tuple[str, int], dict[FaultStep, int]] = {}
        """Per occurrence: the early edge of each step, run nanoseconds."""
        self._faults: set[str] = set()

    def in_phase(self, phase: str) -> None:
        for each in PHASES:
            self._metrics.phase.labels(*self._labels, each).set(1 if each == phase else 0)

    def verdict(self, verdict: Verdict) -> None:
        self._metrics.verdicts.labels(str(verdict)).inc()

    def hear(self, event: FaultEvent, now_ns: int) -> None:
        """A step in a fault's life, heard at ``now_ns`` on the run's clock."""
        metrics = self._metrics
        steps = self._steps.setdefault((event.fault, event.occurrence), {})
        steps[event.step] = event.before_ns
        match event.step:
            case FaultStep.EFFECTIVE:
                self._stamp(metrics.effective, event)
                self._observe(metrics.injection, event, steps.get(FaultStep.INJECTING), event.after_ns)
            case FaultStep.VERIFIED:
                self._observe(metrics.verification, event, steps.get(FaultStep.EFFECTIVE), now_ns)
            case FaultStep.HEALED:
                self._stamp(metrics.healed, event)
                self._observe(metrics.heal, event, steps.get(FaultStep.HEALING), now_ns)

    def forget(self) -> None:
        """Remove the series of this experiment; the counts stay."""
        for phase in PHASES:
            _remove(self._metrics.phase, *self._labels, phase)
        for fault in self._faults:
            _remove(self._metrics.effective, *self._labels, fault)
            _remove(self._metrics.healed, *self._labels, fault)

    def _stamp(self, gauge: Gauge, event: FaultEvent) -> None:
        if event.wall_ns:
            self._faults.add(event.fault)
            gauge.labels(*self._labels, event.fault).set(event.wall_ns / NS)

    def _observe(self, histogram: Histogram, event: FaultEvent, from_ns: int | None, to_ns: int) -> None:
        if from_ns is not None:
            histogram.labels(event.kind).observe(max(0, to_ns - from_ns) / NS)


def _remove(gauge: Gauge, *labels: str) -> None:
    try:
        gauge.remove(*labels)
    except KeyError:
        return
