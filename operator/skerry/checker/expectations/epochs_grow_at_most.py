"""Leader epochs (with `controller`: the term) grow by no more than this in the window: no election storm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from skerry.checker.expectations.base import Judged, Rule, failed, passed, unknown
from skerry.checker.expectations.facts import RunFacts, Window
from skerry.checker.expectations.leaders import Leadership
from skerry.experiment.expectations import EpochsGrowAtMost


def judge(body: EpochsGrowAtMost, run: RunFacts) -> Iterator[Judged]:
    for window in _windows(body, run):
        if body.controller:
            yield _one(body, run, window, run.controllers, "the term")
        else:
            for partition in run.chosen_partitions(body.partition):
                known = run.leaderships.get(partition, [])
                yield _one(body, run, window, known, f"partition {partition}: the leader epoch")


def _windows(body: EpochsGrowAtMost, run: RunFacts) -> list[Window]:
    if body.during is not None or body.after is not None:
        return run.windows(body.during, body.after)
    return [Window(0, run.workload_end_ns, "in the whole run")]


def _one(body: EpochsGrowAtMost, run: RunFacts, window: Window, known: list[Leadership], subject: str) -> Judged:
    edges = (window.from_ns, window.to_ns)
    shown: dict[str, Any] = {"limit": f"<= {body.by}", "window": edges}
    upto = [leadership for leadership in known if leadership.earliest_ns <= window.to_ns]
    if not upto or run.observed_until_ns < window.from_ns:
        return unknown("NoEvidence", f"{subject} was never seen {window.name}", **shown)
    before = [leadership for leadership in upto if leadership.earliest_ns <= window.from_ns] or upto[:1]
    growth = upto[-1].epoch - before[-1].epoch
    shown |= {"measured": str(growth), "weight": growth}
    message = f"{subject} grew by {growth} (from {before[-1].epoch} to {upto[-1].epoch}) {window.name}"
    if growth <= body.by:
        return passed(message, **shown)
    return failed("TooManyElections", message, witness=(before[-1].record, upto[-1].record), **shown)


RULE = Rule("epochsGrowAtMost", __doc__, judge)
