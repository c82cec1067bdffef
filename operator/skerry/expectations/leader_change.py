"""A higher leader epoch (controller: term) with another leader is committed within the limit after the fault took
effect. Another leader is another broker, or another process of the same one: after a restart of all, either may win.

The time is the controller's stamp on the election where the history has it, else when a broker was first seen to have
applied it; judged by the longest that it may have taken, from the early edge of the effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from skerry.expectations.bodies import SUBJECT_RULES, OfPartitionOrController
from skerry.expectations.judged import Judged, failed, seconds, span, unknown, within
from skerry.expectations.port import FAILOVER, ExpectationType
from skerry.expectations.register import leader_change as of_registers
from skerry.history.records import FaultEvent
from skerry.schema.base import FaultName, PositiveDuration
from skerry.targets.port import DataModel

if TYPE_CHECKING:
    from skerry.expectations.log.facts import LogFacts
    from skerry.expectations.log.leaders import Leadership


class LeaderChange(OfPartitionOrController):
    """A higher leader epoch (controller: term) with another leader is committed in time; another leader is another
    broker, or another process of the same one."""

    within_ns: PositiveDuration
    """Counted from the moment the fault took effect."""
    of: FaultName
    """The fault that makes it move."""


def judge(body: LeaderChange, run: LogFacts) -> Iterator[Judged]:
    limit = run.limit_ns(body.within_ns)
    whose = "the controller" if body.partition is None else f"partition {body.partition}"
    for occurrence, effective in run.occurrences_of(body.of):
        start, deadline = effective.after_ns, effective.after_ns + limit
        shown = {"limit": seconds(limit), "window": (effective.before_ns, deadline), "upper_bound": True}
        old = run.leadership_at(body.partition, effective.before_ns)
        if old is None:
            yield unknown("NoEvidence", f"nobody saw who led {whose} before {occurrence}", **shown)
            continue
        known = run.controllers if body.partition is None else run.leaderships.get(body.partition, [])
        new = next((seen for seen in known if seen.epoch > old.epoch and _is_another(run, old, seen, effective)), None)
        if new is not None:
            earliest, latest = new.earliest_ns - start, new.latest_ns - effective.before_ns
            measured = span(earliest, latest)
            took_over = f"took over from broker {old.leader}" if new.leader != old.leader else "leads again"
            message = (
                f"{whose}: broker {new.leader} {took_over} in epoch {new.epoch}, {measured} after {occurrence} took "
                "effect"
            )
            shown |= {"measured": measured, "weight": latest, "witness": (old.record, effective, new.record)}
            shown["window"] = (effective.before_ns, min(new.latest_ns, deadline))
            yield within(earliest, latest, limit, "TooLate", message, **shown)
        else:
            message = f"{whose}: no other leader than broker {old.leader} after {occurrence}"
            yield failed("NoLeaderChange", message, measured="none", witness=(old.record, effective), **shown)


def _is_another(run: LogFacts, old: Leadership, seen: Leadership, effective: FaultEvent) -> bool:
    if seen.leader != old.leader:
        return seen.leader >= 0
    return run.began_anew(old.leader, effective.before_ns, seen.seen_ns)


EXPECTATION = ExpectationType(
    "leaderChange",
    LeaderChange,
    __doc__,
    {DataModel.LOG: judge, DataModel.REGISTER: of_registers.judge},
    column=FAILOVER,
    rules={"LeaderChange": SUBJECT_RULES},
)
