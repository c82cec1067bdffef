"""Every value that the query gave after the run is within its limits.

The operator asks Prometheus when the workload has ended and records each value as a metric sample named `promql` with
the query as its label `query`. Without such a sample (no `prometheusUrl`, another world, an empty result):
Inconclusive.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.expectations.base import Judged, Rule, failed, passed, unknown
from skerry.checker.expectations.facts import RunFacts
from skerry.checker.expectations.metric import limits_text, within
from skerry.checker.expectations.series import matching
from skerry.experiment.expectations import PromqlExpectation

SAMPLE_NAME = "promql"
QUERY_LABEL = "query"


def judge(body: PromqlExpectation, run: RunFacts) -> Iterator[Judged]:
    samples = matching(run, SAMPLE_NAME, {QUERY_LABEL: body.query}, operator=True)
    shown = {"limit": limits_text(body)}
    if not samples:
        message = f"no value of this query was recorded (only the kubernetes world asks Prometheus): {body.query}"
        yield unknown("EmptyResult", message, **shown)
        return
    outside = [sample for sample in samples if not within(body, sample.value)]
    shown["measured"] = ", ".join(f"{sample.value:g}" for sample in (outside or samples)[:3])
    message = f"{len(samples) - len(outside)} of {len(samples)} values within {limits_text(body)}: {body.query}"
    if outside:
        yield failed("OutOfBounds", message, witness=(outside[0],), **shown)
    else:
        yield passed(message, **shown)


RULE = Rule("promql", __doc__, judge)
