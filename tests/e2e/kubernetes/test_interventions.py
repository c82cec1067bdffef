"""Somebody intervenes: aborts a run, cleans up after it, wants the same brokers, or signals one of them."""

from __future__ import annotations

import json
import time

import pytest
from e2e_cli import skerry
from e2e_cluster import until
from e2e_documents import cut, deletion, experiment, unique
from e2e_lab import Lab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.mark.smoke
def test_an_abort_heals_at_once(lab: Lab) -> None:
    with lab.cluster.watch("networkpolicies", lab.namespace) as watch:
        run = lab.apply(experiment("abort", cut("60s")))
        run.until_phase("Holding")
        asked_s = time.time()
        run.abort("seen enough")
        gone = until("the policy is gone", 10, lambda: watch.first("DELETED"))
        ended = run.ended()
    assert gone.at_s < asked_s + 2, f"healed after {gone.at_s - asked_s:.2f} s"
    assert (ended.verdict, ended.reason) == ("Inconclusive", "Aborted")
    assert "seen enough" in ended.message
    assert ended.condition("Healed")["status"] == "True", "and it was measured"
    assert ended.condition("Complete")["reason"] == "Finished", "and it was drained and checked"


def test_clean_needs_no_operator(lab: Lab) -> None:
    run = lab.apply(experiment("clean", cut("60s")))
    run.until_phase("Holding")
    with lab.operator_dead():
        kinds = {each.partition("/")[0] for each in run.artefacts()}
        assert kinds == {"networkpolicies", "jobs", "pods", "leases"}, "everything stands"
        done = skerry("clean", "--namespace", lab.namespace)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "removed policy NetworkPolicy" in done.stdout
        assert lab.policies() == [], "the cut is gone when the command returns"
        until("everything is gone", 30, lambda: not run.artefacts())
        run.delete()


@pytest.mark.smoke
def test_one_at_a_time_on_the_same_brokers(lab: Lab) -> None:
    """The second waits, says for which one, and has its turn."""
    first = lab.apply(experiment("first", cut("6s")))
    first.until_phase("SteadyState", "Injecting", "Verifying", "Holding")
    second = lab.apply(experiment("second", deletion()))
    status = second.until_phase("Pending")
    accepted = next(each for each in status["conditions"] if each["type"] == "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("Unknown", "TargetBusy")
    assert f"are taken by the experiment `{first.name}`" in accepted["message"]
    assert [each for each in second.artefacts() if not each.startswith("leases/")] == []
    assert first.ended().verdict == "Pass", first.status["message"]
    assert second.ended().verdict == "Pass", second.status["message"]
    begun, over = second.status["conditions"][0], first.status["completionTime"]
    assert begun["lastTransitionTime"] >= over, "accepted only after the first was over"


def test_the_same_name_applied_again_is_another_experiment(lab: Lab) -> None:
    """However late a word of the first one comes, it is never one of the second's."""
    version = lab.cluster.version("chaosexperiments", lab.namespace)
    documents = [experiment("again", cut("60s")), experiment("again", deletion())]
    for seed, document in enumerate(documents):
        document["spec"]["seed"] = seed
    first = lab.apply(documents[0])
    first.until_phase("Holding")
    first.delete()
    second = lab.apply(documents[1])
    assert second.ended().verdict == "Pass", second.status["message"]
    uid = second.resource["metadata"]["uid"]
    changes = lab.cluster.since("chaosexperiments", lab.namespace, version)
    statuses = [each.object.get("status") or {} for each in changes if each.object["metadata"]["uid"] == uid]
    assert len(statuses) > 5
    assert {status["seed"] for status in statuses if "seed" in status} == {1}
    assert {status["phase"] for status in statuses if "verdict" in status} == {"Complete"}


SIGNAL_THE_BROKER = """
import os, pathlib, signal
(pid,) = (int(each.parent.name) for each in pathlib.Path("/proc").glob("[0-9]*/status")
          if b"\\nPPid:\\t1\\n" in each.read_bytes() and int(each.parent.name) != os.getpid())
os.kill(pid, signal.Signals[{signal!r}])
"""


def signal_broker(lab: Lab, ordinal: int, signal: str) -> None:
    """From a container beside the broker's, in its PID namespace, as its user: as a bug of its own, or a stranger."""
    operator = lab.cluster.get("deployments", lab.namespace, "skerry-operator")
    assert operator is not None
    name = f"broker-{ordinal}"
    pod = json.loads(lab.must("get", "pod", name, "--output=json"))
    pod["spec"].setdefault("ephemeralContainers", []).append(
        {
            "name": unique("signal"),
            "image": operator["spec"]["template"]["spec"]["containers"][0]["image"],
            "command": ["/opt/venv/bin/python", "-c", SIGNAL_THE_BROKER.format(signal=signal)],
            "targetContainerName": "broker",
            "securityContext": {
                "runAsUser": 10001,
                "runAsNonRoot": True,
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        }
    )
    path = f"/api/v1/namespaces/{lab.namespace}/pods/{name}/ephemeralcontainers"
    lab.must("replace", "--raw", path, "--filename=-", stdin=json.dumps(pod))


@pytest.mark.parametrize(
    ("signal", "verdict", "words"),
    [
        ("SIGABRT", "Fail", "broker 2 crashed (SIGABRT)"),
        ("SIGKILL", "Inconclusive", "SIGKILL"),
    ],
)
def test_a_broker_that_crashes_is_a_fail_and_one_that_others_kill_is_not(
    lab: Lab, signal: str, verdict: str, words: str
) -> None:
    fault = cut("30s")
    fault["partition"]["groups"] = [[{"ordinal": 0}], [{"ordinal": 1}]]
    run = lab.apply(experiment("crashed", fault))
    run.until_phase("Holding")
    signal_broker(lab, 2, signal)
    try:
        ended = run.ended()
    finally:
        lab.must("delete", "pod", "broker-2")  # an ephemeral container cannot be taken out of its pod
    assert (ended.verdict, ended.reason) == (verdict, "BrokerCrashed" if verdict == "Fail" else "BrokerExited")
    assert words in ended.message
