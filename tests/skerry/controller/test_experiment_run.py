"""Stories of one experiment: a resource goes in, statuses and artefacts come out."""

from __future__ import annotations

import base64
import gzip
import json

from run_stories import SILENCE, conditions

from skerry.worlds.kubernetes.api import CONFIG_MAPS, NAMESPACES, KubeError
from skerry.worlds.kubernetes.preflight import Refusal


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
