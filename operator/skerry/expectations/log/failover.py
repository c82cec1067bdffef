"""Failover by the brokers' own metrics is within the limit, and the rest of the history agrees with it.

Failover = min(elected > effective) - effective, where `elected` are the values of the target's metric that stamps the
partition's elections and `effective` is the wall clock at the early edge of the fault's effect: the formula of the
dashboards, independent of the scrape interval. No such value: Inconclusive.

Four cross-checks, each within the stated clock error, else Inconclusive (`ClocksDisagree`): the stamp of the same
election in the history, the moment at which the runner had certainly seen it, the moment up to which it had certainly
not happened (an early stamp is as suspect as a late one), and, for acks=All and a leader that was killed or cut off
alone, the client's longest time without an acknowledgement, which cannot be shorter.

The stamp is the moment of the decision, and a decision counts when a majority has it on disk. Where the clock that
stamped it was measured around it and was right, a stamp that is earlier than that says how long this took, and the
later moment is judged.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.expectations.bodies import ExpectationBody
from skerry.expectations.judged import MS, SECOND, Judged, failed, passed, seconds, unknown
from skerry.expectations.log.facts import LogFacts
from skerry.expectations.log.leaders import Leadership, controller_clock_was_right
from skerry.expectations.port import FAILOVER, ExpectationType
from skerry.faults.registry import FAULTS
from skerry.history.occurrences import Occurrence
from skerry.history.records import ElectionSeen, FaultEvent, MetricSample
from skerry.schema.base import FaultName, PartitionIndex, PositiveDuration
from skerry.schema.vocabulary import Acks
from skerry.targets.port import DataModel


class Failover(ExpectationBody):
    """Failover = earliest leader elected after the fault's effect - effect, from the exported timestamps; the client's
    longest gap is printed beside it."""

    partition: PartitionIndex
    """The partition whose leader is lost."""
    at_most_ns: PositiveDuration
    """The longest that is right."""
    of: FaultName
    """The fault that takes the leader away."""


ROUNDING_NS = MS
"""Timestamps in seconds are 64-bit floats: good to a microsecond; wall clocks are read a moment apart."""


def judge(body: Failover, run: LogFacts) -> Iterator[Judged]:
    limit = run.limit_ns(body.at_most_ns)
    metric = run.stamps.leader_elected
    samples = run.partition_series(metric, body.partition)
    for occurrence, effective in run.occurrences_of(body.of):
        shown = {
            "limit": seconds(limit),
            "window": (effective.before_ns, effective.after_ns + limit),
            "upper_bound": True,
        }
        if not samples:
            yield unknown(
                "NoSample",
                f"no broker was scraped for {metric} of partition {body.partition}",
                **shown,
            )
            continue
        if not effective.wall_ns:
            yield unknown("NoWallClock", f"the wall clock at the effect of {occurrence} was not recorded", **shown)
            continue
        stamps = [s for s in samples if _is_after(run, body.partition, effective, s)]
        early = _stamped_too_early(run, body.partition, effective, [s for s in samples if s not in stamps])
        if early:
            message = f"partition {body.partition}: {early} after {occurrence}, and its stamp says otherwise"
            yield unknown("ClocksDisagree", message, **shown)
            continue
        if not stamps:
            yield unknown("EmptyResult", f"partition {body.partition}: no election after {occurrence}", **shown)
            continue
        first = min(stamps, key=_wall_ns)
        failover = max(0, _wall_ns(first) - effective.wall_ns)
        gap = run.waits[body.partition].longest(effective.before_ns, run.workload_end_ns)
        message = (
            f"partition {body.partition}: failover {seconds(failover)} after {occurrence} by the brokers' metrics; the "
            f"client's longest time without an acknowledgement was {seconds(gap.length_ns)}"
        )
        leadership = _led_by(run, body.partition, first)
        took = failover
        if leadership is not None and leadership.earliest_ns - effective.before_ns > failover + _error(run):
            took = leadership.earliest_ns - effective.before_ns
            message += f"; there was no new leader for {seconds(took)}"
        shown |= {"measured": seconds(took), "weight": took, "witness": (effective, first)}
        disagreement = _disagreement(run, body.partition, occurrence, effective, first, failover, gap.length_ns)
        if disagreement:
            yield unknown("ClocksDisagree", f"{message}; {disagreement}", **shown)
        else:
            yield passed(message, **shown) if took <= limit else failed("TooSlow", message, **shown)


def _is_after(run: LogFacts, partition: int, effective: FaultEvent, sample: MetricSample) -> bool:
    """It is stamped after the effect; or before it by no more than the clocks may differ, by a leader that was not seen
    before it: a broker that is asked to stop hands over within milliseconds."""
    if _wall_ns(sample) > effective.wall_ns:
        return True
    leadership = _led_by(run, partition, sample)
    new = leadership is not None and leadership.seen_ns > effective.before_ns
    return new and _wall_ns(sample) > effective.wall_ns - _error(run)


def _stamped_too_early(run: LogFacts, partition: int, effective: FaultEvent, samples: list[MetricSample]) -> str:
    """Name a leader that was certainly elected after the effect, and whose stamp lies before it; empty: none."""
    early = {sample.labels.get("leader_epoch", "") for sample in samples}
    for seen in run.leaderships.get(partition, ()):
        certain = isinstance(seen.record, ElectionSeen) and seen.earliest_ns > effective.after_ns
        if certain and seen.leader >= 0 and str(seen.epoch) in early:
            return f"broker {seen.leader} was elected {seconds(seen.earliest_ns - effective.before_ns)} or more"
    return ""


def _wall_ns(sample: MetricSample) -> int:
    return round(sample.value * SECOND)


def _led_by(run: LogFacts, partition: int, stamp: MetricSample) -> Leadership | None:
    """The leader epoch that this stamp is of, as the rest of the history tells it."""
    epoch = stamp.labels.get("leader_epoch", "")
    return next((seen for seen in run.leaderships.get(partition, ()) if str(seen.epoch) == epoch), None)


def _error(run: LogFacts) -> int:
    return run.history.clock_error_ns + ROUNDING_NS


def _disagreement(
    run: LogFacts,
    partition: int,
    occurrence: Occurrence,
    effective: FaultEvent,
    sample: MetricSample,
    failover_ns: int,
    gap_ns: int,
) -> str:
    """Which other reading of the same interval contradicts the metric; empty: none."""
    error = _error(run)
    epoch = sample.labels.get("leader_epoch", "")
    for election in run.history.elections:
        same = (election.topic, election.partition, str(election.leader_epoch)) == (run.topic, partition, epoch)
        if same and abs(election.wall_ns - effective.wall_ns - failover_ns) > error:
            return (
                f"the history stamps the same election {seconds(election.wall_ns - effective.wall_ns)} after the fault"
            )
    leadership = _led_by(run, partition, sample)
    if leadership is not None and failover_ns > leadership.seen_ns - effective.before_ns + error:
        return f"the new leader was seen {seconds(leadership.seen_ns - effective.before_ns)} after the fault already"
    if leadership is not None and failover_ns < leadership.earliest_ns - effective.before_ns - error:
        stamped_ns = effective.before_ns + failover_ns
        if not controller_clock_was_right(run.history, stamped_ns, leadership.seen_ns):
            return "its stamp says otherwise"
    bracket = effective.after_ns - effective.before_ns
    if _stops_all_writes(run, partition, occurrence, effective) and gap_ns < failover_ns - bracket - error:
        return "no client waited that long"
    return ""


def _stops_all_writes(run: LogFacts, partition: int, occurrence: Occurrence, effective: FaultEvent) -> bool:
    """The leader was killed, or cut off alone from everybody, so that acks=All writes need a new one."""
    old = run.leadership_at(partition, effective.before_ns)
    spec = run.experiment.spec
    if old is None or spec.workload.acks is not Acks.ALL or spec.topic.min_in_sync_replicas < 2:
        return False
    known = FAULTS.get(occurrence.kind)
    if known is None or not known.stops_leader(
        run.experiment.fault(occurrence.fault).body, run.experiment.target.replicating
    ):
        return False
    alone = (old.leader,) in occurrence.groups
    return alone if occurrence.links else old.leader in occurrence.victims


EXPECTATION = ExpectationType("failover", Failover, __doc__, {DataModel.LOG: judge}, column=FAILOVER, stamped=True)
