"""Runs that end otherwise: aborted, deleted, without their pod, with an API server that is away."""

from __future__ import annotations

import asyncio

from run_stories import SILENCE, conditions

from skerry.worlds.kubernetes.api import CONFIG_MAPS, EXPERIMENTS, JOBS, LEASES, NAMESPACES, KubeError
from skerry.worlds.kubernetes.recording import NotStarted


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
