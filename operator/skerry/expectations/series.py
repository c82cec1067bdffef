"""Samples of metrics, by series."""

from __future__ import annotations

from skerry.expectations.facts import RunFacts
from skerry.history.records import MetricSample


def matching(run: RunFacts, name: str, labels: dict[str, str], *, operator: bool = False) -> list[MetricSample]:
    """Samples of this name that carry these labels (and perhaps more), of brokers or of the operator, as recorded."""
    return [
        sample
        for sample in run.history.metrics
        if sample.name == name
        and (sample.broker < 0) == operator
        and all(sample.labels.get(key) == value for key, value in labels.items())
    ]


def by_series(samples: list[MetricSample]) -> dict[tuple[int, tuple[tuple[str, str], ...]], list[MetricSample]]:
    """Per broker and label set, in order of time."""
    series: dict[tuple[int, tuple[tuple[str, str], ...]], list[MetricSample]] = {}
    for sample in sorted(samples, key=lambda sample: sample.at_ns):
        series.setdefault((sample.broker, tuple(sorted(sample.labels.items()))), []).append(sample)
    return series
