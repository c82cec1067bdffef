"""`promql`: a query to Prometheus, after the run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict

from skerry.experiment.expectations.base import Comparison


class PromqlExpectation(Comparison):
    """The instant query, evaluated when the workload has ended, gives values within the limits. Needs `prometheusUrl`.
    An empty result is Inconclusive."""

    query: Annotated[str, Strict(), Field(min_length=1, max_length=2000)]
    """PromQL. A vector is right when each of its values is. `$topic` stands for the topic that the run wrote to."""
