"""The workload pod's HTTP interface, without brokers: who may do what, and that saying it twice is saying it once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from skerry.engine.world import Check, CheckLinks, Finish, Heal, OccurrenceId, Record, ReportState
from skerry.faults.kill import Kill, KillHow
from skerry.history.codec import read_history
from skerry.history.records import Footer, Note
from skerry.report.model import RunReport
from skerry.runner import service as service_module
from skerry.runner.messages import Answer, Begin, Events, View
from skerry.runner.service import Service
from skerry.runner.throttling import ThrottlingWatch
from skerry.schema.verdict import Verdict
from skerry.targets.skerry import system as system_module
from skerry.targets.skerry.system import SkerrySystem, topic_mark

TOKEN = "a-token-of-sixteen"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
NOBODY = "127.0.0.1:9"
"""The port of `discard`: nobody listens."""

DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: one}
spec:
  hypothesis: Nobody answers.
  cluster: {statefulSet: broker, brokers: 1}
  topic: {name: orders-skx-1, partitions: 1, replicationFactor: 1, minInSyncReplicas: 1}
  faults: [{name: crash, kill: {target: {ordinal: 0}, how: Process}}]
"""
BEGIN = Begin("uid-1", DOCUMENT, 7, {0: {"Client": NOBODY, "Admin": NOBODY}}, 0, "test", 0)


class Pod:
    def __init__(self, client: TestClient, service: Service, directory: Path) -> None:
        self.client = client
        self.service = service
        self.directory = directory

    async def post(self, path: str, body: object, headers: dict[str, str] = AUTHORIZED) -> tuple[int, Answer]:
        response = await self.client.post(path, data=msgspec.json.encode(body), headers=headers)
        return response.status, msgspec.json.decode(await response.read(), type=Answer)

    async def get(self, path: str) -> tuple[int, bytes]:
        response = await self.client.get(path)
        return response.status, await response.read()

    async def view(self) -> View:
        return msgspec.json.decode((await self.get("/view"))[1], type=View)


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Pod]:
    service = Service(tmp_path, TOKEN)
    client = TestClient(TestServer(service.application()))
    await client.start_server()
    yield Pod(client, service, tmp_path)
    await service.close()
    await client.close()


@pytest.mark.parametrize("path", ["/begin", "/events", "/drain", "/check", "/finish"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}])
async def test_whatever_changes_something_needs_the_token(pod: Pod, path: str, headers: dict[str, str]) -> None:
    status, answer = await pod.post(path, BEGIN, headers)
    assert (status, answer.error) == (401, "this needs the token of the workload pod")
    assert (await pod.view()).now_ns == -1


async def test_before_it_begins_there_is_nothing_to_see_or_to_drive(pod: Pod) -> None:
    assert (await pod.get("/healthz"))[0] == 200
    assert (await pod.get("/history"))[0] == 404
    assert await pod.post("/events", Events((CheckLinks(1),))) == (409, Answer(-1, "no run has begun in this pod"))


async def test_it_begins_once_and_for_one_run(pod: Pod) -> None:
    assert (await pod.post("/begin", BEGIN))[0] == 200
    assert (await pod.post("/begin", BEGIN))[0] == 200
    assert (await pod.post("/begin", msgspec.structs.replace(BEGIN, run="uid-2")))[0] == 409
    view = await pod.view()
    assert view.run == "uid-1"
    assert view.now_ns >= 0
    assert not view.brokers[0].reachable


async def test_a_wrong_document_is_refused_in_its_own_words(pod: Pod) -> None:
    status, answer = await pod.post("/begin", msgspec.structs.replace(BEGIN, document="kind: Pod"))
    assert status == 400
    assert answer.error.startswith("the run cannot begin: ")


async def test_an_action_that_is_sent_twice_is_done_once(pod: Pod) -> None:
    await pod.post("/begin", BEGIN)
    note = Events((Record(-1, Note(5, "said once")),))
    await pod.post("/events", note)
    await pod.post("/events", note)
    await pod.post("/finish", Events((Finish(9, Verdict.INCONCLUSIVE, "Test", "over"),)))
    await pod.service.over.wait()
    with (pod.directory / "history.jsonl").open("rb") as lines:
        assert [each.text for each in read_history(lines).notes] == ["said once"]


async def test_a_pod_that_is_throttled_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: a LimitRange gave it 60m, it saw the new leader too late, and the cluster was blamed."""
    monkeypatch.setattr(service_module, "THROTTLING_EVERY_S", 0.001)
    taken_us = iter(range(0, 10**12, 400_000))
    service = Service(tmp_path, TOKEN, ThrottlingWatch(lambda: f"throttled_usec {next(taken_us)}\n"))
    async with TestClient(TestServer(service.application())) as client:
        pod = Pod(client, service, tmp_path)
        await pod.post("/begin", BEGIN)
        while not (stalls := (await pod.view()).stalls):
            pass
        assert stalls[0].process == -1
        await pod.post("/finish", Events((Finish(9, Verdict.INCONCLUSIVE, "Test", "over"),)))
        await service.over.wait()
        await service.close()
    with (tmp_path / "history.jsonl").open("rb") as lines:
        history = read_history(lines)
    assert stalls[0] in history.stalls
    assert [each.text.partition(" for ")[0] for each in history.notes] == [
        "a CPU limit kept the workload pod from running"
    ]


async def test_faults_are_none_of_its_business(pod: Pod) -> None:
    await pod.post("/begin", BEGIN)
    heal = Heal(3, OccurrenceId("crash", 0), Kill((0,), KillHow.PROCESS, 0))
    assert (await pod.post("/events", Events((heal,))))[1].error == "a workload pod does not do `Heal`"


async def test_the_report_is_served_when_the_run_is_over(pod: Pod) -> None:
    await pod.post("/begin", BEGIN)
    assert (await pod.get("/report/report.json"))[0] == 404
    await pod.post("/check", Events((Check(4),)))
    while (await pod.view()).findings is None:
        pass
    await pod.post("/finish", Events((Finish(5, Verdict.INCONCLUSIVE, "Test", "Nothing was written."),)))
    await pod.service.over.wait()
    view = await pod.view()
    assert view.finished
    assert ReportState.DONE in {report.state for report in view.reports}
    status, body = await pod.get("/report/report.json")
    assert status == 200
    assert msgspec.json.decode(body, type=RunReport).verdict is Verdict.INCONCLUSIVE
    assert (await pod.get("/report/report.html"))[0] == 200
    assert (await pod.get("/report/..%2Fhistory.jsonl"))[0] == 404


async def test_the_same_run_may_be_told_by_a_newer_operator(pod: Pod) -> None:
    """One that was upgraded finds its predecessor's run, and has to drain it."""
    await pod.post("/begin", BEGIN)
    assert (await pod.post("/begin", msgspec.structs.replace(BEGIN, skerry_version="newer")))[0] == 200


async def test_a_bug_in_beginning_an_action_is_told_and_the_action_is_not_lost_in_silence(pod: Pod) -> None:
    """Sent again it is passed over: without these words nobody would ever know."""
    await pod.post("/begin", BEGIN)
    assert pod.service._run is not None

    def broken(*_: object) -> bool:
        raise KeyError("a bug")

    pod.service._run.observer.perform = broken
    status, answer = await pod.post("/events", Events((CheckLinks(1),)))
    assert (status, answer.error) == (200, "the runner failed: KeyError: 'a bug'")
    assert (await pod.view()).failure == "the runner failed: KeyError: 'a bug'"


async def test_a_checker_that_crashed_is_told(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """By then the history is closed, and there is nothing left to flush."""
    monkeypatch.setattr(service_module, "FLUSH_EVERY_S", 0.001)
    await pod.post("/begin", BEGIN)
    assert pod.service._run is not None

    async def broken() -> None:
        pod.service._run.recorder.close(Footer(0))
        await asyncio.sleep(0.01)
        raise ZeroDivisionError("in a rule")

    pod.service._run._check = broken
    await pod.post("/check", Events((Check(4),)))
    async with asyncio.timeout(5):
        while not (await pod.view()).failure:
            pass
    assert (await pod.view()).failure == "the runner failed: ZeroDivisionError: in a rule"


@pytest.mark.parametrize(
    ("topic", "mark"),
    [
        ("orders-skx-0a1b2c3d", "-skx-0a1b2c3d"),
        ("probe-1-17-orders-skx-0a1b2c3d", "-skx-0a1b2c3d"),
        ("orders", ""),
        ("orders-skx-", ""),
        ("orders-skx-european", ""),
        ("my-skx-0a1b2c3d-archive", ""),
        ("orders-skx-0a1b2c3d4", ""),
    ],
)
def test_topics_of_runs_are_told_from_those_of_people(topic: str, mark: str) -> None:
    assert topic_mark(topic) == mark


OWN, PROBED = "orders-skx-0000000a", "probe-0-1-orders-skx-0000000a"
OF_ANOTHER, OF_SOMEBODY = "orders-skx-0000000b", "payments-skx-archive"


class Cluster:
    """Whose topics can be listed and deleted, once ``open`` is set."""

    def __init__(self, topics: list[str]) -> None:
        self.topics = topics
        self.open = asyncio.Event()
        self.left = asyncio.Event()

    def target(self, addresses: dict[int, dict[str, str]], topic: str) -> SkerrySystem:
        cluster = self

        class Client:
            async def __aenter__(self) -> Client:
                await cluster.open.wait()
                return self

            async def __aexit__(self, *_: object) -> None:
                cluster.left.set()

            async def topics(self) -> list[str]:
                return list(cluster.topics)

            async def delete_topic(self, topic: str) -> None:
                cluster.topics.remove(topic)

        class Scripted(SkerrySystem):
            def client(self, _: object) -> Client:
                return Client()

        return Scripted(addresses, topic)


async def test_a_run_removes_what_others_left_and_at_its_end_only_what_is_its_own(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a run is over the next may begin at once, and its topic must not be taken for a leftover."""
    cluster = Cluster([OWN, PROBED, OF_ANOTHER, OF_SOMEBODY])
    monkeypatch.setattr(system_module, "SkerrySystem", cluster.target)
    cluster.open.set()
    await pod.post("/begin", msgspec.structs.replace(BEGIN, document=DOCUMENT.replace("orders-skx-1", OWN)))
    await cluster.left.wait()
    assert cluster.topics == [OWN, PROBED, OF_SOMEBODY]

    cluster.open.clear()
    cluster.left.clear()
    await pod.post("/finish", Events((Finish(5, Verdict.INCONCLUSIVE, "Test", "over"),)))
    await pod.service.over.wait()
    cluster.topics.append(OF_ANOTHER)  # that of the next run, which has begun meanwhile
    cluster.open.set()
    await cluster.left.wait()
    assert cluster.topics == [OF_SOMEBODY, OF_ANOTHER]
