"""A resource as a document, and the topic of its run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from skerry.controller.document import InvalidDocument, document_text, read_resource
from skerry.experiment import load_document
from skerry.targets.skerry.own_topic import own_query, own_topic, own_topic_name

EXAMPLES = sorted((Path(__file__).parents[3] / "experiments").rglob("*.yaml"))
UID = "1a2b3c4d-5e6f-7081"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_survives_the_way_there_and_back(path):
    experiment = load_document(path.read_text())
    stored = yaml.safe_load(path.read_text()) | {"status": {"phase": "Pending"}}
    stored["metadata"] |= {"uid": UID, "managedFields": [{"manager": "kubectl"}], "annotations": {"a": "b"}}
    assert read_resource(stored) == experiment
    keeps = experiment.target.own
    own = keeps().document(experiment, UID) if keeps else experiment
    mark = "-skx-1a2b3c4d" if "topic" in experiment.target.words else ""
    assert own.spec.topic.name == f"{experiment.spec.topic.name}{mark}"
    assert load_document(document_text(own)) == own


def test_texts_that_look_like_something_else_survive():
    experiment = load_document(EXAMPLES[0].read_text())
    for text in ("yes", "0x1F", "12:30", "null", "~", "- a", "a: b # c", "ä\u2028\n\t"):
        changed = experiment.model_copy(update={"spec": experiment.spec.model_copy(update={"hypothesis": text})})
        assert load_document(document_text(changed)).spec.hypothesis == text


def test_metrics_of_the_topic_are_asked_about_the_own_one():
    text = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: story}
spec:
  hypothesis: It is a story.
  topic: {name: orders}
  faults: [{name: kill, kill: {target: {ordinal: 0}, how: PodDelete}}]
  expect:
  - {name: ours, metric: {name: a, labels: {topic: orders, partition: "0"}, aggregate: Max, atMost: 1}}
  - {name: other, metric: {name: a, labels: {topic: payments}, aggregate: Max, atMost: 1}}
  - {name: none, metric: {name: a, aggregate: Max, atMost: 1}}
"""
    experiment = load_document(text)
    labels = [each.metric.labels for each in own_topic(experiment, UID).spec.expect]
    assert labels == [{"topic": "orders-skx-1a2b3c4d", "partition": "0"}, {"topic": "payments"}, {}]
    assert experiment.spec.expect[0].metric.labels["topic"] == "orders", "the document itself is as it was"


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ('rate(x{a="b"}[1m]) > 0', 'rate(x{a="b"}[1m]) > 0'),
        ('max(lag{topic="$topic"})', 'max(lag{topic="orders-skx-1a2b3c4d"})'),
        ('x{a="$topics", b="cost$"}', 'x{a="$topics", b="cost$"}'),
    ],
    ids=["as it was written", "but for the topic", "and nothing else"],
)
def test_queries_are_asked_about_the_own_topic(query, sent):
    assert own_query(own_topic(load_document(EXAMPLES[0].read_text()), UID), query) == sent


def test_a_long_name_is_cut_and_stays_its_own():
    name = own_topic_name("o" * 200, UID)
    assert len(name) == 200
    assert name.endswith("o-skx-1a2b3c4d")


def test_problems_are_one_sentence_without_lines():
    resource = yaml.safe_load(EXAMPLES[0].read_text())
    resource["spec"]["topic"] = {"partitions": 0, "replicationFactor": 0, "minInSyncReplicas": 0, "name": "", "x": 1}
    with pytest.raises(InvalidDocument) as refused:
        read_resource(resource)
    message = str(refused.value)
    assert message.startswith("spec.topic.")
    assert message.count("; ") >= 3
    assert message.endswith("; and 2 more.")
    assert "document:" not in message


@pytest.mark.parametrize("spec", [None, [], "x", {}])
def test_a_resource_without_a_spec_is_refused(spec):
    resource = yaml.safe_load(EXAMPLES[0].read_text()) | {"spec": spec}
    with pytest.raises(InvalidDocument):
        read_resource(resource)
