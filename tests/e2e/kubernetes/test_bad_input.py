"""What is wrong shows only under way, or only after a wait: Inconclusive, one sentence that says what to change, and
nothing left behind."""

from __future__ import annotations

import json

import pytest
from e2e_cluster import until
from e2e_documents import LEADER, cut, deletion, experiment
from e2e_lab import BROKERS, OPERATOR, Ended, Lab, Run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

NO_IMAGE = "skerry/operator:no-such-tag"
CRASH = {"name": "crash", "startAfter": "1s", "kill": {"target": LEADER, "how": "Process", "downFor": "2s"}}


def inconclusive(run: Run, within_s: float = 120) -> Ended:
    """It ends so, and of what it made only the workload is left, as long as that serves the report."""
    ended = run.ended(within_s)
    assert ended.verdict == "Inconclusive", ended.message
    assert run.lab.policies() == [], "no cut outlives its verdict"
    until("fuses, hold and Lease are gone", 10, lambda: all("-workload" in each for each in run.artefacts()))
    return ended


def test_brokers_that_never_get_ready_are_named(throwaway: Lab) -> None:
    """The rollout of an image that cannot be had has stopped at the last broker."""
    lab = throwaway
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "broker", "image": "skerry/broker:no-such-tag"}]}}}}
    lab.must("patch", "statefulset", BROKERS, f"--patch={json.dumps(patch)}")
    until("broker-2 waits for its image", 60, lambda: "ImagePull" in str(waiting(lab, "broker-2")))
    with lab.nothing_is_made():
        run = lab.apply(experiment("not-ready", cut()))
        status = run.until_phase("Pending", within_s=10)
        accepted = status["conditions"][0]
        assert (accepted["type"], accepted["status"], accepted["reason"]) == ("Accepted", "Unknown", "BrokersNotReady")
        ended = run.ended(within_s=60)
    assert (ended.verdict, ended.reason) == ("Inconclusive", "BrokersNotReady")
    assert ended.condition("Accepted")["status"] == "False"
    for words in (
        "broker-2 cannot have the image `skerry/broker:no-such-tag` of container broker",
        "wait until all 3 brokers are ready",
        f"`kubectl get pods -n {lab.namespace}`",
    ):
        assert words.lower() in ended.message.lower()


def waiting(lab: Lab, pod: str) -> list[str]:
    found = lab.cluster.get("pods", lab.namespace, pod) or {}
    statuses = found.get("status", {}).get("containerStatuses") or []
    return [str((each["state"].get("waiting") or {}).get("reason")) for each in statuses]


def test_brokers_that_get_ready_are_waited_for(lab: Lab) -> None:
    lab.must("delete", "pod", "broker-1", "--wait=false")
    run = lab.apply(experiment("ready-soon", deletion()))
    ended = run.ended()
    assert ended.verdict == "Pass", ended.message


def test_a_role_that_nobody_has(lab: Lab) -> None:
    """One follower is away; two in sync are asked for."""
    away = deletion("40s") | {"name": "away"}
    away["kill"] |= {"target": {"role": "InSyncFollower", "partition": 0}}
    both = {"target": {"role": "InSyncFollower", "partition": 0, "count": 2}, "how": "PodDelete", "downFor": "1s"}
    run = lab.apply(
        experiment(
            "no-role",
            away,
            {"name": "both", "following": "away", "startAfter": "5s", "kill": both},
            allow=["QuorumLoss", "BelowMinIsr"],
        )
    )
    ended = inconclusive(run)
    assert ended.reason == "Unresolved"
    assert "`both` could not begin: 2 x InSyncFollower of partition 0" in ended.message


def test_a_workload_whose_image_cannot_be_had(lab: Lab) -> None:
    with lab.operator_with(SKERRY_RUNNER_IMAGE=NO_IMAGE):
        ended = inconclusive(lab.apply(experiment("no-image", cut())))
    assert ended.reason == "WorkloadNotStarted"
    assert f"the image `docker.io/{NO_IMAGE}` of the workload pod cannot be had" in ended.message.replace(
        f"`{NO_IMAGE}`", f"`docker.io/{NO_IMAGE}`"
    )
    assert "set the chart's image values" in ended.message
    assert ended.condition("FaultActive")["reason"] == "NotInjected"


@pytest.mark.parametrize("fault", [cut("10s"), CRASH], ids=["cut", "crash"])
def test_an_injector_whose_image_cannot_be_had(lab: Lab, fault: dict) -> None:
    with lab.operator_with(SKERRY_INJECTOR_IMAGE=NO_IMAGE):
        ended = inconclusive(lab.apply(experiment("no-injector", fault)))
    try:
        assert ended.reason == "InjectionFailed", ended.message
        assert NO_IMAGE in ended.message
        assert "load it, or correct its name" in ended.message or "see whether its image" in ended.message
    finally:
        # An ephemeral container cannot be taken out of its pod; this one would be tried for ever.
        for pod in lab.items("pods", "app.kubernetes.io/component=broker"):
            if any(NO_IMAGE in each["image"] for each in pod["spec"].get("ephemeralContainers") or []):
                lab.must("delete", "pod", pod["metadata"]["name"])


@pytest.mark.parametrize("how", ["deleted", "evicted"])
def test_a_workload_pod_that_is_lost_in_the_middle(lab: Lab, how: str) -> None:
    run = lab.apply(experiment("lost", cut("40s")))
    run.until_phase("Holding")
    (pod,) = lab.items("pods", f"skerry.dev/experiment={run.name},skerry.dev/artefact=workload")
    name = pod["metadata"]["name"]
    if how == "deleted":
        lab.must("delete", "pod", name, "--wait=false")
    else:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        path = f"/api/v1/namespaces/{lab.namespace}/pods/{name}/eviction"
        lab.must("create", "--raw", path, "--filename=-", stdin=json.dumps(eviction))
    ended = inconclusive(run, within_s=60)
    assert ended.reason == "WorkloadLost", ended.message
    assert f"the workload is gone: the workload pod {name} has ended" in ended.message.lower()


def test_a_permission_that_is_taken_away_in_the_middle(lab: Lab) -> None:
    role = json.loads(lab.must("get", "role", OPERATOR, "--output=json"))
    rules = [each for each in role["rules"] if "networkpolicies" not in each["resources"]]
    rules.append(
        {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["get", "list", "delete"]}
    )
    run = lab.apply(experiment("no-rights", cut("10s", start_after="3s")))
    try:
        run.until_phase("SteadyState")
        lab.must("patch", "role", OPERATOR, "--type=merge", f"--patch={json.dumps({'rules': rules})}")
        ended = inconclusive(run)
    finally:
        lab.restore(role)
    assert ended.reason == "InjectionFailed", ended.message
    assert "refused to create networkpolicies" in ended.message
    assert "grant `create` on networkpolicies" in ended.message
