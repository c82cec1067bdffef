"""While the condition holds, acknowledgements never pause for longer than the limit.

In every stretch of the window (the widest that the brackets of the fault allow) in which so many brokers were certainly
alive (not killed, wiped, restarting or paused). Only time in which some write was wanted and not yet answered counts. A
condition that never held, or a stretch in which nobody wrote, is Inconclusive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from skerry.expectations.alive import stretches
from skerry.expectations.bodies import WINDOW_RULES
from skerry.expectations.facts import Window
from skerry.expectations.gaps import Gap
from skerry.expectations.judged import Judged, longest_wait, on_widest, seconds, unknown
from skerry.expectations.limits import never_broken
from skerry.expectations.port import ExpectationType
from skerry.expectations.when import CAN_BE_ALIVE, RULES, When, WindowedWhen
from skerry.faults.port import Path
from skerry.schema.base import PartitionIndex, PositiveDuration
from skerry.targets.port import DataModel

if TYPE_CHECKING:
    from skerry.expectations.log.facts import LogFacts
    from skerry.experiment.document import Spec


class Available(WindowedWhen):
    """While the condition holds, acknowledgements never pause for longer than `within`."""

    within_ns: PositiveDuration = 5_000_000_000
    """Also the time allowed to come (back) to it. Default 5s."""
    partition: PartitionIndex | None = None
    """Default: every partition."""

    def problems(self, spec: Spec) -> Iterator[tuple[Path, str]]:
        yield from super().problems(spec)
        yield from never_broken(spec, self.during, self.within_ns, "within")


def judge(body: Available, run: LogFacts) -> Iterator[Judged]:
    limit = run.limit_ns(body.within_ns)
    for window in run.windows(body.during, body.after_heal_of):
        found = stretches(run, window, body.when)
        if not found:
            yield unknown("ConditionNeverHeld", f"the condition never held {window.name}", limit=seconds(limit))
        for stretch in found:
            for partition in run.chosen_partitions(body.partition):
                yield on_widest(stretch, limit, _one(run, stretch, partition, limit))


def _one(run: LogFacts, stretch: Window, partition: int, limit: int) -> Callable[[int, int], Judged]:
    def said(gap: Gap, from_ns: int, to_ns: int) -> str:
        inside = f"between {seconds(from_ns)} and {seconds(to_ns)}"
        return f"partition {partition}: longest time without an acknowledgement {inside} {seconds(gap.length_ns)}"

    untried = f"partition {partition}: nobody wrote and asked for an acknowledgement {stretch.name}"
    return longest_wait(run.waits[partition], limit, "Unavailable", untried, said, partition)


EXPECTATION = ExpectationType(
    "available",
    Available,
    __doc__,
    {DataModel.LOG: judge},
    rules={"Available": WINDOW_RULES, **RULES},
    in_spec=(CAN_BE_ALIVE,),
    documented=(("when", When),),
)
