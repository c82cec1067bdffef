"""No topic creation that is sent to that side only succeeds, from the limit on until the fault ends."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.expectations.base import Judged, Rule, failed, passed, seconds, unknown
from skerry.checker.expectations.facts import RunFacts
from skerry.checker.expectations.sides import brokers_text, sides_in_time
from skerry.experiment.expectations import TopicCreateRefused
from skerry.history.records import Outcome


def judge(body: TopicCreateRefused, run: RunFacts) -> Iterator[Judged]:
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


RULE = Rule("topicCreateRefused", __doc__, judge)
