"""At least one produce is acknowledged by a broker of that side, while the fault is in effect and within the limit.

The time counts from the early edge of the effect; the acknowledgement counts from the late one on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from skerry.expectations.bodies import ExpectationBody, Probed
from skerry.expectations.judged import Judged, failed, seconds, span, unknown, within
from skerry.expectations.port import ExpectationType
from skerry.expectations.sides import brokers_text, sides_in_time
from skerry.history.records import Outcome
from skerry.schema.base import PartitionIndex, PositiveDuration
from skerry.schema.selectors import Side
from skerry.schema.vocabulary import Acks
from skerry.targets.port import DataModel

if TYPE_CHECKING:
    from skerry.expectations.log.facts import LogFacts


class WritesAccepted(ExpectationBody):
    """At least one produce is acknowledged by a broker of that side, while the fault is in effect and no later than
    `within` after it took effect."""

    probed: ClassVar[Probed] = Probed.WRITES
    by: Side
    within_ns: PositiveDuration
    """Counted from the moment the fault took effect."""
    acks: Acks | None = None
    """What the probes ask for. Default: as the workload."""
    partition: PartitionIndex | None = None
    """Default: any partition."""


def judge(body: WritesAccepted, run: LogFacts) -> Iterator[Judged]:
    limit = run.limit_ns(body.within_ns)
    acks = str(body.acks or run.experiment.spec.workload.acks)
    for side in sides_in_time(run, body.by, 0):
        start, end = side.window.from_ns, min(side.window.to_ns, side.window.from_ns + limit)
        tried = [
            produce
            for produce in (*run.produces, *run.probes)
            if produce.acks == acks
            and body.partition in (None, produce.partition)
            and produce.directed_to in (-1, *side.brokers)
            and produce.invoked_ns <= end
            and produce.completed_ns >= start
        ]
        shown = {"limit": seconds(limit), "window": (start, end), "upper_bound": True}
        who = brokers_text(side.brokers)
        accepted = [
            p for p in tried if p.outcome is Outcome.OK and p.leader in side.brokers and start <= p.completed_ns <= end
        ]
        if accepted:
            first = min(accepted, key=lambda produce: produce.completed_ns)
            took = first.completed_ns - side.effect_from_ns
            measured = span(first.completed_ns - start, took)
            message = f"broker {first.leader} acknowledged a write {measured} after the effect, {side.window.name}"
            shown |= {"measured": measured, "weight": took, "witness": (first,)}
            yield within(first.completed_ns - start, took, limit, "TooLate", message, **shown)
        elif tried:
            message = f"{who} acknowledged none of {len(tried)} acks={acks} writes within {seconds(limit)}"
            yield failed("NothingAccepted", f"{message} {side.window.name}", measured="none", **shown)
        else:
            yield unknown("NotTried", f"no acks={acks} write was tried {side.window.name}", **shown)


EXPECTATION = ExpectationType("writesAccepted", WritesAccepted, __doc__, {DataModel.LOG: judge})
