"""No higher leader epoch (controller: term) is committed between the effect of the fault and its heal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from skerry.expectations.bodies import SUBJECT_RULES, OfPartitionOrController
from skerry.expectations.judged import Judged, failed, passed, seconds, unknown
from skerry.expectations.port import ExpectationType
from skerry.schema.base import FaultName
from skerry.targets.port import DataModel

if TYPE_CHECKING:
    from skerry.expectations.log.facts import LogFacts


class NoLeaderChange(OfPartitionOrController):
    """No higher leader epoch (controller: term) is committed while the fault is in effect."""

    during: FaultName
    """While this fault is in effect."""


def judge(body: NoLeaderChange, run: LogFacts) -> Iterator[Judged]:
    whose = "the controller" if body.partition is None else f"partition {body.partition}"
    known = run.controllers if body.partition is None else run.leaderships.get(body.partition, [])
    for occurrence, effective in run.occurrences_of(body.during):
        window = run.certain_window(occurrence, effective, 0)
        edges = (window.from_ns, window.to_ns)
        old = run.leadership_at(body.partition, effective.before_ns)
        if old is None or not any(edges[0] <= s.after_ns and s.before_ns <= edges[1] for s in run.history.statuses):
            yield unknown("NoEvidence", f"nobody saw who led {whose} {window.name}", limit="none")
            continue
        new = next(
            (seen for seen in known if seen.epoch > old.epoch and effective.before_ns <= seen.earliest_ns <= edges[1]),
            None,
        )
        if new is None:
            message = f"{whose}: broker {old.leader} stayed leader in epoch {old.epoch} {window.name}"
            yield passed(message, limit="none", measured="none", window=edges)
        else:
            after = seconds(max(0, new.earliest_ns - effective.before_ns))
            message = f"{whose}: epoch {new.epoch} (broker {new.leader}) was committed {after} after {occurrence} began"
            witness = (old.record, effective, new.record)
            yield failed("LeaderChanged", message, limit="none", measured=after, window=edges, witness=witness)


EXPECTATION = ExpectationType(
    "noLeaderChange", NoLeaderChange, __doc__, {DataModel.LOG: judge}, rules={"NoLeaderChange": SUBJECT_RULES}
)
