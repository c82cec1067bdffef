"""The aggregate of a metric is within its limits. No sample at all is Inconclusive, never zero.

Over the samples of all series that carry the labels, in the window; where the widest and the narrowest window that the
brackets of the fault allow answer differently: Inconclusive. Max, Min: of all samples. Last: the latest sample.
Sum: of the latest sample of each series. Delta: growth of each series from its first to its last sample, summed (a
counter that starts again from zero has not shrunk).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field, Strict

from skerry.expectations.bodies import COMPARISON_RULES, Comparison
from skerry.expectations.facts import RunFacts, exactly
from skerry.expectations.judged import Judged, failed, passed, unknown
from skerry.expectations.port import METRICS, ExpectationType
from skerry.expectations.series import by_series, matching
from skerry.history.records import MetricSample
from skerry.schema.base import FaultName, Text
from skerry.schema.cel import rule
from skerry.schema.verdict import Verdict
from skerry.schema.vocabulary import Aggregate, MetricSource
from skerry.targets.port import DataModel

MetricName = Annotated[str, Strict(), Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", max_length=120)]
LABEL_NAME_PATTERN = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
LABEL_NAME_LENGTH_MAX = 60
LabelName = Annotated[str, Strict(), Field(pattern=LABEL_NAME_PATTERN, max_length=LABEL_NAME_LENGTH_MAX)]
LabelValue = Annotated[Text, Field(max_length=200)]


class MetricExpectation(Comparison):
    """The aggregate of all samples of all series that match is within the limits. No sample at all: Inconclusive."""

    name: MetricName
    """The metric's name as it is exported: ``broker_elections_total``."""
    labels: Annotated[dict[LabelName, LabelValue], Field(max_length=8, default_factory=dict)]
    """Series that carry these labels."""
    from_: Annotated[MetricSource, Field(alias="from")] = MetricSource.BROKERS
    """Whose metrics: the brokers', or the operator's own."""
    aggregate: Aggregate
    """Max, Min, Sum, Last of the samples; Delta: growth from the first to the last sample, summed over the series."""
    during: FaultName | None = None
    """While this fault is in effect; default: the whole run."""

    def metrics(self) -> Iterator[tuple[str, MetricSource]]:
        yield self.name, self.from_

    def relabelled(self, label: str, old: str, new: str) -> MetricExpectation:
        if self.labels.get(label) != old:
            return self
        return self.model_copy(update={"labels": {**self.labels, label: new}})


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
    shown: dict[str, Any] = {"limit": body.limits, "window": (from_ns, to_ns)}
    if not inside:
        return unknown("NoSample", f"{body.name}: no sample {when}", **shown)
    value = aggregated(body.aggregate, inside)
    if not math.isfinite(value):
        return unknown("NotANumber", f"{body.name}: {body.aggregate} {when} is {value}", **shown)
    shown["measured"] = f"{value:g}"
    message = f"{body.name}: {body.aggregate} {when} is {value:g} ({len(inside)} samples)"
    return (
        passed(message, **shown)
        if body.holds(value)
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


EXPECTATION = ExpectationType(
    "metric",
    MetricExpectation,
    __doc__,
    dict.fromkeys(DataModel, judge),
    needs=(METRICS,),
    rules={
        "MetricExpectation": (
            *COMPARISON_RULES,
            rule(
                f"!has(self.labels) || self.labels.all(k, k.size() <= {LABEL_NAME_LENGTH_MAX} && "
                f"k.matches('{LABEL_NAME_PATTERN}'))",
                "a name in `labels` must be letters, digits and `_`, not beginning with a digit, "
                f"at most {LABEL_NAME_LENGTH_MAX} characters long",
            ),
        )
    },
)
