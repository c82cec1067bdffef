"""A run's own topic: never one of the user's, and empty at the start.

The brokers on Kubernetes outlive the run. What is checked (every acknowledged write, replica by replica) can be told
only of a topic that nobody else writes to, and nothing may ever be written to a topic that belongs to somebody.
"""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from skerry.experiment.document import Expectation, Experiment

MARK = "-skx-"
UID_DIGITS = 8
TOPIC_LENGTH_MAX = 200
"""The same limit as the document's."""
TOPIC_LABEL = "topic"
"""The label of the brokers' metrics that names the topic."""


def own_topic_name(name: str, uid: str) -> str:
    """``orders-skx-1a2b3c4d``: the same for the same experiment, another for every other."""
    suffix = MARK + uid.replace("-", "")[:UID_DIGITS]
    return name[: TOPIC_LENGTH_MAX - len(suffix)] + suffix


def own_topic(experiment: Experiment, uid: str) -> Experiment:
    """The document as it is run: its topic, and the metrics that are asked about that topic, have the run's own name.

    A `promql` query says `$topic` for it; that is replaced when it is asked.

    ``uid``: of the resource.
    """
    if not _has_topics(experiment):
        return experiment
    spec = experiment.spec
    old, new = spec.topic.name, own_topic_name(spec.topic.name, uid)
    expect = tuple(_renamed(expectation, old, new) for expectation in spec.expect)
    topic = spec.topic.model_copy(update={"name": new})
    return experiment.model_copy(update={"spec": spec.model_copy(update={"topic": topic, "expect": expect})})


def document_text(experiment: Experiment) -> str:
    """The document as YAML, for the header of the history: reading it gives the same experiment."""
    unsaid = {"status": True} | ({} if _has_topics(experiment) else {"spec": {"topic"}})
    document = experiment.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=unsaid)
    return yaml.dump(document, Dumper=_NoAliases, sort_keys=False, width=120, allow_unicode=False)


def _has_topics(experiment: Experiment) -> bool:
    return "topic" in experiment.target.words


def _renamed(expectation: Expectation, old: str, new: str) -> Expectation:
    metric = expectation.metric
    if metric is None or metric.labels.get(TOPIC_LABEL) != old:
        return expectation
    labels: Mapping[str, str] = {**metric.labels, TOPIC_LABEL: new}
    return expectation.model_copy(update={"metric": metric.model_copy(update={"labels": labels})})


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True
