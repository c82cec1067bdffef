"""No topic creation that is sent to that side only succeeds, from the limit on until the fault ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from skerry.expectations.bodies import ExpectationBody, Probed
from skerry.expectations.judged import Judged, failed, passed, seconds, unknown
from skerry.expectations.limits import never_asked
from skerry.expectations.log.facts import LogFacts
from skerry.expectations.port import ExpectationType
from skerry.expectations.sides import brokers_text, sides_in_time
from skerry.faults.port import Path
from skerry.history.records import Outcome
from skerry.schema.base import PositiveDuration
from skerry.schema.selectors import Side
from skerry.targets.port import DataModel

if TYPE_CHECKING:
    from skerry.experiment.document import Spec


class TopicCreateRefused(ExpectationBody):
    """No topic creation that is sent to that side only succeeds, from `within` after the fault took effect until it
    ends."""

    probed: ClassVar[Probed] = Probed.METADATA
    by: Side
    within_ns: PositiveDuration = 1_500_000_000
    """Default 1500ms."""

    def problems(self, spec: Spec) -> Iterator[tuple[Path, str]]:
        yield from never_asked(spec, self.by.fault, self.within_ns, "within")


def judge(body: TopicCreateRefused, run: LogFacts) -> Iterator[Judged]:
    limit = run.limit_ns(body.within_ns)
    for side in sides_in_time(run, body.by, limit):
        window, who = side.window, brokers_text(side.brokers)
        shown = {
            "limit": f"none after {seconds(limit)}",
            "window": (window.from_ns, window.to_ns),
            "stall_voids_pass": True,
        }
        tried = [
            creation
            for creation in run.history.topics
            if creation.directed_to in side.brokers and window.from_ns <= creation.invoked_ns <= window.to_ns
        ]
        if not tried:
            yield unknown("NotProbed", f"no topic creation was sent to {who} alone {window.name}", **shown)
            continue
        created = [c for c in tried if c.outcome is Outcome.OK and c.completed_ns <= window.to_ns]
        shown["measured"] = f"{len(created)} of {len(tried)} succeeded"
        message = f"{who}: {len(created)} of {len(tried)} topic creations succeeded {window.name}"
        if created:
            yield failed("TopicCreated", message, witness=(created[0],), **shown)
        else:
            yield passed(message, **shown)


EXPECTATION = ExpectationType("topicCreateRefused", TopicCreateRefused, __doc__, {DataModel.LOG: judge})
