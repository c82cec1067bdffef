"""While the condition holds, no write is acknowledged from the limit on: the cluster stops, and does not lie.

In every stretch of the window (the narrowest that the brackets of the fault allow) in which so few brokers were
certainly alive. Writes must have been tried in it, else Inconclusive. (acks=None asks for no acknowledgement and is
left out.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from skerry.expectations.alive import stretches
from skerry.expectations.bodies import WINDOW_RULES
from skerry.expectations.facts import Window
from skerry.expectations.judged import Judged, failed, passed, seconds, unknown
from skerry.expectations.limits import never_asked
from skerry.expectations.port import ExpectationType
from skerry.expectations.when import CAN_BE_ALIVE, RULES, When, WindowedWhen
from skerry.faults.port import Path
from skerry.history.records import Outcome
from skerry.schema.base import PartitionIndex, PositiveDuration
from skerry.targets.port import DataModel

if TYPE_CHECKING:
    from skerry.expectations.log.facts import LogFacts
    from skerry.experiment.document import Spec


class Unavailable(WindowedWhen):
    """While the condition holds, no write is acknowledged from `within` on."""

    within_ns: PositiveDuration = 5_000_000_000
    """The time until it must have stopped. Default 5s."""
    partition: PartitionIndex | None = None
    """Default: every partition."""

    def problems(self, spec: Spec) -> Iterator[tuple[Path, str]]:
        yield from super().problems(spec)
        yield from never_asked(spec, self.during, self.within_ns, "within")


def judge(body: Unavailable, run: LogFacts) -> Iterator[Judged]:
    for window in run.windows(body.during, body.after_heal_of):
        found = stretches(run, window, body.when)
        if not found:
            yield unknown("ConditionNeverHeld", f"the condition never held {window.name}")
        for stretch in found:
            for partition in run.chosen_partitions(body.partition):
                yield _one(body, run, stretch, partition)


def _one(body: Unavailable, run: LogFacts, stretch: Window, partition: int) -> Judged:
    limit = run.limit_ns(body.within_ns)
    start, end = stretch.sure_from_ns + limit, stretch.sure_to_ns
    shown = {
        "limit": f"none after {seconds(limit)}",
        "window": (start, max(start, end)),
        "stall_voids_pass": True,
        "partition": partition,
    }
    tried = [
        p
        for p in (*run.produces, *run.probes)
        if p.partition == partition and p.acks != "None" and p.invoked_ns <= end and p.completed_ns >= start
    ]
    if start >= end or not tried:
        return unknown(
            "NotTried", f"partition {partition}: nobody wrote {stretch.name} after {seconds(limit)}", **shown
        )
    accepted = [p for p in tried if p.outcome is Outcome.OK and start <= p.completed_ns <= end]
    shown["measured"] = f"{len(accepted)} of {len(tried)} acknowledged"
    message = (
        f"partition {partition}: {len(accepted)} of {len(tried)} writes acknowledged between {seconds(start)} and "
        f"{seconds(end)}"
    )
    if accepted:
        return failed("WriteAccepted", message, witness=(accepted[0],), weight=len(accepted), **shown)
    return passed(message, **shown)


EXPECTATION = ExpectationType(
    "unavailable",
    Unavailable,
    __doc__,
    {DataModel.LOG: judge},
    rules={"Unavailable": WINDOW_RULES, **RULES},
    in_spec=(CAN_BE_ALIVE,),
    documented=(("when", When),),
)
