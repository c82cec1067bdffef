"""A run that is found begun, and two operators that see one experiment."""

from __future__ import annotations

import asyncio
import copy

import pytest
from run_stories import SILENCE, conditions

from skerry.worlds.kubernetes.api import EXPERIMENTS, JOBS, LEASES, NAMESPACES, NETWORK_POLICIES
from skerry.worlds.kubernetes.preflight import Refusal
from skerry.worlds.kubernetes.recording import NotStarted


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
