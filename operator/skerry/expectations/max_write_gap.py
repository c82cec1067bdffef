"""The longest time without an acknowledgement, partition by partition, is within the limit.

Of the workload's own writes, in the widest window that the brackets of the fault allow; a gap that begins before or
ends behind it counts as far as it lies inside. Only time in which some write was wanted and not yet answered counts:
the workload's own pace and silence are not the system's. A partition that nobody wrote to in the window is
Inconclusive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from skerry.expectations.bodies import WINDOW_RULES, Windowed
from skerry.expectations.facts import Window
from skerry.expectations.gaps import Gap
from skerry.expectations.judged import Judged, longest_wait, on_widest, seconds
from skerry.expectations.limits import never_broken
from skerry.expectations.port import ExpectationType
from skerry.expectations.register import max_write_gap as of_registers
from skerry.faults.port import Path
from skerry.schema.base import PartitionIndex, PositiveDuration
from skerry.targets.port import DataModel

if TYPE_CHECKING:
    from skerry.expectations.log.facts import LogFacts
    from skerry.experiment.document import Spec


class MaxWriteGap(Windowed):
    """The longest time between two acknowledgements of a partition is at most this."""

    at_most_ns: PositiveDuration
    """The longest that is right."""
    partition: PartitionIndex | None = None
    """Default: every partition."""

    def problems(self, spec: Spec) -> Iterator[tuple[Path, str]]:
        yield from never_broken(spec, self.during, self.at_most_ns, "atMost")


def judge(body: MaxWriteGap, run: LogFacts) -> Iterator[Judged]:
    limit = run.limit_ns(body.at_most_ns)
    for window in run.windows(body.during, body.after_heal_of):
        for partition in run.chosen_partitions(body.partition):
            yield on_widest(window, limit, _one(run, window, partition, limit))


def _one(run: LogFacts, window: Window, partition: int, limit: int) -> Callable[[int, int], Judged]:
    def said(gap: Gap, from_ns: int, to_ns: int) -> str:
        longest = f"longest time without an acknowledgement {window.name} {seconds(gap.length_ns)}"
        return f"partition {partition}: {longest}, from {seconds(gap.from_ns)} on"

    untried = f"partition {partition}: nobody wrote and asked for an acknowledgement {window.name}"
    return longest_wait(run.waits[partition], limit, "GapTooLong", untried, said, partition)


EXPECTATION = ExpectationType(
    "maxWriteGap",
    MaxWriteGap,
    __doc__,
    {DataModel.LOG: judge, DataModel.REGISTER: of_registers.judge},
    rules={"MaxWriteGap": WINDOW_RULES},
)
