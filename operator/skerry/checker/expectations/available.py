"""While the condition holds, acknowledgements never pause for longer than the limit.

In every stretch of the window in which so many brokers were certainly alive (not killed, wiped, restarting or paused).
A condition that never held, or a stretch in which nobody wrote, is Inconclusive.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.expectations.alive import stretches
from skerry.checker.expectations.base import Judged, Rule, failed, passed, seconds, unknown
from skerry.checker.expectations.facts import RunFacts, Window
from skerry.checker.expectations.gaps import longest_gap
from skerry.experiment.expectations import Available


def judge(body: Available, run: RunFacts) -> Iterator[Judged]:
    for window in run.windows(body.during, body.after_heal_of):
        found = stretches(run, window, body.when)
        if not found:
            yield unknown("ConditionNeverHeld", f"the condition never held {window.name}", limit=_limit(body, run))
        for stretch in found:
            for partition in run.chosen_partitions(body.partition):
                yield _one(body, run, stretch, partition)


def _limit(body: Available, run: RunFacts) -> str:
    return seconds(run.limit_ns(body.within_ns))


def _one(body: Available, run: RunFacts, stretch: Window, partition: int) -> Judged:
    edges = (stretch.from_ns, stretch.to_ns)
    shown = {"limit": _limit(body, run), "window": edges, "upper_bound": True, "partition": partition}
    if not run.tried(partition, *edges):
        what = "nobody wrote and asked for an acknowledgement"
        return unknown("NotTried", f"partition {partition}: {what} {stretch.name}", **shown)
    gap = longest_gap(run.ack_times[partition], *edges)
    shown |= {
        "measured": seconds(gap.length_ns),
        "weight": gap.length_ns,
        "window": (gap.from_ns, gap.from_ns + gap[0]),
    }
    message = (
        f"partition {partition}: longest time without an acknowledgement between {seconds(edges[0])} and "
        f"{seconds(edges[1])} {seconds(gap.length_ns)}"
    )
    ok = gap.length_ns <= run.limit_ns(body.within_ns)
    return passed(message, **shown) if ok else failed("Unavailable", message, **shown)


RULE = Rule("available", __doc__, judge)
