"""The run's recording from outside: found or made once, looked at, and lost in a sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from broker_kit import BROKERS, until
from fake_api import FakeApi
from fault_stage import EXPERIMENT
from scripted_pod import WORKLOAD, ScriptedPod

from skerry.engine.world import Drain
from skerry.experiment import load_document
from skerry.runner.messages import Events
from skerry.worlds.kubernetes.api import Kube, KubeError
from skerry.worlds.kubernetes.names import Artefact, labels
from skerry.worlds.kubernetes.recording import NotStarted, Pace, Recording
from skerry.worlds.kubernetes.workload import PulledImage, WorkloadError

DOCUMENT = (Path(__file__).parents[3] / "experiments" / "04b-leader-pod-deletion.yaml").read_text()
PATIENT = Pace(look_every_s=0.002, silent_s=60, pod_timeout_s=60, pod_poll_s=0.002, finish_poll_s=0.002)
"""A busy machine loses no pod in a test that is not about it."""
IMPATIENT = PATIENT._replace(silent_s=0.05, pod_timeout_s=0.2)
MS = 1_000_000

Make = Callable[..., Recording]


@pytest.fixture
async def pod(api: FakeApi) -> AsyncIterator[ScriptedPod]:
    api.put(EXPERIMENT)
    async with ScriptedPod(api) as pod:
        yield pod


@pytest.fixture
async def make(kube: Kube) -> AsyncIterator[Make]:
    made: list[Recording] = []

    def recording(token: str = "a-token-of-sixteen", status: dict | None = None, pace: Pace = PATIENT) -> Recording:
        made.append(
            Recording(
                kube,
                EXPERIMENT | ({"status": status} if status else {}),
                load_document(DOCUMENT, "04b"),
                DOCUMENT,
                7,
                BROKERS,
                image=PulledImage("skerry/operator:dev"),
                token=token,
                clock_error_ns=20 * MS,
                version="test",
                pace=pace,
            )
        )
        return made[-1]

    yield recording
    for each in made:
        await each.stop()


def jobs_created(api: FakeApi) -> int:
    return sum(each.startswith("create jobs/") for each in api.writes)


async def test_it_makes_the_job_and_tells_the_pod_what_to_record(api: FakeApi, pod: ScriptedPod, make: Make) -> None:
    recording = make()
    await recording.start()
    [begin] = pod.began
    assert begin.run == "uid-of-demo"
    assert begin.document == DOCUMENT
    assert {ordinal: each["Admin"] for ordinal, each in begin.addresses.items()} == {
        0: "broker-0.broker:9095",
        1: "broker-1.broker:9095",
        2: "broker-2.broker:9095",
    }
    assert begin.addresses[2]["Client"] == "broker-2.broker:9092"
    job = api.find("jobs", WORKLOAD)
    assert job["spec"]["activeDeadlineSeconds"] == 120 + 2 * 900
    assert recording.view.run == "uid-of-demo"


async def test_the_runs_clock_is_bracketed(pod: ScriptedPod, make: Make) -> None:
    recording = make()
    await recording.start()
    for _ in range(5):
        lower_ns, true_ns, upper_ns = recording.times.lower_ns(), pod.now_ns(), recording.times.upper_ns()
        assert lower_ns <= true_ns <= upper_ns
        assert upper_ns - lower_ns < 100 * MS


async def test_the_next_operator_finds_the_job_its_token_and_the_clock(
    api: FakeApi, pod: ScriptedPod, make: Make
) -> None:
    first = make(token="the-first-operators")
    await first.start()
    await first.stop()
    second = make(token="the-second-operators", status={"workload": WORKLOAD})
    await second.start()
    await second.post("/drain", Events((Drain(1_000_001),)))
    assert jobs_created(api) == 1
    assert pod.actions == [Drain(1_000_001)]
    assert second.times.lower_ns() <= pod.now_ns() <= second.times.upper_ns()


async def test_a_run_that_lost_its_recorder_gets_no_second_one(api: FakeApi, pod: ScriptedPod, make: Make) -> None:
    """The planted bug: a new pod records an empty history, of which everything that is judged is true."""
    recording = make(status={"workload": WORKLOAD})
    with pytest.raises(NotStarted, match="the workload pod of the run is gone, and its recording with it") as caught:
        await recording.start()
    assert caught.value.reason == "WorkloadLost"
    assert jobs_created(api) == 0


async def test_a_job_that_an_earlier_experiment_left_is_not_ours(api: FakeApi, pod: ScriptedPod, make: Make) -> None:
    owner = {"uid": "uid-of-an-earlier-demo", "name": "demo"}
    metadata = {"name": WORKLOAD, "ownerReferences": [owner], "labels": labels("demo", Artefact.WORKLOAD)}
    api.put({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata})
    await make().start()
    assert api.writes == [f"delete jobs/{WORKLOAD}", f"create jobs/{WORKLOAD}"]
    assert len(pod.began) == 1


async def test_a_pod_of_an_earlier_job_is_not_asked(api: FakeApi, pod: ScriptedPod, make: Make) -> None:
    """It carries the same name, and is on its way out."""
    pod.appear("uid-of-an-earlier-job", phase="Failed")
    await make().start()
    assert len(pod.began) == 1


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (
            {"containerStatuses": [{"name": "runner", "image": "i", "state": {"waiting": {"reason": "ErrImagePull"}}}]},
            "the image `i` of the workload pod cannot be had (ErrImagePull): load or push it, or set the chart's image",
        ),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "no node fits"}]},
            "the workload pod cannot be scheduled: no node fits",
        ),
        ({"phase": "Failed", "reason": "Evicted"}, "has ended: Evicted"),
        ({"phase": "Pending"}, f"the workload pod of Job {WORKLOAD} was not ready within 0.2 s; see its events"),
    ],
    ids=["no image", "no place", "evicted", "it takes too long"],
)
async def test_a_pod_that_never_comes(api: FakeApi, make: Make, status: dict, told: str) -> None:
    async with ScriptedPod(api, comes_up=False) as pod:
        api.on("create", "jobs", lambda job: pod.appear(job["metadata"]["uid"], **status))
        with pytest.raises(NotStarted) as caught:
            await make(pace=IMPATIENT).start()
    assert caught.value.reason == "WorkloadNotStarted"
    assert told in str(caught.value)


async def test_a_place_that_is_found_late_is_no_trouble(api: FakeApi, make: Make) -> None:
    async with ScriptedPod(api, comes_up=False) as pod:
        waits = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "no node fits"}]}
        api.on("create", "jobs", lambda job: pod.appear(job["metadata"]["uid"], **waits))
        asked: list[int] = []

        def comes_up(listed: dict) -> None:
            asked.append(1)
            if len(asked) == 5:
                pod.appear(api.find("jobs", WORKLOAD)["metadata"]["uid"])

        api.on("list", "pods", comes_up)
        await make().start()
        assert len(pod.began) == 1


async def test_a_pod_that_refuses_to_begin(pod: ScriptedPod, make: Make) -> None:
    pod.refuses = (409, "this pod is for another run")
    with pytest.raises(NotStarted, match=r"could not begin: .* this pod is for another run"):
        await make().start()


async def test_who_may_not_make_jobs_hears_so(api: FakeApi, pod: ScriptedPod, make: Make) -> None:
    api.denied.add(("create", "jobs"))
    with pytest.raises(KubeError, match="grant `create` on jobs"):
        await make().start()


async def test_the_picture_follows_the_pod(pod: ScriptedPod, make: Make) -> None:
    recording = make()
    await recording.start()
    before_ns = recording.view.now_ns
    await until(lambda: recording.view.now_ns > before_ns)
    assert not recording.lost


@pytest.mark.parametrize(
    ("happens", "told"),
    [
        (lambda pod: pod.deleted(), "its pod was deleted"),
        (
            lambda pod: pod.fails(reason="Evicted", message="low on memory"),
            f"the workload pod {WORKLOAD}-x5ctl has ended: Evicted low on memory",
        ),
        (lambda pod: None, "the workload pod does not answer: "),
    ],
    ids=["deleted", "evicted", "silent"],
)
async def test_a_pod_that_is_lost(pod: ScriptedPod, make: Make, happens, told: str, monkeypatch) -> None:
    recording = make(pace=IMPATIENT)
    await recording.start()
    monkeypatch.setattr("skerry.worlds.kubernetes.workload.VIEW_TIMEOUT_S", 0.01)
    pod.silent = True
    happens(pod)
    await until(lambda: recording.lost)
    assert recording.lost.startswith(told)
    with pytest.raises(WorkloadError, match="^" + told[:20]):
        await recording.post("/events", Events(()))
    assert await recording.report_files(3600) == {}


async def test_a_short_silence_loses_nothing(pod: ScriptedPod, make: Make, monkeypatch) -> None:
    recording = make()
    await recording.start()
    monkeypatch.setattr("skerry.worlds.kubernetes.workload.VIEW_TIMEOUT_S", 0.01)
    pod.silent = True
    before_ns = recording.view.now_ns
    await until(lambda: recording.times.now_ns() > before_ns + 20 * MS)
    assert recording.view.now_ns - before_ns < 20 * MS, "an old picture stays as old as it is"
    pod.silent = False
    monkeypatch.undo()
    await until(lambda: recording.view.now_ns > before_ns + 20 * MS)
    assert not recording.lost


async def test_an_api_server_that_is_away_does_not_lose_a_pod(api: FakeApi, pod: ScriptedPod, make: Make) -> None:
    recording = make()
    await recording.start()
    api.refuse("list", "pods", 503, "ServiceUnavailable", "no etcd")
    before_ns = recording.view.now_ns
    await until(lambda: recording.view.now_ns > before_ns + 20 * MS)
    assert not recording.lost


async def test_an_answer_that_is_none_is_silence_and_no_dead_task(pod: ScriptedPod, make: Make) -> None:
    recording = make(pace=IMPATIENT)
    await recording.start()
    pod.raw_view = b"<html>"
    await until(lambda: recording.lost)
    assert recording.lost.startswith("what the workload pod answers is not understood")
    recording.raise_failure()


async def test_another_pod_at_the_same_address_is_not_ours(pod: ScriptedPod, make: Make) -> None:
    recording = make()
    await recording.start()
    pod.began[0] = type(pod.began[0])("uid-of-another", DOCUMENT, 7, {}, 0, "test", 0)
    await until(lambda: recording.lost)
    assert recording.lost == "the workload pod was replaced, and its recording with it"


async def test_the_report_is_fetched_when_it_is_there(pod: ScriptedPod, make: Make) -> None:
    recording = make()
    await recording.start()
    assert await recording.report_files(0.01) == {}, "it is not"
    pod._finished = True
    assert set(await recording.report_files(5)) == {"report.json", "report.html", "junit.xml"}


async def test_why_the_pod_is_not_created_stands_in_the_jobs_events(api: FakeApi, make: Make) -> None:
    """A quota or a range of user ids refuses the pod; the Job itself says nothing."""
    api.put(EXPERIMENT)
    api.on("create", "jobs", lambda job: (failed(api, job["metadata"]["uid"]), failed(api, "another", "not ours")))
    recording = make(pace=IMPATIENT._replace(no_pod_s=0.01))
    with pytest.raises(NotStarted) as caught:
        await recording.start()
    assert caught.value.reason == "WorkloadNotStarted"
    why = "failed quota: q: must specify limits.cpu"
    assert str(caught.value) == f'the cluster refuses to create the workload pod: pods "x" is forbidden: {why}'


async def test_without_the_right_to_read_events_it_says_where_to_look(api: FakeApi, make: Make) -> None:
    api.put(EXPERIMENT)
    api.denied.add(("list", "events"))
    with pytest.raises(NotStarted, match="see its events"):
        await make(pace=IMPATIENT._replace(no_pod_s=0.01)).start()


def failed(api: FakeApi, uid: str, why: str = "failed quota: q: must specify limits.cpu.") -> None:
    api.put(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"event-of-{uid}"},
            "involvedObject": {"kind": "Job", "uid": uid},
            "reason": "FailedCreate",
            "lastTimestamp": "2026-11-27T14:54:28Z",
            "message": f'Error creating: pods "x" is forbidden: {why}',
        }
    )


async def test_a_job_of_somebody_else_is_left_alone(api: FakeApi, make: Make) -> None:
    api.put(EXPERIMENT)
    api.put({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": WORKLOAD}})
    with pytest.raises(NotStarted, match=f"there is a Job {WORKLOAD} that is not Skerry's"):
        await make().start()
    assert api.find("jobs", WORKLOAD) is not None
