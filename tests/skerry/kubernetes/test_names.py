"""Names and labels: valid, deterministic, and never the same for two things."""

from __future__ import annotations

import itertools
import re

import pytest

from skerry.faults.port import OccurrenceId
from skerry.worlds.kubernetes import names
from skerry.worlds.kubernetes.names import Artefact

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
EXPERIMENT = {
    "apiVersion": "skerry.dev/v1alpha1",
    "kind": "ChaosExperiment",
    "metadata": {"name": "leader-isolation", "namespace": "skerry", "uid": "u-1"},
}


def test_names_that_people_see():
    cut = OccurrenceId("isolate", 0)
    assert names.fuse_name("one", cut) == "skerry-one-isolate-0-fuse"
    assert names.workload_name("leader-isolation") == "skerry-leader-isolation-workload"
    assert names.report_name("leader-isolation") == "skerry-leader-isolation-report"
    assert re.fullmatch(r"skerry-one-isolate-0-broker-1-[0-9a-f]{8}", names.policy_name("one", cut, "broker-1"))
    assert names.lease_name("broker") == "skerry-broker"
    assert names.hold_name("broker") == "broker-hold"


def test_every_name_is_a_dns_label_and_no_two_are_the_same():
    experiments = ["a", "a-b", "a-b-c", "x" * 50, "x" * 49 + "y", "a-report", "a-workload"]
    faults = ["b", "b-c", "c", "c-0", "f" * 30, "f" * 29 + "g"]
    pods = ["broker-0", "broker-10", "s" * 50 + "-1", "dotted.set-0", "dotted-set-0"]
    made = []
    for experiment in experiments:
        made += [names.workload_name(experiment), names.report_name(experiment)]
        for fault, number in itertools.product(faults, (0, 1, 12)):
            occurrence = OccurrenceId(fault, number)
            made += [names.fuse_name(experiment, occurrence)]
            made += [names.policy_name(experiment, occurrence, pod) for pod in pods]
    assert len(set(made)) == len(made)
    for name in made:
        assert DNS_LABEL.fullmatch(name), name
        assert len(name) <= 63, name


def test_names_are_the_same_every_time():
    assert names.digest("a", "b") == "59b271ae"
    assert names.digest("ab", "") != names.digest("a", "b")


def test_labels_and_the_selectors_that_find_them():
    assert names.labels("one", Artefact.POLICY) == {
        "app.kubernetes.io/managed-by": "skerry",
        "app.kubernetes.io/part-of": "skerry",
        "skerry.dev/experiment": "one",
        "skerry.dev/artefact": "policy",
    }
    assert names.selector() == "app.kubernetes.io/managed-by=skerry"
    assert names.selector("one", Artefact.FUSE) == (
        "app.kubernetes.io/managed-by=skerry,skerry.dev/experiment=one,skerry.dev/artefact=fuse"
    )
    assert names.is_ours({"metadata": {"labels": names.labels("one", Artefact.FUSE)}})
    assert not names.is_ours({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}})
    assert not names.is_ours({"metadata": {}})


def test_an_owner_never_blocks_a_deletion():
    assert names.owner_reference(EXPERIMENT) == {
        "apiVersion": "skerry.dev/v1alpha1",
        "kind": "ChaosExperiment",
        "name": "leader-isolation",
        "uid": "u-1",
        "blockOwnerDeletion": False,
    }


def test_an_item_of_a_list_is_no_owner():
    with pytest.raises(ValueError, match="has no apiVersion, kind"):
        names.owner_reference({"metadata": EXPERIMENT["metadata"]})
