"""Every value that the query gave after the run is within its limits.

The operator asks Prometheus when the workload has ended and records each value as a metric sample named `promql` with
the query as its label `query`. Without such a sample (no `prometheusUrl`, another world, an empty result):
Inconclusive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, Strict

from skerry.expectations.bodies import COMPARISON_RULES, Comparison
from skerry.expectations.facts import RunFacts
from skerry.expectations.judged import Judged, failed, passed, unknown
from skerry.expectations.port import PROMQL, ExpectationType
from skerry.expectations.series import matching
from skerry.faults.port import Path
from skerry.schema.cel import SpecRule
from skerry.targets.port import DataModel

if TYPE_CHECKING:
    from skerry.experiment.document import Spec


class PromqlExpectation(Comparison):
    """The instant query, evaluated when the workload has ended, gives values within the limits. Needs `prometheusUrl`.
    An empty result is Inconclusive."""

    query: Annotated[str, Strict(), Field(min_length=1, max_length=2000)]
    """PromQL. A vector is right when each of its values is."""

    def queries(self) -> Iterator[str]:
        yield self.query

    def problems(self, spec: Spec) -> Iterator[tuple[Path, str]]:
        if spec.prometheus_url is None:
            yield (), NO_PROMETHEUS


NO_PROMETHEUS = "`promql` needs `spec.prometheusUrl`; set it, or use `metric`, which needs no Prometheus"
SAMPLE_NAME = "promql"
QUERY_LABEL = "query"


def judge(body: PromqlExpectation, run: RunFacts) -> Iterator[Judged]:
    samples = matching(run, SAMPLE_NAME, {QUERY_LABEL: body.query}, operator=True)
    shown = {"limit": body.limits}
    if not samples:
        message = f"no value of this query was recorded (only the kubernetes world asks Prometheus): {body.query}"
        yield unknown("EmptyResult", message, **shown)
        return
    outside = [sample for sample in samples if not body.holds(sample.value)]
    shown["measured"] = ", ".join(f"{sample.value:g}" for sample in (outside or samples)[:3])
    message = f"{len(samples) - len(outside)} of {len(samples)} values within {body.limits}: {body.query}"
    if outside:
        yield failed("OutOfBounds", message, witness=(outside[0],), **shown)
    else:
        yield passed(message, **shown)


EXPECTATION = ExpectationType(
    "promql",
    PromqlExpectation,
    __doc__,
    dict.fromkeys(DataModel, judge),
    needs=(PROMQL,),
    rules={"PromqlExpectation": COMPARISON_RULES},
    in_spec=(SpecRule("has(self.prometheusUrl)", NO_PROMETHEUS),),
)
