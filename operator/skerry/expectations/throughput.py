"""Acknowledged records per second in the window, as a percentage of the steady state before the first fault.

A lower bound: in the narrowest window that the brackets of the fault allow. The steady state is from the first
acknowledgement to the first fault's injection; shorter than a second, or without an acknowledgement, it is no measure:
Inconclusive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, Strict

from skerry.expectations.bodies import WINDOW_RULES, Windowed
from skerry.expectations.judged import SECOND, Judged, failed, passed, unknown
from skerry.expectations.port import Advice, ExpectationType
from skerry.history.records import FaultStep
from skerry.targets.port import DataModel

if TYPE_CHECKING:
    from skerry.expectations.log.facts import LogFacts


class Throughput(Windowed):
    """Acknowledged records per second in the window, compared to those of the steady state before the first fault."""

    at_least_percent_of_steady: Annotated[int, Strict(), Field(ge=1, le=1000)]
    """Percent of the steady state's rate."""


def judge(body: Throughput, run: LogFacts) -> Iterator[Judged]:
    limit = body.at_least_percent_of_steady
    first_ack = min((waits.acks_ns[0] for waits in run.waits.values() if waits.acks_ns), default=None)
    fault = min(
        (f.before_ns for f in run.history.faults if f.step in (FaultStep.INJECTING, FaultStep.EFFECTIVE)), default=None
    )
    shown: dict[str, Any] = {"limit": f">= {limit} %"}
    if first_ack is None or fault is None or fault - first_ack < SECOND:
        yield unknown("NoSteadyState", "less than a second of acknowledged writes before the first fault", **shown)
        return
    steady = _records(run, first_ack, fault)
    steady_ns = fault - first_ack
    for window in run.windows(body.during, body.after_heal_of):
        start, end = window.sure_from_ns, window.sure_to_ns
        length = end - start
        if length <= 0:
            yield unknown("EmptyWindow", f"no time passed {window.name}", **shown)
            continue
        records = _records(run, start, end)
        percent = records * steady_ns * 100 // (steady * length)
        shown |= {"measured": f"{percent} %", "weight": -percent, "window": (start, end)}
        message = (
            f"{records * SECOND / length:.0f} records/s acknowledged {window.name}, {percent} % of "
            f"{steady * SECOND / steady_ns:.0f} records/s in the steady state"
        )
        yield passed(message, **shown) if percent >= limit else failed("TooSlow", message, **shown)


def _records(run: LogFacts, from_ns: int, to_ns: int) -> int:
    return sum(p.count for p in run.produces if p.acknowledged and from_ns <= p.completed_ns <= to_ns)


EXPECTATION = ExpectationType(
    "throughput",
    Throughput,
    __doc__,
    {DataModel.LOG: judge},
    reasons=(
        Advice(
            "NoSteadyState",
            "less than a second of writes before the first fault to compare with",
            "let the first fault begin later (`startAfter`)",
        ),
    ),
    rules={"Throughput": WINDOW_RULES},
)
