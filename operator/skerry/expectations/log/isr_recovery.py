"""The ISR is whole again within the limit after the heal, by the brokers' own metrics.

ISR recovery = min(full > healed) - healed, where `full` are the values of the target's metric that stamps whole
ISRs, and `healed` is the wall clock at the early edge of the heal. A partition whose ISR never shrank has nothing to
recover from and is left out; when that is all of them, or a value is missing: Inconclusive.

The stamp is the moment of the decision, which counts when a majority has it on disk and the leader has heard of it: see
`failover`. Where the clock that stamped it was measured around it and was right, the later moment is judged.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.expectations.bodies import ExpectationBody
from skerry.expectations.judged import MS, SECOND, Judged, failed, passed, seconds, unknown
from skerry.expectations.log.facts import LogFacts
from skerry.expectations.log.leaders import controller_clock_was_right
from skerry.expectations.port import Advice, Column, ExpectationType
from skerry.history.occurrences import Occurrence
from skerry.history.records import FaultEvent
from skerry.schema.base import FaultName, PartitionIndex, PositiveDuration
from skerry.targets.port import DataModel


class IsrRecovery(ExpectationBody):
    """ISR recovery = the ISR is all assigned replicas again - the fault is healed, from the exported timestamps."""

    partition: PartitionIndex | None = None
    """Default: every partition of the topic."""
    at_most_ns: PositiveDuration
    """The longest that is right, counted from the heal."""
    of: FaultName
    """The fault whose heal it is counted from."""


def judge(body: IsrRecovery, run: LogFacts) -> Iterator[Judged]:
    for occurrence, effective in run.occurrences_of(body.of):
        healed = occurrence.healed
        if healed is None:
            yield unknown("NotHealed", f"{occurrence} was never healed")
            continue
        if not healed.wall_ns:
            yield unknown("NoWallClock", f"the wall clock at the heal of {occurrence} was not recorded")
            continue
        chosen = run.chosen_partitions(body.partition)
        shrunk = [partition for partition in chosen if _shrank(run, partition, effective, healed)]
        if not shrunk:
            yield unknown("NeverShrank", f"no ISR was seen smaller between {occurrence} and its heal")
        for partition in shrunk:
            yield _one(body, run, partition, occurrence, healed)


def _shrank(run: LogFacts, partition: int, effective: FaultEvent, healed: FaultEvent) -> bool:
    whole = run.experiment.spec.topic.replication_factor
    return any(
        len(sample.isr) < whole
        for status, sample in run.isr_samples.get(partition, ())
        if effective.before_ns <= status.after_ns and status.before_ns <= healed.after_ns
    )


def _one(body: IsrRecovery, run: LogFacts, partition: int, occurrence: Occurrence, healed: FaultEvent) -> Judged:
    limit = run.limit_ns(body.at_most_ns)
    shown = {
        "limit": seconds(limit),
        "window": (healed.before_ns, healed.after_ns + limit),
        "upper_bound": True,
        "partition": partition,
    }
    metric = run.stamps.in_sync
    samples = run.partition_series(metric, partition)
    if not samples:
        return unknown("NoSample", f"no broker was scraped for {metric} of partition {partition}", **shown)
    error = run.history.clock_error_ns + MS
    # Of what follows at once from a heal the stamp may lie before it, by as much as the clocks may differ.
    stamps = [s for s in samples if round(s.value * SECOND) > healed.wall_ns - error]
    seen, smaller = _seen_whole_ns(run, partition, healed)
    if not stamps and seen is not None:
        message = f"partition {partition}: the ISR was seen whole again after the heal, and its stamp says otherwise"
        return unknown("ClocksDisagree", message, **shown)
    effective_wall_ns = occurrence.effective.wall_ns if occurrence.effective is not None else healed.wall_ns
    if not stamps and smaller is None and any(s.value * SECOND > effective_wall_ns for s in samples):
        message = f"partition {partition}: the ISR was whole again before the heal of {occurrence}"
        return unknown("WholeBefore", f"{message}, so no recovery counts from it", **shown)
    if not stamps:
        return unknown("EmptyResult", f"partition {partition}: no whole ISR after the heal of {occurrence}", **shown)
    first = min(stamps, key=lambda sample: sample.value)
    recovery = max(0, round(first.value * SECOND) - healed.wall_ns)
    shown |= {"measured": seconds(recovery), "weight": recovery, "witness": (healed, first)}
    message = f"partition {partition}: ISR whole again {seconds(recovery)} after the heal of {occurrence}"
    if seen is not None and recovery > seen - healed.before_ns + error:
        message += f", but it was seen whole after {seconds(seen - healed.before_ns)} already"
        return unknown("ClocksDisagree", message, **shown)
    took = recovery
    if smaller is not None and smaller - healed.before_ns > recovery + error:
        took = smaller - healed.before_ns
        shown |= {"measured": seconds(took), "weight": took}
        message += f", but it was still smaller after {seconds(took)}"
        if not controller_clock_was_right(run.history, healed.before_ns + recovery, healed.before_ns + took):
            return unknown("ClocksDisagree", message, **shown)
    return passed(message, **shown) if took <= limit else failed("TooSlow", message, **shown)


def _seen_whole_ns(run: LogFacts, partition: int, healed: FaultEvent) -> tuple[int | None, int | None]:
    """(when the leader first reported a whole ISR again after the heal, when it was last asked before that and the ISR
    was smaller); None: never, and nothing is said of an ISR that was not seen smaller after the heal, or only while
    another fault that began after it may explain that."""
    whole = run.experiment.spec.topic.replication_factor
    smaller: int | None = None
    beside = run.faults_beside(healed, healed.before_ns)
    until_ns = min((at_ns for at_ns in beside if at_ns > healed.before_ns), default=run.observed_until_ns)
    under_way = any(at_ns <= healed.before_ns for at_ns in beside)
    for status, sample in run.isr_samples.get(partition, ()):
        if status.after_ns > until_ns:
            break
        if len(sample.isr) < whole:
            smaller = status.before_ns if status.before_ns >= healed.before_ns else smaller
        elif (smaller is not None or under_way) and status.after_ns >= healed.before_ns:
            return status.after_ns if smaller is not None else None, smaller
    return None, smaller


ISR_RECOVERY = Column(
    "isrRecovery", "ISR Recovery", "The longest measured time from a heal to a whole ISR, such as 2.4s."
)
EXPECTATION = ExpectationType(
    "isrRecovery",
    IsrRecovery,
    __doc__,
    {DataModel.LOG: judge},
    column=ISR_RECOVERY,
    stamped=True,
    reasons=(
        Advice(
            "NeverShrank",
            "no ISR was seen smaller, so none can recover",
            "see whether the fault hit a replica, and make it longer than the replica lag",
        ),
        Advice(
            "WholeBefore",
            "the ISR shrank, and was whole again before the fault was healed",
            "ask `inSyncReplicas` instead, or let the fault keep its victims away until it is healed",
        ),
    ),
)
