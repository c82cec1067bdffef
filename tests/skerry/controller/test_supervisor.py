"""A task per experiment: begun once, one at a time per target, cancelled when it goes, ended in order."""

from __future__ import annotations

import asyncio
import copy
import logging

from skerry.controller.logs import JsonLines
from skerry.controller.status import Condition
from skerry.controller.supervisor import Supervisor
from skerry.worlds.kubernetes.api import EXPERIMENTS, LEASES, KubeError

EARLIER, LATER = "2027-01-15T08:00:00Z", "2027-01-15T08:00:05Z"


def seen(lab, event, name):
    lab.supervisor.seen(event, copy.deepcopy(lab.kube.objects[EXPERIMENTS.plural, name]))


def phase(lab, name):
    return lab.kube.status(name).get("phase")


async def test_two_on_one_target_run_one_after_the_other_the_older_one_first(lab):
    for name, created in (("younger", LATER), ("older", EARLIER)):
        lab.resource(name=name, uid=f"{name}-uid", creationTimestamp=created)
        seen(lab, "ADDED", name)
    await lab.clock.until(lambda: phase(lab, "older") == "Holding")
    assert phase(lab, "younger") == "Pending"
    assert lab.kube.condition("Accepted", "younger") | {"lastTransitionTime": ""} == {
        "type": "Accepted",
        "status": "Unknown",
        "observedGeneration": 1,
        "lastTransitionTime": "",
        "reason": "TargetBusy",
        "message": "The brokers of StatefulSet `broker` are taken by the experiment `older`.",
    }
    await lab.clock.until(lambda: not lab.supervisor.running)
    assert [world.resource["metadata"]["name"] for world in lab.worlds] == ["older", "younger"]
    assert lab.kube.status("younger")["verdict"] == "Pass"


async def test_those_that_wait_keep_their_order(lab):
    names = ["c", "a", "b"]
    for second, name in enumerate(names):
        lab.resource(name=name, uid=f"{name}-uid", creationTimestamp=f"2027-01-15T08:00:0{second}Z")
    for name in sorted(names):
        seen(lab, None, name)
    await lab.clock.until(lambda: not lab.supervisor.running)
    assert [world.resource["metadata"]["name"] for world in lab.worlds] == names


async def test_two_on_different_targets_run_together(lab):
    for name in ("one", "two"):
        resource = lab.resource(name=name, uid=f"{name}-uid")
        resource["spec"]["cluster"]["statefulSet"] = f"broker-{name}"
        seen(lab, "ADDED", name)
    await lab.clock.until(lambda: phase(lab, "one") == phase(lab, "two") == "Holding")
    assert lab.tools.metrics.registry.get_sample_value("skerry_experiments_running") == 2


async def test_seen_again_it_is_not_begun_again(lab):
    lab.resource()
    before = copy.deepcopy(lab.kube.objects[EXPERIMENTS.plural, "story"])
    for event in ("ADDED", "MODIFIED"):
        lab.supervisor.seen(event, before)
    await lab.clock.until(lambda: not lab.supervisor.running)
    lab.supervisor.seen("MODIFIED", before)  # an event of before its end that comes late
    assert not lab.supervisor.running
    assert len(lab.worlds) == 1


async def test_one_that_has_a_verdict_is_left_alone(lab):
    lab.resource()["status"] = {"completionTime": EARLIER}
    seen(lab, None, "story")
    assert not lab.supervisor.running


async def test_experiments_of_other_namespaces_are_passed_over(lab):
    lab.resource(namespace="elsewhere")
    seen(lab, "ADDED", "story")
    assert not lab.supervisor.running


async def test_deletion_heals_and_the_next_one_of_that_name_is_another(lab):
    lab.resource()
    seen(lab, "ADDED", "story")
    await lab.clock.until(lambda: lab.worlds and lab.worlds[0].toy.standing)
    gone = lab.kube.objects.pop((EXPERIMENTS.plural, "story"))
    lab.supervisor.seen("DELETED", gone)
    lab.supervisor.seen("DELETED", gone)
    await lab.clock.until(lambda: not lab.supervisor.running)
    assert lab.worlds[0].healed
    assert lab.kube.find(LEASES, "skerry-broker") is None
    assert b'experiment="story"' not in lab.tools.metrics.exposition()

    lab.resource(uid="another")
    seen(lab, "ADDED", "story")
    await lab.clock.until(lambda: not lab.supervisor.running)
    assert lab.kube.status()["verdict"] == "Pass"


async def test_one_that_is_being_deleted_is_gone(lab):
    lab.resource()
    seen(lab, "ADDED", "story")
    await lab.clock.until(lambda: lab.worlds)
    lab.kube.objects[EXPERIMENTS.plural, "story"]["metadata"]["deletionTimestamp"] = LATER
    seen(lab, "MODIFIED", "story")
    await lab.clock.until(lambda: not lab.supervisor.running)
    assert lab.worlds[0].healed


async def test_the_annotation_reaches_the_run(lab):
    lab.resource()
    seen(lab, "ADDED", "story")
    await lab.clock.until(lambda: lab.worlds and lab.worlds[0].toy.standing)
    lab.kube.objects[EXPERIMENTS.plural, "story"]["metadata"]["annotations"] = {"skerry.dev/abort": "enough"}
    seen(lab, "MODIFIED", "story")
    await lab.clock.until(lambda: not lab.supervisor.running)
    assert lab.kube.condition(Condition.SUCCEEDED)["reason"] == "Aborted"


async def test_a_bug_is_inconclusive_after_healing_and_is_logged(lab, caplog):
    def planted(world):
        if world.toy.standing:
            raise ZeroDivisionError("planted")

    lab.hook = planted
    lab.resource()
    seen(lab, "ADDED", "story")
    await lab.clock.until(lambda: not lab.supervisor.running)
    assert lab.worlds[0].healed
    status = lab.kube.status()
    assert (status["phase"], status["verdict"]) == ("Complete", "Inconclusive")
    assert lab.kube.condition(Condition.SUCCEEDED)["reason"] == "OperatorError"
    assert "ZeroDivisionError: planted" in status["message"]
    assert lab.kube.find(LEASES, "skerry-broker") is None
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "planted" in JsonLines().format(record)


async def test_a_bug_in_the_very_end_is_not_begun_again_either(lab, caplog):
    lab.kube.refuse["patch", "chaosexperiments"] = ZeroDivisionError("planted")
    lab.resource()
    seen(lab, "ADDED", "story")
    await lab.clock.until(lambda: not lab.supervisor.running)
    assert "and the verdict could not be written" in caplog.text
    seen(lab, "MODIFIED", "story")
    assert not lab.supervisor.running


async def test_a_stopping_operator_heals_and_keeps_the_lease(lab):
    lab.resource()
    seen(lab, "ADDED", "story")
    await lab.clock.until(lambda: lab.worlds and lab.worlds[0].toy.standing)
    await lab.supervisor.stop()
    assert lab.worlds[0].healed
    assert lab.kube.find(LEASES, "skerry-broker")
    assert "verdict" not in lab.kube.status()
    lab.resource(name="late", uid="late")
    seen(lab, "ADDED", "late")
    assert not lab.supervisor.running


def others():
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_a_stopped_supervisor_waits_for_no_metrics_and_leaves_no_task(lab):
    lab.resource()
    seen(lab, "ADDED", "story")
    await lab.clock.until(lambda: not lab.supervisor.running)
    await lab.supervisor.stop()
    assert not others()


async def test_a_task_that_is_cancelled_with_its_loop_begins_no_other(lab):
    lab.resource()
    seen(lab, "ADDED", "story")
    await lab.clock.until(lambda: lab.worlds and lab.worlds[0].toy.standing)
    tasks = others()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not others()
    assert b'experiment="story"' not in lab.tools.metrics.exposition()


async def test_metrics_are_kept_for_a_while(lab):
    lab.resource()
    seen(lab, "ADDED", "story")
    await lab.clock.until(lambda: not lab.supervisor.running)
    await lab.clock.pass_s(299)
    assert b'skerry_experiment_phase{experiment="story"' in lab.tools.metrics.exposition()
    await lab.clock.pass_s(2)
    assert b'experiment="story"' not in lab.tools.metrics.exposition()
    assert b'skerry_verdicts_total{verdict="Pass"} 1.0' in lab.tools.metrics.exposition()


async def test_metrics_of_one_that_is_over_go_with_it(lab):
    lab.resource()
    seen(lab, "ADDED", "story")
    await lab.clock.until(lambda: not lab.supervisor.running)
    assert b'skerry_fault_effective_timestamp_seconds{experiment="story"' in lab.tools.metrics.exposition()
    lab.supervisor.seen("DELETED", lab.kube.objects.pop((EXPERIMENTS.plural, "story")))
    await lab.clock.pass_s(1)
    assert b'experiment="story"' not in lab.tools.metrics.exposition()


# --- the list, which makes up for what the watch missed -----------------------------------------------------


async def reconcile(lab):
    await lab.run(lab.supervisor.reconcile())


async def test_a_list_begins_what_was_not_seen_and_ends_what_is_gone(lab):
    lab.resource()
    await reconcile(lab)
    await lab.clock.until(lambda: lab.worlds and lab.worlds[0].toy.standing)
    await reconcile(lab)
    assert (lab.supervisor.running, len(lab.worlds)) == (1, 1)
    del lab.kube.objects[EXPERIMENTS.plural, "story"]
    await reconcile(lab)
    await lab.clock.until(lambda: not lab.supervisor.running)
    assert lab.worlds[0].healed


async def test_one_that_came_after_the_list_was_asked_for_is_not_taken_for_gone(lab):
    listing = asyncio.ensure_future(lab.supervisor.reconcile())
    await asyncio.sleep(0)
    lab.resource()
    seen(lab, "ADDED", "story")
    lab.kube.objects.pop((EXPERIMENTS.plural, "story"))  # the list is of before
    await lab.clock.until(listing.done)
    assert lab.supervisor.running == 1


async def test_a_list_that_fails_changes_nothing(lab):
    lab.resource()
    await reconcile(lab)
    lab.kube.refuse["list", "chaosexperiments"] = KubeError(0, "Unreachable", "no answer")
    task = asyncio.ensure_future(lab.supervisor.reconcile())
    await lab.clock.until(task.done)
    assert isinstance(task.exception(), KubeError)
    assert lab.supervisor.running == 1


async def test_a_namespace_that_cannot_be_listed_does_not_keep_the_others_from_it(lab):
    denied = type(lab.kube)("denied")
    denied.refuse["list", "chaosexperiments"] = KubeError(403, "Forbidden", "no")
    supervisor = Supervisor({"denied": denied, "lab": lab.kube}, lab.tools)
    lab.resource()
    task = asyncio.ensure_future(supervisor.reconcile())
    await lab.clock.until(task.done)
    assert isinstance(task.exception(), KubeError)
    assert supervisor.running == 1
