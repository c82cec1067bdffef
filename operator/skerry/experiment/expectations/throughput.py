"""`throughput`: how much of the work gets done."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict

from skerry.experiment.expectations.base import Windowed


class Throughput(Windowed):
    """Acknowledged records per second in the window, compared to those of the steady state before the first fault."""

    at_least_percent_of_steady: Annotated[int, Strict(), Field(ge=1, le=1000)]
    """Percent of the steady state's rate."""
