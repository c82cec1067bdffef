"""`metric`: a gauge or counter, scraped directly."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict

from skerry.experiment.expectations.base import Comparison
from skerry.schema.base import FaultName, Text
from skerry.schema.vocabulary import Aggregate, MetricSource

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
