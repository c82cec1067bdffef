"""The workload's Job, what is wrong with its pod, and the conversation with it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fake_api import FakeApi
from scripted_pod import ScriptedPod

from skerry.engine.world import Drain
from skerry.runner.messages import Begin, Events
from skerry.worlds.kubernetes.workload import (
    PulledImage,
    Trouble,
    WorkloadError,
    WorkloadPod,
    WorkloadRefused,
    job_manifest,
    port_of,
    token_of,
    trouble,
)

EXPERIMENT = {
    "apiVersion": "skerry.dev/v1alpha1",
    "kind": "ChaosExperiment",
    "metadata": {"name": "demo", "uid": "uid-of-demo"},
}
TOKEN = "a-token-of-sixteen"


def job() -> dict:
    image = PulledImage("skerry/operator:dev", "Never", ("one", "two"))
    return job_manifest("skerry-demo-workload", EXPERIMENT, image, TOKEN, 300_500_000_000)


# --- the Job --------------------------------------------------------------------------------------------------


def test_a_recorder_is_never_started_twice_and_ends_whatever_becomes_of_us() -> None:
    spec = job()["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["activeDeadlineSeconds"] == 301
    assert spec["ttlSecondsAfterFinished"] == 60


def test_it_has_no_rights_at_all() -> None:
    pod = job()["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "-c" not in container["command"], "no shell"


def test_its_image_can_be_pulled() -> None:
    pod = job()["spec"]["template"]["spec"]
    assert (pod["containers"][0]["image"], pod["containers"][0]["imagePullPolicy"]) == ("skerry/operator:dev", "Never")
    assert pod["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]


def test_it_belongs_to_its_experiment() -> None:
    made = job()
    assert made["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "skerry.dev/v1alpha1",
            "kind": "ChaosExperiment",
            "name": "demo",
            "uid": "uid-of-demo",
            "blockOwnerDeletion": False,
        }
    ]
    assert made["metadata"]["labels"]["skerry.dev/artefact"] == "workload"
    assert made["spec"]["template"]["metadata"]["labels"] == made["metadata"]["labels"]


def test_what_a_job_that_is_there_tells() -> None:
    assert token_of(job()) == TOKEN
    assert port_of(job()) == 8080
    strange = job()
    strange["spec"]["template"]["spec"]["containers"][0]["env"] = []
    assert token_of(strange) == ""


# --- what is wrong with its pod -------------------------------------------------------------------------------


def container_waits(reason: str, message: str = "") -> dict:
    return {
        "phase": "Pending",
        "containerStatuses": [
            {
                "name": "runner",
                "image": "skerry/operator:dev",
                "state": {"waiting": {"reason": reason, "message": message}},
            }
        ],
    }


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"phase": "Running"}, Trouble()),
        ({}, Trouble()),
        (container_waits("ContainerCreating"), Trouble()),
        (
            container_waits("ImagePullBackOff"),
            Trouble(
                "the image `skerry/operator:dev` of the workload pod cannot be had (ImagePullBackOff): "
                "load or push it, or set the chart's image values",
                True,
            ),
        ),
        (
            container_waits("CreateContainerConfigError", "runAsNonRoot"),
            Trouble("the workload pod cannot start (CreateContainerConfigError): runAsNonRoot", True),
        ),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]},
            Trouble("the workload pod cannot be scheduled: 0/1 nodes are available", False),
        ),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
            Trouble("the workload pod w has ended: Evicted The node was low on resource: memory.", True),
        ),
        (
            {
                "phase": "Failed",
                "containerStatuses": [
                    {"name": "runner", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
                ],
            },
            Trouble("the workload pod w has ended: its container ended with exit code 137 (OOMKilled)", True),
        ),
    ],
    ids=["it runs", "nothing is known", "it comes", "no image", "it cannot start", "no place", "evicted", "no memory"],
)
def test_trouble(status: dict, told: Trouble) -> None:
    assert trouble({"metadata": {"name": "w"}, "status": status}) == told


def test_a_pod_that_is_being_deleted_has_ended() -> None:
    pod = {"metadata": {"name": "w", "deletionTimestamp": "2026-11-27T14:54:28Z"}, "status": {"phase": "Running"}}
    assert trouble(pod) == Trouble("the workload pod w has ended: it was deleted", True)


# --- the conversation -----------------------------------------------------------------------------------------

BEGIN = Begin("uid-of-demo", "kind: ChaosExperiment", 7, {0: {"Client": "a:1", "Admin": "a:2"}}, 0, "test", 0)


@pytest.fixture
async def pod(api: FakeApi) -> AsyncIterator[ScriptedPod]:
    async with ScriptedPod(api) as pod:
        pod.token = TOKEN
        yield pod


@pytest.fixture
async def line(pod: ScriptedPod) -> AsyncIterator[WorkloadPod]:
    async with WorkloadPod("127.0.0.1", pod.port, TOKEN) as line:
        yield line


async def test_what_is_said_arrives_and_is_answered_by_the_clock(pod: ScriptedPod, line: WorkloadPod) -> None:
    first = await line.begin(BEGIN)
    second = await line.events("/drain", Events((Drain(3),), "it is over"))
    assert pod.began == [BEGIN]
    assert pod.actions == [Drain(3)]
    assert pod.aborts == ["it is over"]
    assert 0 < first.now_ns < second.now_ns < (await line.view()).now_ns
    assert set(await line.report_files()) == {"report.json", "report.html", "junit.xml"}


async def test_a_wrong_token_is_a_refusal_for_good(pod: ScriptedPod) -> None:
    async with WorkloadPod("127.0.0.1", pod.port, "guessed") as line:
        with pytest.raises(WorkloadRefused, match="this needs the token of the workload pod"):
            await line.events("/events", Events(()))
        assert (await line.view()).now_ns > 0, "reading needs none"


@pytest.mark.parametrize(
    ("refusal", "kind", "told"),
    [
        ((409, "this pod is for another run"), WorkloadRefused, "refused /events: this pod is for another run$"),
        ((500, ""), WorkloadError, "refused /events: 500$"),
        ((200, "a workload pod does not do `Heal`"), WorkloadError, "refused: a workload pod does not do `Heal`$"),
    ],
)
async def test_what_it_refuses(pod: ScriptedPod, line: WorkloadPod, refusal, kind: type, told: str) -> None:
    pod.refuses = refusal
    with pytest.raises(WorkloadError, match=told) as caught:
        await line.events("/events", Events(()))
    assert type(caught.value) is kind


@pytest.mark.parametrize("said", [b"", b"<html>", b'{"now_ns": "late"}'])
async def test_an_answer_that_is_none(pod: ScriptedPod, line: WorkloadPod, said: bytes) -> None:
    """A proxy on the way, or another version: the planted bug is a task that dies of it in silence."""
    pod.raw_view = said
    with pytest.raises(WorkloadError, match="what the workload pod answers is not understood"):
        await line.view()


async def test_nobody_is_there() -> None:
    async with WorkloadPod("127.0.0.1", 9, TOKEN) as line:
        with pytest.raises(WorkloadError, match="the workload pod does not answer: "):
            await line.view()


def test_an_address_of_the_sixth_version_is_bracketed() -> None:
    assert WorkloadPod("fd00::7", 8080, TOKEN).url == "http://[fd00::7]:8080"
