"""The longest time without an acknowledgement, partition by partition, is within the limit.

Of the workload's own writes, inside the window; a gap that begins before or ends behind it counts as far as it lies
inside. A partition that nobody wrote to in the window is Inconclusive.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.expectations.base import Judged, Rule, failed, passed, seconds, unknown
from skerry.checker.expectations.facts import RunFacts, Window
from skerry.checker.expectations.gaps import longest_gap
from skerry.experiment.expectations import MaxWriteGap


def judge(body: MaxWriteGap, run: RunFacts) -> Iterator[Judged]:
    for window in run.windows(body.during, body.after_heal_of):
        for partition in run.chosen_partitions(body.partition):
            yield _one(body, run, window, partition)


def _one(body: MaxWriteGap, run: RunFacts, window: Window, partition: int) -> Judged:
    limit = run.limit_ns(body.at_most_ns)
    edges = (window.from_ns, window.to_ns)
    shown = {"limit": seconds(limit), "window": edges, "upper_bound": True, "partition": partition}
    if not run.tried(partition, *edges):
        what = "nobody wrote and asked for an acknowledgement"
        return unknown("NotTried", f"partition {partition}: {what} {window.name}", **shown)
    gap = longest_gap(run.ack_times[partition], *edges)
    shown |= {
        "measured": seconds(gap.length_ns),
        "weight": gap.length_ns,
        "window": (gap.from_ns, gap.from_ns + gap[0]),
    }
    message = (
        f"partition {partition}: longest time without an acknowledgement {window.name} {seconds(gap.length_ns)}, from "
        f"{seconds(gap.from_ns)} on"
    )
    return passed(message, **shown) if gap.length_ns <= limit else failed("GapTooLong", message, **shown)


RULE = Rule("maxWriteGap", __doc__, judge)
