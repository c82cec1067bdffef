"""A leader can only be where a replica is: known with the document, for an empty cluster, or when the run has begun."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from skerry.cli.abilities import ability
from skerry.cli.names import WorldName
from skerry.engine.plan import make_plan
from skerry.experiment import DocumentError, load_document
from skerry.report.plan import plan_lines
from skerry.targets.skerry.placement import replicas_of
from skerry_broker.core.api import CreateTopicRequest
from skerry_broker.core.topics import creation

DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {{name: placed}}
spec:
  hypothesis: Leaders are where they can be.
  cluster: {{brokers: 5, statefulSet: broker}}
  topic: {{partitions: 5, replicationFactor: {replicas}, minInSyncReplicas: 1}}
  prepare: {{leaders: [{leaders}]}}
  faults:
  - {{name: gone, startAfter: 1s, kill: {{how: PodDelete, target: {{ordinal: 0}}, downFor: 5s}}}}
"""
BEGINS_ELSEWHERE = "prepare, of a role where an empty cluster leaves nobody to play it"


def placed(*leaders, replicas=3):
    wanted = ", ".join(f"{{partition: {partition}, ordinal: {ordinal}}}" for partition, ordinal in leaders)
    return load_document(DOCUMENT.format(leaders=wanted, replicas=replicas), source_name="placed")


@pytest.mark.parametrize("leaders", [[(0, 0)], [(0, 2), (4, 1)], [(3, 0), (1, 3)], [(n, n) for n in range(5)]])
def test_leaders_on_brokers_that_hold_a_replica(leaders):
    experiment = placed(*leaders)
    assert make_plan(experiment, 1).misplaced == ""
    assert [ability(experiment, world).missing for world in WorldName][-1] == ()
    assert BEGINS_ELSEWHERE not in ability(experiment, WorldName.LOCAL).missing


@pytest.mark.parametrize(
    ("leaders", "said"),
    [
        ([(0, 4)], "orders-0 is on brokers 0, 1, 2, and `prepare` wants broker 4 to lead it"),
        ([(0, 0), (3, 1)], "orders-3 is on brokers 0, 3, 4, and `prepare` wants broker 1 to lead it"),
    ],
)
def test_leaders_where_an_empty_cluster_puts_no_replica(leaders, said):
    """A cluster with other topics may put them elsewhere."""
    experiment = placed(*leaders)
    lines = plan_lines(make_plan(experiment, 1))
    assert f"on an empty cluster, {said}; on another, that is known when the run has begun" in lines
    missing = {world: ability(experiment, world).missing for world in WorldName}
    assert BEGINS_ELSEWHERE in missing[WorldName.SIM]
    assert BEGINS_ELSEWHERE in missing[WorldName.LOCAL]
    assert missing[WorldName.KUBERNETES] == ()


@pytest.mark.parametrize(
    ("leaders", "replicas", "index"),
    [([(0, 0), (1, 0)], 1, 1), ([(0, 4), (1, 1), (2, 4)], 2, 2), ([(0, 0), (2, 4), (4, 2)], 3, 2)],
)
def test_leaders_that_no_cluster_could_have(leaders, replicas, index):
    with pytest.raises(DocumentError) as caught:
        placed(*leaders, replicas=replicas)
    (problem,) = caught.value.problems
    partition, ordinal = leaders[index]
    assert problem.path == f"spec.prepare.leaders[{index}]"
    assert problem.sentence.startswith(f"broker {ordinal} can hold no replica of partition {partition} when ")


@pytest.mark.parametrize("begins", [0, 3])
def test_replicas_are_where_the_brokers_put_them(begins):
    spec = placed((0, begins)).spec
    of_other_topics = {number: SimpleNamespace(replicas=(number,)) for number in range(begins)}
    brokers = {number: SimpleNamespace(electable=True) for number in range(5)}
    cluster = SimpleNamespace(brokers=brokers, partitions=of_other_topics)
    created = creation(cluster, CreateTopicRequest("orders", 5, 3, 1), "id", 0)[0]
    found = {number: tuple(sorted(replicas)) for number, replicas in enumerate(created.assignments)}
    assert found == {number: replicas_of(number, spec, begins) for number in range(5)}
