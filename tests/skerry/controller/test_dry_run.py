"""A dry run: which brokers each fault would hit, from the brokers' own words."""

from __future__ import annotations

from skerry.controller.dry_run import dry_run
from skerry.engine.observation import BrokerView, Observation
from skerry.experiment import load_document

HEAD = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: story}
spec:
  hypothesis: It is a story.
"""
FAULTS = """
  faults:
  - {name: head, kill: {target: {role: Controller}, how: PodDelete}}
  - name: cut
    duration: 1s
    repeat: {times: 3, every: 2s}
    partition: {groups: [[{role: PartitionLeader, partition: 1}], [{role: Other}]]}
"""


def view(ordinal: int, controller: int = 2, **more) -> BrokerView:
    shown = {"reachable": True, "broker_epoch": 5, "controller": controller, "term": 4, "timing": "Default"} | more
    return BrokerView(ordinal, 0, group_role="Leader" if ordinal == controller else "Follower", **shown)


def test_the_controller_is_the_present_one_and_leaders_are_those_of_a_new_topic():
    found = dry_run(load_document(HEAD + FAULTS), 7, Observation(brokers=tuple(map(view, range(3)))))
    assert [line.partition(";")[0] for line in found.targets] == [
        "head: brokers 2 (Controller = broker 2 (term 4))",
        "cut: brokers 1 | 0, 2 (PartitionLeader of partition 1 = broker 1 (epoch 0)",
    ]
    assert "quorum holds" in found.targets[0]
    assert found.message == "Dry run: nothing was touched."


def test_prepare_places_them():
    prepare = "\n  prepare: {controller: {ordinal: 0}, leaders: [{partition: 1, ordinal: 2}]}"
    found = dry_run(load_document(HEAD + prepare + FAULTS), 7, Observation(brokers=tuple(map(view, range(3)))))
    assert found.targets[0].startswith("head: brokers 0 ")
    assert found.targets[1].startswith("cut: brokers 2 | 0, 1 ")


def test_what_is_missing_is_said():
    silent = Observation(brokers=(view(0), BrokerView(1, 0, reachable=False), view(2, timing="Relaxed")))
    found = dry_run(load_document(HEAD + FAULTS), 7, silent)
    assert "Broker 1 does not answer." in found.message
    assert "Broker 2 runs with timing Relaxed" in found.message


def test_a_role_that_nobody_has():
    nobody = Observation(brokers=tuple(BrokerView(ordinal, 0, reachable=False) for ordinal in range(3)))
    found = dry_run(load_document(HEAD + FAULTS), 7, nobody)
    assert found.targets[0] == "head: nobody: Controller: nobody has this role"
