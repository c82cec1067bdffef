"""Stories of one experiment: a resource goes in, statuses and artefacts come out."""

from __future__ import annotations

import asyncio
import base64
import copy
import gzip
import json
from typing import Any

import pytest

from skerry.worlds.kubernetes.api import CONFIG_MAPS, EXPERIMENTS, JOBS, LEASES, NAMESPACES, NETWORK_POLICIES, KubeError
from skerry.worlds.kubernetes.preflight import Refusal
from skerry.worlds.kubernetes.recording import NotStarted

SILENCE = KubeError(0, "Unreachable", "no answer", "the API server cannot be reached")


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {each["type"]: f"{each['status']} {each['reason']}" for each in status["conditions"]}


async def test_from_the_resource_to_a_pass(lab):
    status = await lab.story()
    assert lab.phases == [
        "Preflight",
        "SteadyState",
        "Injecting",
        "Verifying",
        "Holding",
        "Healing",
        "Recovering",
        "Draining",
        "Checking",
        "Complete",
    ]
    assert (status["verdict"], status["fault"], status["seed"]) == ("Pass", "partition", 4711)
    assert conditions(status) == {
        "Accepted": "True Accepted",
        "SteadyState": "True Reached",
        "FaultActive": "False Healed",
        "FaultVerified": "True Verified",
        "Healed": "True Healed",
        "Complete": "True Finished",
        "Succeeded": "True Passed",
    }
    assert status["message"].startswith("Pass: ")
    assert status["targets"][0].startswith("cut: PartitionLeader of partition 0 = broker 0 (epoch 3); Other = brokers")
    assert (status["workload"], status["historyDigest"]) == ("skerry-story-workload", "d1g35t")
    assert lab.events == ["Accepted", "FaultEffective", "FaultVerified", "Healed", "Complete"]


async def test_the_report_is_stored_under_the_experiment_and_nothing_else_is_left(lab):
    status = await lab.story()
    stored = lab.kube.find(CONFIG_MAPS, status["report"])
    assert stored["metadata"]["ownerReferences"][0]["uid"] == "aaaaaaaa-0000-1111"
    files = {name: gzip.decompress(base64.b64decode(content)) for name, content in stored["binaryData"].items()}
    assert sorted(files) == ["junit.xml.gz", "report.html.gz", "report.json.gz"]
    assert json.loads(files["report.json.gz"])["verdict"] == "Pass"
    assert lab.kube.writes == [
        "create leases/skerry-broker",
        "replace leases/skerry-broker",
        "create configmaps/skerry-story-report",
        "delete leases/skerry-broker",
    ]


async def test_the_run_has_a_topic_of_its_own(lab):
    await lab.story()
    (world,) = lab.worlds
    assert world.experiment.spec.topic.name == "orders-skx-aaaaaaaa"
    assert "name: orders-skx-aaaaaaaa" in world.document


async def test_a_decision_is_in_the_journal_before_it_is_done(lab):
    seen = []

    def look(world):
        written = [json.loads(line)["type"] for line in lab.kube.status().get("journal", [])]
        seen.append([name[:1].lower() + name[1:] for name in world.did] == written)

    lab.hook = look
    await lab.story()
    assert len(seen) > 20
    assert all(seen)


async def test_what_is_not_in_the_journal_is_not_injected(lab):
    def refuse(world):
        away = world.toy.started and "Drain" not in world.did
        lab.kube.refuse = {("patch", "chaosexperiments"): SILENCE} if away else {}

    lab.hook = refuse
    status = await lab.story()
    assert (status["verdict"], conditions(status)["Succeeded"]) == ("Inconclusive", "Unknown InjectionFailed")
    assert not any(name == "Inject" for name in lab.worlds[0].did)


async def test_a_refusal_touches_nothing(lab):
    lab.answers = [Refusal("UnsupportedFault", "the kubernetes world cannot do `slow`.")]
    status = await lab.story()
    assert lab.kube.writes == []
    assert lab.worlds == []
    assert (status["phase"], status["verdict"]) == ("Complete", "Inconclusive")
    assert conditions(status) == {
        "Accepted": "False UnsupportedFault",
        "SteadyState": "False NotReached",
        "FaultActive": "False NotInjected",
        "FaultVerified": "Unknown NotInjected",
        "Healed": "Unknown NotInjected",
        "Complete": "True Ended",
        "Succeeded": "Unknown UnsupportedFault",
    }
    assert status["message"] == "The kubernetes world cannot do `slow`."
    assert lab.events == ["Refused"]


async def test_a_namespace_without_the_label_is_not_even_asked(lab):
    lab.kube.put(NAMESPACES, {"metadata": {"name": "lab"}})
    status = await lab.story()
    assert conditions(status)["Accepted"] == "False NamespaceNotEnabled"
    assert lab.kube.writes == []
    assert not [call for call in lab.kube.calls if call[1] == "leases"]


async def test_what_the_crd_lets_through_and_the_models_do_not(lab):
    resource = lab.resource()
    resource["spec"]["topic"]["replicationFactor"] = 4
    status = await lab.story(resource)
    assert conditions(status)["Accepted"] == "False InvalidDocument"
    assert status["message"].startswith("Spec.topic.replicationFactor: 4 replicas do not fit on 3 brokers")


async def test_the_guard_refuses_before_anything_is_touched(lab):
    resource = lab.resource()
    resource["spec"]["faults"][0] = {"name": "all", "kill": {"target": {"role": "All"}, "how": "PodDelete"}}
    status = await lab.story(resource)
    assert conditions(status)["Accepted"] == "False GuardRefused"
    assert lab.kube.writes == []


async def test_a_missing_permission_is_a_sentence(lab):
    lab.kube.refuse["get", "leases"] = KubeError(403, "Forbidden", "no", "the API server refused to get leases")
    status = await lab.story()
    assert conditions(status)["Accepted"] == "False MissingPermission"
    assert status["message"] == "The API server refused to get leases."


async def test_brokers_that_come_up_are_waited_for_and_those_that_do_not_are_refused(lab):
    unready = Refusal("BrokersNotReady", "broker-1 is not ready.")
    lab.answers = [unready, unready]
    assert (await lab.story())["verdict"] == "Pass"
    assert lab.phases[:4] == ["Preflight", "Pending", "Preflight", "SteadyState"]

    lab.answers = [unready] * 100
    status = await lab.story(lab.resource(name="second", uid="bbbbbbbb-1"))
    assert conditions(status)["Accepted"] == "False BrokersNotReady"


async def test_an_api_server_that_is_away_is_waited_for(lab):
    lab.answers = [SILENCE, SILENCE, SILENCE]
    status = await lab.story()
    assert status["verdict"] == "Pass"
    pending = lab.kube.statuses[1]
    assert (pending["phase"], pending["message"]) == ("Pending", "The API server cannot be reached.")


async def test_a_dry_run_creates_nothing(lab):
    resource = lab.resource()
    resource["spec"]["dryRun"] = True
    status = await lab.story(resource)
    assert lab.kube.writes == []
    assert (status["verdict"], conditions(status)["Accepted"]) == ("Inconclusive", "True Accepted")
    assert conditions(status)["Succeeded"] == "Unknown DryRun"
    assert len(status["targets"]) == 1


async def test_the_drawn_seed_is_kept(lab):
    resource = lab.resource()
    resource["status"] = {"seed": 99}
    assert (await lab.story(resource))["seed"] == 99


# --- ends ---------------------------------------------------------------------------------------------------


async def test_the_annotation_aborts(lab):
    resource = lab.resource()
    experiment_run = lab.experiment_run(resource)

    def annotate(world):
        if world.toy.standing:
            resource["metadata"]["annotations"] = {"skerry.dev/abort": "lunch"}
            experiment_run.seen(resource)

    lab.hook = annotate
    await lab.run(experiment_run.run())
    status = lab.kube.status()
    assert conditions(status)["Succeeded"] == "Unknown Aborted"
    assert "The run was aborted: lunch" in status["message"]
    assert conditions(status)["Healed"] == "True Healed"


async def test_one_that_waits_is_aborted_too(lab):
    resource = lab.resource(annotations={"skerry.dev/abort": ""})
    status = await lab.story(resource)
    assert conditions(status)["Succeeded"] == "Unknown Aborted"
    assert "the annotation skerry.dev/abort was set" in status["message"]
    assert lab.kube.writes == []


async def test_the_label_is_asked_for_before_each_injection(lab):
    def take_away(world):
        if world.toy.started:
            lab.kube.put(NAMESPACES, {"metadata": {"name": "lab"}})

    lab.hook = take_away
    status = await lab.story()
    assert not any(name == "Inject" for name in lab.worlds[0].did)
    assert conditions(status)["Succeeded"] == "Unknown NamespaceNotEnabled"


async def test_taking_the_label_away_ends_a_run_that_has_nothing_left_to_inject(lab):
    def take_away(world):
        if world.toy.standing:
            lab.kube.put(NAMESPACES, {"metadata": {"name": "lab", "labels": {"skerry.dev/enabled": "false"}}})

    lab.hook = take_away
    resource = lab.resource()
    resource["spec"]["faults"][0]["duration"] = "20s"
    status = await lab.story(resource)
    assert lab.worlds[0].toy.now_ns < 15 * 10**9
    assert conditions(status)["Succeeded"] == "Unknown NamespaceNotEnabled"
    assert conditions(status)["Healed"] == "True Healed"


async def test_deletion_heals_and_releases(lab):
    experiment_run = lab.experiment_run()
    task = asyncio.ensure_future(experiment_run.run())
    await lab.clock.until(lambda: lab.worlds and lab.worlds[0].toy.standing)
    assert lab.kube.find(LEASES, "skerry-broker")
    del lab.kube.objects[EXPERIMENTS.plural, "story"]
    task.cancel()
    await lab.clock.until(task.done)
    assert lab.worlds[0].healed
    assert lab.kube.find(LEASES, "skerry-broker") is None


async def test_a_lost_workload_pod_never_passes(lab):
    lab.lose_report = True
    lab.kube.put(JOBS, {"metadata": {"name": "skerry-story-workload"}})
    status = await lab.story()
    assert lab.kube.find(JOBS, "skerry-story-workload"), "it may still serve its history"
    assert (status["verdict"], conditions(status)["Succeeded"]) == ("Inconclusive", "Unknown ReportLost")
    assert lab.kube.find(CONFIG_MAPS, status["report"])


async def test_a_workload_that_never_came_up_is_removed(lab, monkeypatch):
    async def never(world):
        raise NotStarted("WorkloadNotStarted", "The image cannot be had.")

    monkeypatch.setattr(lab.world_class, "start", never)
    lab.kube.put(JOBS, {"metadata": {"name": "skerry-story-workload"}})
    status = await lab.story()
    assert conditions(status)["Succeeded"] == "Unknown WorkloadNotStarted"
    assert conditions(status)["Complete"] == "True Ended"
    assert lab.kube.find(JOBS, "skerry-story-workload") is None


async def test_a_report_that_cannot_be_stored_does_not_cost_the_verdict(lab):
    lab.kube.refuse["create", "configmaps"] = KubeError(500, "InternalError", "no", "the API server refused")
    status = await lab.story()
    assert status["verdict"] == "Pass"
    assert "report" not in status
    assert lab.kube.condition("Complete")["message"].endswith("The report could not be stored: the API server refused.")


async def test_a_verdict_is_written_as_soon_as_the_server_answers_again(lab):
    experiment_run = lab.experiment_run()
    task = asyncio.ensure_future(experiment_run.run())
    await lab.clock.until(lambda: lab.kube.status().get("phase") == "Checking")
    lab.kube.refuse["patch", "chaosexperiments"] = SILENCE
    await lab.clock.pass_s(60)
    assert not task.done()
    lab.kube.refuse.clear()
    await lab.clock.until(task.done)
    assert lab.kube.status()["verdict"] == "Pass"


# --- a run that is found begun ------------------------------------------------------------------------------


async def interrupted_in(lab, phase: str) -> None:
    """An operator that was killed in this phase: its task is gone, and nobody healed."""
    experiment_run = lab.experiment_run()
    task = asyncio.ensure_future(experiment_run.run())
    await lab.clock.until(lambda: lab.kube.status().get("phase") == phase)
    (world,) = lab.worlds
    standing = dict(world.toy.standing)
    experiment_run.stopping = True
    task.cancel()
    await lab.clock.until(task.done)
    world.toy.standing = standing
    assert lab.kube.find(LEASES, "skerry-broker"), "it is kept for the next operator"


@pytest.mark.parametrize("phase", ["SteadyState", "Injecting", "Holding", "Healing", "Recovering", "Checking"])
async def test_a_run_that_is_found_begun_is_healed_drained_and_checked(lab, phase):
    await interrupted_in(lab, phase)
    status = await lab.story(lab.kube.find(EXPERIMENTS, "story"))
    second = lab.worlds[1]
    assert second.did[:1] == ["HealAll"]
    assert second.did[1:4] == ["Drain", "Check", "Finish"]
    assert not {"Inject", "Prepare", "StartWorkload"} & set(second.did)
    assert (status["verdict"], conditions(status)["Succeeded"]) == ("Inconclusive", "Unknown Interrupted")
    assert status["message"].startswith("Inconclusive (Interrupted): A run was found in progress and is not resumed")
    assert lab.kube.find(LEASES, "skerry-broker") is None


async def test_it_is_healed_before_its_recorder_answers(lab):
    await interrupted_in(lab, "Holding")
    resource = lab.kube.find(EXPERIMENTS, "story")
    experiment_run = lab.experiment_run(resource)
    healed: list[bool] = []
    lab.hook = lambda world: healed.append(world.healed)
    await lab.run(experiment_run.run())
    assert healed[0]


async def test_its_findings_stand_and_a_refusal_does_not_stop_it(lab):
    """Preflight is not asked, nor is the label: what was begun must be healed."""
    await interrupted_in(lab, "Holding")
    lab.kube.put(NAMESPACES, {"metadata": {"name": "lab"}})
    lab.answers = [Refusal("BrokersNotReady", "no.")]
    status = await lab.story(lab.kube.find(EXPERIMENTS, "story"))
    assert "`cut#0` may still be in effect" in status["message"]
    said = conditions(status)
    assert (said["SteadyState"], said["FaultVerified"]) == ("True Reached", "True Verified"), "that was known before"
    assert said["Healed"] == "Unknown Interrupted"
    assert len(lab.answers) == 1
    assert lab.worlds[1].healed


async def test_one_whose_journal_is_empty_was_begun_too(lab):
    resource = lab.resource()
    resource["status"] = {"workload": "skerry-story-workload", "phase": "Preflight"}
    status = await lab.story(resource)
    assert "it had only just begun" in status["message"]
    assert lab.worlds[0].did[0] == "HealAll"


async def test_action_ids_go_on_far_above_those_of_the_run_before(lab):
    await interrupted_in(lab, "Holding")
    await lab.story(lab.kube.find(EXPERIMENTS, "story"))
    old = max(action.id for _, action in lab.worlds[0].toy.actions)
    new = min(action.id for _, action in lab.worlds[1].toy.actions if action.id > 0)
    assert new > old


async def test_healing_waits_for_the_server_as_long_as_it_takes(lab):
    await interrupted_in(lab, "Holding")
    lab.kube.refuse["get", "statefulsets"] = SILENCE
    experiment_run = lab.experiment_run(lab.kube.find(EXPERIMENTS, "story"))
    task = asyncio.ensure_future(experiment_run.run())
    await lab.clock.pass_s(30)
    assert len(lab.worlds) == 1
    lab.kube.refuse.clear()
    await lab.clock.until(task.done)
    assert lab.worlds[1].healed


async def test_a_document_that_cannot_be_read_any_more_is_swept(lab):
    await interrupted_in(lab, "Holding")
    policy = {"metadata": {"name": "skerry-story-cut-0", "labels": {"skerry.dev/experiment": "story"}}}
    lab.kube.put(NETWORK_POLICIES, policy | {"kind": "NetworkPolicy", "apiVersion": "networking.k8s.io/v1"})
    resource = lab.kube.find(EXPERIMENTS, "story")
    resource["spec"]["faults"] = []
    status = await lab.story(resource)
    assert conditions(status)["Accepted"] == "False InvalidDocument"
    assert lab.kube.find(NETWORK_POLICIES, "skerry-story-cut-0") is None


# --- two operators ------------------------------------------------------------------------------------------


async def both_to_the_end(lab, first, second):
    tasks = [asyncio.ensure_future(each.run()) for each in (first, second)]
    await lab.clock.until(lambda: all(task.done() for task in tasks))
    await asyncio.gather(*tasks)


def verdicts(lab):
    return [patch["verdict"] for patch in lab.kube.statuses if "verdict" in patch]


async def test_of_two_operators_that_see_it_at_once_one_conducts(lab):
    """The planted bug: both injected, each took the other's policy for somebody's, and the later verdict won."""
    resource = lab.resource()
    await both_to_the_end(lab, lab.experiment_run(resource), lab.experiment_run(resource, operator="operator-b"))
    assert len(lab.worlds) == 1
    assert verdicts(lab) == ["Pass"]
    assert lab.kube.find(LEASES, "skerry-broker") is None


async def test_an_operator_that_comes_into_a_run_of_another_one_does_nothing_and_says_nothing(lab):
    first = asyncio.ensure_future(lab.experiment_run().run())
    await lab.clock.until(lambda: lab.kube.status().get("phase") == "Holding")
    second = asyncio.ensure_future(lab.experiment_run(lab.kube.find(EXPERIMENTS, "story"), operator="operator-b").run())
    await lab.clock.until(lambda: first.done() and second.done())
    assert len(lab.worlds) == 1
    assert verdicts(lab) == ["Pass"]


async def test_it_takes_over_when_the_other_one_is_gone_for_good(lab):
    """A killed operator renews no Lease; until that lapses it might still be at work."""
    killed = asyncio.ensure_future(lab.experiment_run().run())
    await lab.clock.until(lambda: lab.kube.status().get("phase") == "Holding")
    lease = copy.deepcopy(lab.kube.find(LEASES, "skerry-broker"))
    killed.cancel()
    await lab.clock.until(killed.done)
    lab.kube.put(LEASES, lease)
    begun_s = lab.clock.now_s
    healed_s: list[float] = []
    lab.hook = lambda world: healed_s.append(lab.clock.now_s) if world.healed else None
    status = await lab.story(lab.kube.find(EXPERIMENTS, "story"), operator="operator-b")
    assert len(lab.worlds) == 2
    assert conditions(status)["Succeeded"] == "Unknown Interrupted"
    assert 8 < healed_s[0] - begun_s < 20


async def test_a_verdict_that_another_operator_wrote_stays(lab):
    """The Lease was lost for a while: what it then finds out changes nothing any more."""
    experiment_run = lab.experiment_run()
    task = asyncio.ensure_future(experiment_run.run())
    await lab.clock.until(lambda: lab.kube.status().get("phase") == "Checking")
    resource = lab.kube.find(EXPERIMENTS, "story")
    resource["status"] |= {"verdict": "Inconclusive", "completionTime": "2027-01-15T08:00:00Z"}
    lab.kube.put(EXPERIMENTS, resource)
    await lab.clock.until(task.done)
    assert lab.kube.status()["verdict"] == "Inconclusive"


async def test_without_the_lease_the_workload_of_another_operator_is_left_alone(lab, monkeypatch):
    async def never(world):
        lab.kube.find(LEASES, "skerry-broker")["spec"]["holderIdentity"] = "story/aaaaaaaa-0000-1111/operator-b"
        raise NotStarted("WorkloadNotStarted", "The image cannot be had.")

    monkeypatch.setattr(lab.world_class, "start", never)
    lab.kube.put(JOBS, {"metadata": {"name": "skerry-story-workload"}})
    await lab.story()
    assert lab.kube.find(JOBS, "skerry-story-workload")
