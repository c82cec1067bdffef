"""The aggregate of a metric is within its limits. No sample at all is Inconclusive, never zero.

Over the samples of all series that carry the labels, in the window; where the widest and the narrowest window that the
brackets of the fault allow answer differently: Inconclusive. Max, Min: of all samples. Last: the latest sample.
Sum: of the latest sample of each series. Delta: growth of each series from its first to its last sample, summed (a
counter that starts again from zero has not shrunk).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

from skerry.checker.expectations.base import Judged, Rule, failed, passed, unknown
from skerry.checker.expectations.facts import RunFacts, exactly
from skerry.checker.expectations.series import by_series, matching
from skerry.experiment.expectations import Comparison, MetricExpectation
from skerry.history.records import MetricSample
from skerry.schema.verdict import Verdict
from skerry.schema.vocabulary import Aggregate, MetricSource


def judge(body: MetricExpectation, run: RunFacts) -> Iterator[Judged]:
    samples = matching(run, body.name, body.labels, operator=body.from_ is MetricSource.OPERATOR)
    windows = run.windows(body.during, None) if body.during else [exactly(0, 1 << 62, "in the whole run")]
    for window in windows:
        wide = _one(body, window.name, samples, window.from_ns, window.to_ns)
        sure = _one(body, window.name, samples, window.sure_from_ns, window.sure_to_ns)
        if {wide.verdict, sure.verdict} == {Verdict.PASS, Verdict.FAIL}:
            edges = "it depends on samples near an edge of the window, which is not known well enough"
            yield unknown("BracketTooWide", f"{wide.message}; {edges}", limit=wide.limit, measured=wide.measured)
        else:
            yield wide if wide.verdict is not Verdict.PASS else sure


def _one(body: MetricExpectation, when: str, samples: list[MetricSample], from_ns: int, to_ns: int) -> Judged:
    inside = [sample for sample in samples if from_ns <= sample.at_ns <= to_ns]
    shown: dict[str, Any] = {"limit": limits_text(body), "window": (from_ns, to_ns)}
    if not inside:
        return unknown("NoSample", f"{body.name}: no sample {when}", **shown)
    value = aggregated(body.aggregate, inside)
    if not math.isfinite(value):
        return unknown("NotANumber", f"{body.name}: {body.aggregate} {when} is {value}", **shown)
    shown["measured"] = f"{value:g}"
    message = f"{body.name}: {body.aggregate} {when} is {value:g} ({len(inside)} samples)"
    return (
        passed(message, **shown)
        if within(body, value)
        else failed("OutOfBounds", message, witness=(inside[-1],), **shown)
    )


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
