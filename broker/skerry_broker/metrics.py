"""The registry behind ``GET /metrics``, for the metrics of `metric_catalogue`.

Three sources, never mixed for one metric:

* ``FACT``: counters and histograms that the core feeds through ``Fact`` effects. Created at 0 for every label
  value that is known beforehand, so that ``increase()`` sees the first event.
* ``STATE``: gauges computed from ``NodeStatus`` at the moment of the scrape (`metric_gauges`). Nothing is stored, so
  a series that belongs to a leader is gone the moment leadership is: a deposed leader's ``isr_size 3`` is the
  classic false green.
* ``PROCESS``: observed by the runtime itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import Metric as MetricFamily
from prometheus_client.registry import Collector

from skerry_broker.core.messages import Fact
from skerry_broker.metric_catalogue import CATALOGUE, Kind

disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped in prometheus_client


class UnknownFact(ValueError):
    """A Fact names no metric of the catalogue, or has the wrong number of labels."""


class Metrics:
    """The registry of one broker process (never the global one: tests run three brokers in a process)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self.unknown_facts: set[str] = set()
        """Names that were refused; tests assert that it is empty."""
        for metric in CATALOGUE:
            if metric.kind is Kind.COUNTER:
                counter = Counter(metric.name, metric.help, metric.labels, registry=self.registry)
                for values in metric.values:
                    counter.labels(*values)
                self._counters[metric.name] = counter
            elif metric.kind is Kind.HISTOGRAM:
                histogram = Histogram(
                    metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=self.registry
                )
                for values in metric.values:
                    histogram.labels(*values)
                self._histograms[metric.name] = histogram

    def collect_from(self, gauges: Callable[[], Iterable[MetricFamily]]) -> None:
        """Call ``gauges`` at every scrape."""
        self.registry.register(_Gauges(gauges))

    def record(self, fact: Fact) -> None:
        """Count or observe a Fact. One that is not in the catalogue is remembered in ``unknown_facts``, and no more:
        a wrong name must not stop a broker."""
        try:
            self.add(fact.name, *fact.labels, value=fact.value)
        except UnknownFact:
            self.unknown_facts.add(f"{fact.name}{fact.labels}")

    def add(self, name: str, *labels: str, value: float = 1.0) -> None:
        """A counter grows by ``value``; a histogram observes it. Raises UnknownFact."""
        counter = self._counters.get(name)
        if counter is not None:
            try:
                (counter.labels(*labels) if labels else counter).inc(value)
            except ValueError as error:
                raise UnknownFact(f"{name}{labels}: {error}") from None
            return
        histogram = self._histograms.get(name)
        if histogram is None:
            raise UnknownFact(f"{name} is no counter or histogram of the catalogue")
        try:
            (histogram.labels(*labels) if labels else histogram).observe(value)
        except ValueError as error:
            raise UnknownFact(f"{name}{labels}: {error}") from None

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)


class _Gauges(Collector):
    def __init__(self, gauges: Callable[[], Iterable[MetricFamily]]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[MetricFamily]:
        return self._gauges()
