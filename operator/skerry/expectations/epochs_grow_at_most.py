"""Leader epochs (with `controller`: the term) grow by no more than this in the window: no election storm.

In the widest window that the brackets of the fault allow: an epoch counts unless it had certainly been seen before.
Where only the widest window breaks the limit, and not the narrowest: Inconclusive. Without `during` and `after`: from
the first fault on, so that what `prepare` moved, before that, is nobody's storm.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from skerry.expectations.bodies import Count, ExpectationBody
from skerry.expectations.facts import Window
from skerry.expectations.judged import Judged, failed, passed, unknown
from skerry.expectations.port import ExpectationType
from skerry.schema.base import FaultName, PartitionIndex, at_most_one
from skerry.schema.cel import at_most_one as at_most_one_of
from skerry.targets.port import DataModel

if TYPE_CHECKING:
    from skerry.expectations.log.facts import LogFacts
    from skerry.expectations.log.leaders import Leadership


class EpochsGrowAtMost(ExpectationBody):
    """Leader epochs (with `controller`: the term) grow by no more than this, partition by partition."""

    by: Annotated[Count, Field(le=1000)]
    """How many elections are right."""
    partition: PartitionIndex | None = None
    """Default: every partition."""
    controller: Literal[True] | None = None
    """`true`: the term, instead of leader epochs."""
    during: FaultName | None = None
    """While this fault is in effect."""
    after: FaultName | None = None
    """From the end of this fault to the end of the workload. Default without `during`: the whole run."""

    @model_validator(mode="after")
    def _consistent(self) -> EpochsGrowAtMost:
        at_most_one(self, ("during", "after"), "the window")
        at_most_one(self, ("partition", "controller"), "whose epoch is meant")
        return self


def judge(body: EpochsGrowAtMost, run: LogFacts) -> Iterator[Judged]:
    for window in run.windows(body.during, body.after):
        if body.controller:
            yield _one(body, run, window, run.controllers, "the term")
        else:
            for partition in run.chosen_partitions(body.partition):
                known = run.leaderships.get(partition, [])
                yield _one(body, run, window, known, f"partition {partition}: the leader epoch")


def _one(body: EpochsGrowAtMost, run: LogFacts, window: Window, known: list[Leadership], subject: str) -> Judged:
    shown: dict[str, Any] = {"limit": f"<= {body.by}", "window": (window.from_ns, window.to_ns)}
    upto = [leadership for leadership in known if leadership.earliest_ns <= window.to_ns]
    if not upto or run.observed_until_ns < window.from_ns:
        return unknown("NoEvidence", f"{subject} was never seen {window.name}", **shown)
    before = [leadership for leadership in upto if leadership.seen_ns <= window.from_ns] or upto[:1]
    growth = upto[-1].epoch - before[-1].epoch
    shown |= {"measured": str(growth), "weight": growth}
    message = f"{subject} grew by {growth} (from {before[-1].epoch} to {upto[-1].epoch}) {window.name}"
    if growth <= body.by:
        return passed(message, **shown)
    if _certain_growth(window, known) <= body.by:
        message += "; but it is not known well enough whether all of that was inside"
        return unknown("BracketTooWide", message, **shown)
    return failed("TooManyElections", message, witness=(before[-1].record, upto[-1].record), **shown)


def _certain_growth(window: Window, known: list[Leadership]) -> int:
    """By epochs that were committed behind the late edge of the beginning, and seen before the early one of the end."""
    before = [leadership.epoch for leadership in known if leadership.earliest_ns <= window.sure_from_ns]
    upto = [leadership.epoch for leadership in known if leadership.seen_ns <= window.sure_to_ns]
    return upto[-1] - (before or upto)[-1] if upto else 0


EXPECTATION = ExpectationType(
    "epochsGrowAtMost",
    EpochsGrowAtMost,
    __doc__,
    {DataModel.LOG: judge},
    rules={
        "EpochsGrowAtMost": (
            at_most_one_of("the window", ("during", "after")),
            at_most_one_of("whose epoch is meant", ("partition", "controller")),
        )
    },
)
