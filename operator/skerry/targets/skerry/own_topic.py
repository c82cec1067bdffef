"""A run's own topic: never one of the user's, and empty at the start.

The brokers on Kubernetes outlive the run. What is checked (every acknowledged write, replica by replica) can be told
only of a topic that nobody else writes to, and nothing may ever be written to a topic that belongs to somebody.
"""

from __future__ import annotations

import re

from skerry.experiment.document import Experiment
from skerry.targets.port import Own

MARK = "-skx-"
UID_DIGITS = 8
TOPIC_LENGTH_MAX = 200
"""The same limit as the document's."""
TOPIC_LABEL = "topic"
"""The label of the brokers' metrics that names the topic."""
TOPIC_PLACE = re.compile(r"\$topic\b")


def own_topic_name(name: str, uid: str) -> str:
    """``orders-skx-1a2b3c4d``: the same for the same experiment, another for every other."""
    suffix = MARK + uid.replace("-", "")[:UID_DIGITS]
    return name[: TOPIC_LENGTH_MAX - len(suffix)] + suffix


def own_topic(experiment: Experiment, uid: str) -> Experiment:
    """The document as it is run: its topic, and the metrics that are asked about that topic, have the run's own name.

    A `promql` query says `$topic` for it; that is replaced when it is asked (`own_query`).

    ``uid``: of the resource.
    """
    spec = experiment.spec
    old, new = spec.topic.name, own_topic_name(spec.topic.name, uid)
    expect = tuple(each.with_body(each.body.relabelled(TOPIC_LABEL, old, new)) for each in spec.expect)
    topic = spec.topic.model_copy(update={"name": new})
    return experiment.model_copy(update={"spec": spec.model_copy(update={"topic": topic, "expect": expect})})


def own_query(experiment: Experiment, query: str) -> str:
    """What Prometheus is asked: `$topic`, which is nothing in PromQL, is the run's own topic."""
    return TOPIC_PLACE.sub(experiment.spec.topic.name, query)


OWN = Own(own_topic, own_query)
