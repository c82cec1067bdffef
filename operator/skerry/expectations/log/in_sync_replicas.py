"""The committed ISR has the size that is expected, no later than the limit; after a heal it then stays so.

As the leader of the highest epoch reports it; judged by the longest that it may have taken. `of`: at some moment
between the effect and the limit. `afterHealOf`: from some moment within the limit on, until the workload ends or a
fault is under way, then or already.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, Strict, model_validator

from skerry.expectations.bodies import ExpectationBody
from skerry.expectations.judged import Judged, failed, seconds, span, unknown, within
from skerry.expectations.log.facts import LogFacts
from skerry.expectations.port import ExpectationType
from skerry.faults.port import Path
from skerry.history.records import BrokerSample, FaultEvent, StatusSample
from skerry.schema.base import FaultName, PartitionIndex, PositiveDuration, exactly_one
from skerry.schema.cel import SpecRule
from skerry.schema.cel import exactly_one as one_of
from skerry.targets.port import DataModel

if TYPE_CHECKING:
    from skerry.experiment.document import Spec

IsrSize = Annotated[int, Strict(), Field(ge=0, le=99)]


class InSyncReplicas(ExpectationBody):
    """The committed ISR has this size at some moment no later than `within`; after a heal it also stays so."""

    equals: IsrSize | None = None
    """Exactly so many."""
    at_most: IsrSize | None = None
    """So many or fewer."""
    at_least: IsrSize | None = None
    """So many or more."""
    within_ns: PositiveDuration
    """Counted from the moment that `of` or `afterHealOf` says."""
    of: FaultName | None = None
    """Counted from the moment this fault took effect."""
    after_heal_of: FaultName | None = None
    """Counted from the moment this fault was healed."""
    partition: PartitionIndex | None = None
    """Default: every partition of the topic."""

    @model_validator(mode="after")
    def _consistent(self) -> InSyncReplicas:
        exactly_one(self, ("of", "after_heal_of"), "the moment that `within` counts from")
        exactly_one(self, ("equals", "at_most", "at_least"), "the size")
        return self

    def problems(self, spec: Spec) -> Iterator[tuple[Path, str]]:
        replicas = spec.topic.replication_factor
        for field, size in (("equals", self.equals), ("atLeast", self.at_least)):
            if size is not None and size > replicas:
                yield (field,), f"an ISR of {size} cannot be: `topic.replicationFactor` is {replicas}"


def judge(body: InSyncReplicas, run: LogFacts) -> Iterator[Judged]:
    if body.of is not None:
        moments: list[FaultEvent | None] = [effective for _, effective in run.occurrences_of(body.of)]
    else:
        moments = [occurrence.healed for occurrence in run.occurrences.get(body.after_heal_of or "", ())]
    for moment in moments:
        if moment is None:
            yield unknown("NotHealed", f"`{body.after_heal_of}` was never healed")
            continue
        for partition in run.chosen_partitions(body.partition):
            yield _one(body, run, moment, partition)


def _one(body: InSyncReplicas, run: LogFacts, moment: FaultEvent, partition: int) -> Judged:
    limit = run.limit_ns(body.within_ns)
    deadline = moment.after_ns + limit
    shown: dict[str, Any] = {
        "limit": f"{_wanted(body)} within {seconds(limit)}",
        "window": (moment.before_ns, deadline),
        "upper_bound": True,
        "partition": partition,
    }
    samples = [(s, b) for s, b in run.isr_samples.get(partition, ()) if s.after_ns >= moment.before_ns]
    in_time = [(s, b) for s, b in samples if s.before_ns <= deadline]
    if not in_time:
        return unknown("NoSamples", f"partition {partition}: no leader reported an ISR in time", **shown)
    first = next(((s, b) for s, b in in_time if _fits(body, len(b.isr))), None)
    if first is None:
        sizes = [len(b.isr) for _, b in in_time]
        message = f"partition {partition}: ISR of {sizes[-1]}, not {_wanted(body)}, within {seconds(limit)}"
        witness = (moment, in_time[-1][0])
        return failed("WrongIsr", message, measured=str(sizes[-1]), witness=witness, weight=limit, **shown)
    lost = _lost_again(body, run, samples, first[0], moment) if body.after_heal_of is not None else None
    if lost is not None:
        # Small again shortly after the heal, and then whole for good: it took so long.
        since_ns = lost[0].before_ns
        back = next(((s, b) for s, b in in_time if s.before_ns > since_ns), None)
        first, lost = (back, None) if back is not None else (first, lost)
    status, sample = first
    took = status.after_ns - moment.before_ns
    measured = span(status.before_ns - moment.after_ns, took)
    if lost is not None:
        message = (
            f"partition {partition}: ISR of {len(sample.isr)} after {measured}, but of {len(lost[1].isr)} again at "
            f"{seconds(lost[0].before_ns)}"
        )
        shown["upper_bound"] = False  # it was there in time; that it went away again no stall of ours explains
        return failed("IsrFlapped", message, measured=str(len(lost[1].isr)), witness=(moment, status, lost[0]), **shown)
    message = f"partition {partition}: ISR of {len(sample.isr)} after {measured}"
    shown |= {"measured": f"{len(sample.isr)} after {measured}", "weight": took}
    shown["window"] = (moment.before_ns, min(deadline, status.after_ns))
    return within(status.before_ns - moment.after_ns, took, limit, "WrongIsr", message, **shown)


def _lost_again(
    body: InSyncReplicas,
    run: LogFacts,
    samples: list[tuple[StatusSample, BrokerSample]],
    since: StatusSample,
    heal: FaultEvent,
) -> tuple[StatusSample, BrokerSample] | None:
    """The last sample after it fitted that does not, before a fault may explain it."""
    end = min([run.workload_end_ns, *run.faults_beside(heal, since.before_ns)])
    unfit = [
        (s, b)
        for s, b in samples
        if since.before_ns < s.before_ns and s.after_ns <= end and not _fits(body, len(b.isr))
    ]
    return max(unfit, key=lambda each: each[0].before_ns, default=None)


def _fits(body: InSyncReplicas, size: int) -> bool:
    if body.equals is not None:
        return size == body.equals
    if body.at_most is not None:
        return size <= body.at_most
    return size >= (body.at_least or 0)


def _wanted(body: InSyncReplicas) -> str:
    if body.equals is not None:
        return f"{body.equals}"
    return f"at most {body.at_most}" if body.at_most is not None else f"at least {body.at_least}"


EXPECTATION = ExpectationType(
    "inSyncReplicas",
    InSyncReplicas,
    __doc__,
    {DataModel.LOG: judge},
    rules={
        "InSyncReplicas": (
            one_of("the moment that `within` counts from", ("of", "afterHealOf")),
            one_of("the size", ("equals", "atMost", "atLeast")),
        )
    },
    in_spec=(
        SpecRule(
            "[?{0}.?equals, ?{0}.?atLeast].all(size, size <= {replicas})",
            "an ISR of this size cannot be: it is more than `replicationFactor`",
        ),
    ),
)
