"""After the heal the broker follows a higher leader epoch than the one it led, within the limit.

The target is taken as it was at the moment the fault began. That what diverged was truncated is judged by the safety
properties (`replica-divergence`); here the truncated records are told.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.expectations.bodies import ExpectationBody
from skerry.expectations.judged import Judged, failed, seconds, span, unknown, within
from skerry.expectations.log.facts import LogFacts
from skerry.expectations.log.leaders import Leadership
from skerry.expectations.port import Advice, ExpectationType
from skerry.history.occurrences import Occurrence
from skerry.history.records import FaultEvent, StatusSample
from skerry.schema.base import FaultName, PositiveDuration
from skerry.schema.selectors import Selector
from skerry.targets.port import DataModel, RoleKind


class StepsDown(ExpectationBody):
    """After the heal the broker follows the new leader epoch in time, having truncated what diverged."""

    target: Selector
    """As it was at the moment the fault began: `PartitionLeader` is the old leader."""
    within_ns: PositiveDuration
    """Counted from the moment the fault was healed."""
    after_heal_of: FaultName
    """The fault during which it was replaced."""


def judge(body: StepsDown, run: LogFacts) -> Iterator[Judged]:
    for occurrence, effective in run.occurrences_of(body.after_heal_of):
        healed = occurrence.healed
        if healed is None:
            yield unknown("NotHealed", f"{occurrence} was never healed")
            continue
        broker = _resolve(run, body.target, occurrence, effective)
        if broker is None:
            yield unknown("Unresolved", f"nobody saw which broker was {body.target} when {occurrence} began")
            continue
        led = _led_by(run, body.target, broker, effective)
        if not led:
            yield unknown("NotALeader", f"broker {broker} led no partition when {occurrence} began")
        for partition, old in led:
            yield _one(body, run, partition, old, healed)


def _resolve(run: LogFacts, target: Selector, occurrence: Occurrence, effective: FaultEvent) -> int | None:
    if target.ordinal is not None:
        return target.ordinal
    if run.experiment.target.roles.get(target.role or "") in (RoleKind.LEADER, RoleKind.CONTROLLER):
        leadership = run.leadership_at(target.partition, effective.before_ns)
        return leadership.leader if leadership is not None and leadership.leader >= 0 else None
    groups = run.experiment.fault(occurrence.fault).body.target_groups()
    for group, brokers in zip(groups, occurrence.groups, strict=False):
        if group == (target,) and len(brokers) == 1:
            return brokers[0]
    return None


def _led_by(run: LogFacts, target: Selector, broker: int, effective: FaultEvent) -> list[tuple[int, Leadership]]:
    """The partitions that it led when the fault began, with the epoch."""
    at_effect = [(p, run.leadership_at(p, effective.before_ns)) for p in run.chosen_partitions(target.partition)]
    return [(partition, old) for partition, old in at_effect if old is not None and old.leader == broker]


def _one(body: StepsDown, run: LogFacts, partition: int, old: Leadership, healed: FaultEvent) -> Judged:
    limit = run.limit_ns(body.within_ns)
    deadline = healed.after_ns + limit
    shown = {
        "limit": seconds(limit),
        "window": (healed.before_ns, deadline),
        "upper_bound": True,
        "partition": partition,
    }
    if not any(seen.epoch > old.epoch for seen in run.leaderships.get(partition, ())):
        message = (
            f"partition {partition}: broker {old.leader} was never replaced, so there is nothing to step down from"
        )
        return unknown("NeverReplaced", message, **shown)
    own = [s for s in run.history.statuses if s.broker == old.leader and s.reachable and s.after_ns >= healed.before_ns]
    in_time = [status for status in own if status.before_ns <= deadline]
    if not in_time:
        return unknown("NoSamples", f"broker {old.leader} was not asked within {seconds(limit)} of the heal", **shown)
    first = next((status for status in in_time if _follows(run, status, partition, old)), None)
    if first is None:
        message = (
            f"partition {partition}: broker {old.leader} still led in epoch {old.epoch} {seconds(limit)} after the heal"
        )
        return failed("StillLeads", message, measured="never", witness=(old.record, healed, in_time[-1]), **shown)
    took = first.after_ns - healed.before_ns
    measured = span(first.before_ns - healed.after_ns, took)
    shown |= {"measured": measured, "weight": took}
    truncated = max(status.truncated_records for status in own)
    message = (
        f"partition {partition}: broker {old.leader} followed a later epoch {measured} after the heal; it truncated "
        f"{truncated} records in its life"
    )
    return within(first.before_ns - healed.after_ns, took, limit, "StillLeads", message, **shown)


def _follows(run: LogFacts, status: StatusSample, partition: int, old: Leadership) -> bool:
    """Its own applied metadata has a later epoch, and its replica acts by it."""
    return any(
        sample.leader_epoch > old.epoch and (sample.role == "Follower" or sample.leader == status.broker)
        for sample in status.partitions
        if (sample.topic, sample.partition) == (run.topic, partition)
    )


EXPECTATION = ExpectationType(
    "stepsDown",
    StepsDown,
    __doc__,
    {DataModel.LOG: judge},
    reasons=(
        Advice(
            "NeverReplaced NotALeader",
            "the broker led nothing, or nobody took over, so there was nothing to step down from",
            "choose the leader as the target",
        ),
    ),
)
