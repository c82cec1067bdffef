"""kopf in its thread: what it tells arrives in the loop of the experiments, and how it ends is noticed."""

from __future__ import annotations

import asyncio
import threading

import kopf
import pytest

from skerry.controller.environment import read_environment
from skerry.controller.operator import Operator
from skerry.controller.watch import Watch
from skerry.worlds.kubernetes.api import KubeError

ENVIRONMENT = read_environment({"SKERRY_NAMESPACE": "lab", "SKERRY_RUNNER_IMAGE": "skerry/operator:1"})


class FakeKopf:
    """In place of `kopf.operator`: tells one object, then waits for its flag, or fails."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.calls: list[dict[str, object]] = []

    async def operator(self, **arguments) -> None:
        self.calls.append(arguments)
        (handler,) = arguments["registry"]._watching.get_all_handlers()
        await handler.fn(event={"type": "ADDED", "object": {"metadata": {"name": "story"}}})
        if self.error is not None:
            raise self.error
        arguments["ready_flag"].set()
        await arguments["stop_flag"].wait()


@pytest.fixture
def fake(monkeypatch):
    fake = FakeKopf()
    monkeypatch.setattr(kopf, "operator", fake.operator)
    return fake


async def soon(check) -> None:
    """Wait for real, a little."""
    async with asyncio.timeout(10):
        while not check():  # noqa: ASYNC110  # it is another thread's doing
            await asyncio.sleep(0.001)


async def test_what_it_tells_arrives_in_the_loop_that_asked(fake):
    seen = []
    watch = Watch(("lab",), lambda event, resource: seen.append((event, resource, threading.current_thread())))
    assert not watch.ready
    watch.start()
    await soon(lambda: watch.ready and seen)
    assert [(event, resource["metadata"]["name"]) for event, resource, _ in seen] == [("ADDED", "story")]
    assert seen[0][2] is threading.current_thread()
    assert fake.calls[0]["namespaces"] == ("lab",)
    assert not fake.calls[0].get("clusterwide")
    await watch.stop()
    await soon(watch.ended.is_set)
    assert not watch.ready


async def test_a_watch_that_breaks_is_ended_and_logged(fake, caplog):
    fake.error = RuntimeError("404 page not found")
    watch = Watch(("lab",), lambda event, resource: None)
    watch.start()
    async with asyncio.timeout(10):
        await watch.ended.wait()
    assert not watch.ready
    assert "broke and is begun anew: 404 page not found" in caplog.text


async def test_one_that_is_stopped_before_it_began_never_begins(fake):
    watch = Watch(("lab",), lambda event, resource: None)
    watch._stop.set()
    watch.start()
    await watch.stop()
    await soon(watch.ended.is_set)
    assert fake.calls == []


class FakeSupervisor:
    """Lists what it is told to."""

    def __init__(self) -> None:
        self.problems: list[KubeError | None] = []
        self.lists = 0

    def seen(self, event, resource) -> None: ...

    async def reconcile(self) -> None:
        self.lists += 1
        problem = self.problems.pop(0) if self.problems else None
        if problem is not None:
            raise problem


async def test_it_is_ready_when_experiments_were_listed_and_are_watched(fake, monkeypatch, caplog):
    monkeypatch.setattr("skerry.controller.operator.AGAIN_S", 0.001)
    monkeypatch.setattr("skerry.controller.operator.BEGIN_S", 0.001)
    operator, supervisor = Operator(ENVIRONMENT), FakeSupervisor()
    missing = KubeError(404, "NotFound", "404 page not found")
    supervisor.problems = [missing, missing]
    for _ in range(2):
        await operator._watch(supervisor, ("lab",))
        assert operator.not_ready == "404 page not found; is the CRD installed?"
    assert fake.calls == []
    said = [record for record in caplog.records if record.name == "skerry.controller.operator"]
    assert len(said) == 1, "what stays the same is said once"

    watching = asyncio.ensure_future(operator._watch(supervisor, ("lab",)))
    await soon(lambda: not operator.not_ready)
    operator.stop()
    await watching
    assert operator.not_ready == "the watch is over"


async def test_a_broken_watch_ends_and_is_not_ready(fake, monkeypatch):
    monkeypatch.setattr("skerry.controller.operator.AGAIN_S", 0.001)
    fake.error = RuntimeError("gone")
    operator = Operator(ENVIRONMENT)
    async with asyncio.timeout(10):
        await operator._watch(FakeSupervisor(), ("lab",))
    assert operator.not_ready == "the watch is over"


async def test_a_list_that_fails_later_shows_in_the_readiness_until_it_is_well_again(fake, monkeypatch):
    monkeypatch.setattr("skerry.controller.operator.AGAIN_S", 0.001)
    monkeypatch.setattr("skerry.controller.operator.BEGIN_S", 0.001)
    monkeypatch.setattr("skerry.controller.operator.RECONCILE_S", 0.001)
    operator, supervisor = Operator(ENVIRONMENT), FakeSupervisor()
    watching = asyncio.ensure_future(operator._watch(supervisor, ("lab",)))
    await soon(lambda: not operator.not_ready)
    supervisor.problems = [KubeError(0, "Unreachable", "no answer")] * 3
    await soon(lambda: operator.not_ready == "no answer")
    await soon(lambda: not operator.not_ready)
    operator.stop()
    await watching
