"""The aggregate of a metric is within its limits. No sample at all is Inconclusive, never zero.

Over the samples of all series that carry the labels, in the window. Max, Min: of all samples. Last: the latest sample.
Sum: of the latest sample of each series. Delta: growth of each series from its first to its last sample, summed (a
counter that starts again from zero has not shrunk).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

from skerry.checker.expectations.base import Judged, Rule, failed, passed, unknown
from skerry.checker.expectations.facts import RunFacts, Window
from skerry.checker.expectations.series import by_series, matching
from skerry.experiment.expectations import Comparison, MetricExpectation
from skerry.history.records import MetricSample
from skerry.schema.vocabulary import Aggregate, MetricSource


def judge(body: MetricExpectation, run: RunFacts) -> Iterator[Judged]:
    samples = matching(run, body.name, body.labels, operator=body.from_ is MetricSource.OPERATOR)
    windows = run.windows(body.during, None) if body.during else [Window(0, 1 << 62, "in the whole run")]
    for window in windows:
        inside = [sample for sample in samples if window.from_ns <= sample.at_ns <= window.to_ns]
        shown = {"limit": limits_text(body)}
        if not inside:
            yield unknown("NoSample", f"{body.name}: no sample {window.name}", **shown)
            continue
        value = aggregated(body.aggregate, inside)
        if not math.isfinite(value):
            yield unknown("NotANumber", f"{body.name}: {body.aggregate} {window.name} is {value}", **shown)
            continue
        shown["measured"] = f"{value:g}"
        message = f"{body.name}: {body.aggregate} {window.name} is {value:g} ({len(inside)} samples)"
        if within(body, value):
            yield passed(message, **shown)
        else:
            yield failed("OutOfBounds", message, witness=(inside[-1],), **shown)


def aggregated(aggregate: Aggregate, samples: list[MetricSample]) -> float:
    match aggregate:
        case Aggregate.MAX:
            return max(sample.value for sample in samples)
        case Aggregate.MIN:
            return min(sample.value for sample in samples)
        case Aggregate.LAST:
            return max(samples, key=lambda sample: sample.at_ns).value
        case Aggregate.SUM:
            return sum(series[-1].value for series in by_series(samples).values())
        case Aggregate.DELTA:
            return sum(_growth(series) for series in by_series(samples).values())


def _growth(series: list[MetricSample]) -> float:
    total = 0.0
    for before, after in pairwise(sample.value for sample in series):
        total += after - before if after >= before else after
    return total


def within(body: Comparison, value: float) -> bool:
    exact = Decimal(repr(value))
    return (
        (body.equals is None or exact == body.equals)
        and (body.at_most is None or exact <= body.at_most)
        and (body.at_least is None or exact >= body.at_least)
    )


def limits_text(body: Comparison) -> str:
    named = (("=", body.equals), (">=", body.at_least), ("<=", body.at_most))
    return ", ".join(f"{sign} {limit}" for sign, limit in named if limit is not None)


RULE = Rule("metric", __doc__, judge)
