"""What is refused before anything is touched, and the sentence that says what to change."""

from __future__ import annotations

import json

import pytest
from e2e_documents import CRASH, DELETION, ISOLATION, cut, deletion, experiment, shipped
from e2e_lab import ENABLED, INJECTOR, OPERATOR, Ended, Lab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

OPTED_OUT = [
    pytest.param(ISOLATION, ["a NetworkPolicy does not cut established TCP", "`connections: New`"], id="01"),
    pytest.param(CRASH, ["a process can only be killed from inside", "`how: PodDelete`"], id="04a"),
]


def refused(lab: Lab, document: dict) -> Ended:
    """Apply it; it ends at once, and nothing was made for it."""
    with lab.nothing_is_made():
        ended = lab.apply(document).ended(within_s=15)
    accepted = ended.condition("Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", ended.reason)
    assert ended.verdict == "Inconclusive"
    assert accepted["message"] == ended.message
    assert ended.message.endswith(".")
    return ended


@pytest.mark.smoke
@pytest.mark.parametrize(("file", "words"), OPTED_OUT)
def test_without_the_label_nothing_acts_inside_a_pod(lab: Lab, file: str, words: list[str]) -> None:
    with lab.unlabelled(INJECTOR):
        ended = refused(lab, shipped(file))
    assert ended.reason == "UnsupportedFault"
    label = f'switch on the label `skerry.dev/allow-injector: "true"` of namespace {lab.namespace}.'
    for words_ in (*words, label):
        assert words_ in ended.message


@pytest.mark.parametrize(("file", "words"), OPTED_OUT)
def test_without_the_grant_nothing_acts_inside_a_pod(lab: Lab, file: str, words: list[str]) -> None:
    role = json.loads(lab.must("get", "role", "skerry-injector", "--output=json"))
    lab.must("delete", "role", "skerry-injector")
    try:
        ended = refused(lab, shipped(file))
    finally:
        lab.restore(role)
    assert ended.reason == "UnsupportedFault"
    for words_ in (*words, "switch on the chart's value `injector.enabled=true`."):
        assert words_ in ended.message


@pytest.mark.smoke
def test_a_pod_deletion_needs_no_opt_in(lab: Lab) -> None:
    with lab.unlabelled(INJECTOR):
        ended = lab.apply(shipped(DELETION)).ended()
    assert ended.verdict == "Pass", ended.message


def test_a_pod_deletion_needs_no_grant(lab: Lab) -> None:
    role = json.loads(lab.must("get", "role", "skerry-injector", "--output=json"))
    lab.must("delete", "role", "skerry-injector")
    try:
        ended = lab.apply(shipped(DELETION)).ended()
    finally:
        lab.restore(role)
    assert ended.verdict == "Pass", ended.message


@pytest.mark.smoke
def test_a_namespace_that_did_not_say_yes_is_left_alone(lab: Lab) -> None:
    with lab.unlabelled(ENABLED):
        ended = refused(lab, experiment("not-enabled", deletion()))
    assert ended.reason == "NamespaceNotEnabled"
    assert f"kubectl label namespace {lab.namespace} skerry.dev/enabled=true" in ended.message


def test_a_label_with_another_value_is_no_yes(lab: Lab) -> None:
    lab.cluster.must("label", "namespace", lab.namespace, f"{ENABLED}=yes", "--overwrite")
    try:
        ended = refused(lab, experiment("not-enabled", deletion()))
    finally:
        lab.cluster.must("label", "namespace", lab.namespace, f"{ENABLED}=true", "--overwrite")
    assert ended.reason == "NamespaceNotEnabled"
    assert f"namespace {lab.namespace} says `yes` in its label `{ENABLED}`" in ended.message.lower()


@pytest.mark.smoke
def test_a_standing_policy_that_would_void_the_cut_is_named(lab: Lab) -> None:
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "allow-all"},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{}],
            "egress": [{}],
        },
    }
    lab.must("create", "--filename=-", stdin=json.dumps(policy))
    try:
        ended = refused(lab, shipped(ISOLATION))
        assert lab.policies() == ["allow-all"], "it is not ours to remove"
    finally:
        lab.must("delete", "networkpolicy", "allow-all")
    assert ended.reason == "PolicyInTheWay"
    for words in ("NetworkPolicy `allow-all` allows broker-", "remove it, or exclude the brokers from its podSelector"):
        assert words in ended.message


BAD_CLUSTERS = [
    pytest.param(
        {"statefulSet": "brokers", "brokers": 3},
        "StatefulSetNotFound",
        "there is no StatefulSet `brokers` in namespace {namespace}: correct `spec.cluster.statefulSet`",
        id="unknown StatefulSet",
    ),
    pytest.param(
        {"statefulSet": "broker", "brokers": 5},
        "WrongReplicas",
        "has 3 replicas, and `spec.cluster.brokers` says 5: scale it, or change the document",
        id="another number of brokers",
    ),
]


@pytest.mark.smoke
@pytest.mark.parametrize(("brokers", "reason", "words"), BAD_CLUSTERS)
def test_brokers_that_are_not_there(lab: Lab, brokers: dict, reason: str, words: str) -> None:
    ended = refused(lab, experiment("nobody", deletion(), cluster=brokers))
    assert ended.reason == reason
    assert words.format(namespace=lab.namespace) in ended.message[0].lower() + ended.message[1:]


SLOW = {"between": [[{"ordinal": 0}], [{"ordinal": 1}]], "latency": "50ms"}
ONE_WAY = {"links": [{"from": {"ordinal": 0}, "to": {"ordinal": 1}}], "planes": ["Raft"]}
BEYOND = [
    pytest.param({"slow": SLOW}, "use `--world local`", id="slow"),
    pytest.param({"pause": {"target": {"ordinal": 0}}}, "use `--world local`", id="pause"),
    pytest.param({"partition": ONE_WAY}, "a NetworkPolicy refuses connections, not packets", id="one-way"),
]


@pytest.mark.parametrize(("fault", "words"), BEYOND)
def test_faults_that_this_world_cannot_do(lab: Lab, fault: dict, words: str) -> None:
    ended = refused(lab, experiment("beyond", {"name": "beyond", "duration": "5s", **fault}))
    assert ended.reason == "UnsupportedFault"
    assert words in ended.message


@pytest.mark.smoke
def test_a_missing_permission_is_named(lab: Lab) -> None:
    role = json.loads(lab.must("get", "role", OPERATOR, "--output=json"))
    rules = [each for each in role["rules"] if "networkpolicies" not in each["resources"]]
    assert len(rules) == len(role["rules"]) - 1
    lab.must("patch", "role", OPERATOR, "--type=merge", f"--patch={json.dumps({'rules': rules})}")
    try:
        ended = refused(lab, experiment("no-rights", cut()))
    finally:
        lab.restore(role)
    assert ended.reason == "MissingPermission"
    assert (
        f"may not get/list/create/delete networkpolicies (networking.k8s.io) in namespace {lab.namespace}"
        in ended.message
    )
    assert "grant it in its Role there (the chart's value `rbac.create=true` does)" in ended.message


@pytest.mark.smoke
def test_a_dry_run_tells_whom_it_would_hit_and_touches_nothing(lab: Lab) -> None:
    document = shipped(ISOLATION)
    document["spec"]["dryRun"] = True
    with lab.nothing_is_made():
        ended = lab.apply(document).ended(within_s=15)
    assert (ended.verdict, ended.reason) == ("Inconclusive", "DryRun")
    assert ended.condition("Accepted")["status"] == "True"
    (target,) = ended.status["targets"]
    assert target.startswith("cut: brokers 0 | 1, 2 (")
    assert "quorum holds (2 connected, 2 needed)" in target
