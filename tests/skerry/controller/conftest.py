"""The operator without a cluster: the test turns the clock, the API server is a dictionary, the world is a toy."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import heapq
import itertools
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))  # the toy cluster of the engine's tests

from toy_world import ToyWorld

from skerry.controller.experiment_run import ExperimentRun
from skerry.controller.supervisor import Supervisor
from skerry.controller.tools import Tools
from skerry.engine.capabilities import Capabilities, all_features
from skerry.engine.journal import keeps
from skerry.engine.world import Action, ActionReport, BrokerView, Finish, HealAll, Observation
from skerry.experiment.document import Experiment
from skerry.history.run import History
from skerry.report.files import report_json
from skerry.report.junit import junit_xml
from skerry.report.model import make_report
from skerry.targets.skerry.planes import Plane
from skerry.worlds.kubernetes.api import EXPERIMENTS, NAMESPACES, Kind, KubeError
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.drive import RunEnd
from skerry.worlds.kubernetes.preflight import Accepted, Refusal
from skerry.worlds.kubernetes.world import Settings

BEGIN_S = 1_800_000_000.0
TURN_S = 0.25
TICKS = 40
"""How often everybody may go on before the clock moves: a request takes one, and waiting for one takes another."""

DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata:
  {name: story, namespace: lab, uid: aaaaaaaa-0000-1111, generation: 1, creationTimestamp: "2027-01-15T08:00:00Z"}
spec:
  hypothesis: It is a story.
  cluster: {statefulSet: broker, brokers: 3}
  topic: {name: orders, partitions: 2}
  timeout: 60s
  retain: 5m
  faults:
  - name: cut
    startAfter: 1s
    duration: 4s
    partition: {groups: [[{role: PartitionLeader, partition: 0}], [{role: Other}]]}
"""
PORTS = {Plane.CLIENT: 9092, Plane.RAFT: 9093, Plane.REPLICATION: 9094}
BROKERS = BrokerSet("broker", "lab", "broker", 3, PORTS, 9095, container="broker")
ABLE = Capabilities("kubernetes", all_features(), frozenset({"skerry"}))


class Clock:
    """Everybody's ``sleep``; it moves only while a test waits for something."""

    def __init__(self) -> None:
        self.now_s = BEGIN_S
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now_s + seconds, next(self._numbers), future))
        await future

    async def until(self, over: Callable[[], Any], *, at_most_s: float = 600) -> None:
        """Let everybody go on, and time pass, until it is over."""
        end_s = self.now_s + at_most_s
        while True:
            for _ in range(TICKS):
                if over():
                    return
                await asyncio.sleep(0)
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            assert self._sleepers, "nobody sleeps, and it is not over"
            assert self._sleepers[0][0] <= end_s, f"it is not over after {at_most_s} s"
            self.now_s, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

    async def pass_s(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        waker = asyncio.ensure_future(self.sleep(seconds))
        await self.until(lambda: self.now_s >= end_s and waker.done(), at_most_s=seconds)


class FakeKube:
    """One namespace. ``refuse[verb, plural]`` is raised instead of an answer."""

    def __init__(self, namespace: str = "lab") -> None:
        self.namespace = namespace
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.refuse: dict[tuple[str, str], Exception] = {}
        self.calls: list[tuple[str, str, str]] = []
        self.statuses: list[dict[str, Any]] = []
        """Every patch of a status, in order."""
        self._versions = itertools.count(1)
        self.put(NAMESPACES, {"metadata": {"name": namespace, "labels": {"skerry.dev/enabled": "true"}}})

    def put(self, kind: Kind, item: dict[str, Any]) -> dict[str, Any]:
        item = copy.deepcopy(item)
        item["metadata"]["resourceVersion"] = str(next(self._versions))
        item["metadata"].setdefault("uid", f"uid-{item['metadata']['resourceVersion']}")
        self.objects[kind.plural, item["metadata"]["name"]] = item
        return item

    def find(self, kind: Kind, name: str) -> dict[str, Any] | None:
        return self.objects.get((kind.plural, name))

    def status(self, name: str = "story") -> dict[str, Any]:
        return self.objects[EXPERIMENTS.plural, name].get("status", {})

    def condition(self, kind: str, name: str = "story") -> dict[str, Any]:
        return next(each for each in self.status(name)["conditions"] if each["type"] == kind)

    @property
    def writes(self) -> list[str]:
        """The writes, but for the experiments' own statuses and Events."""
        return [
            f"{verb} {plural}/{name}"
            for verb, plural, name in self.calls
            if verb in ("create", "delete", "patch", "replace") and plural not in ("chaosexperiments", "events")
        ]

    async def _called(self, verb: str, kind: Kind, name: str) -> None:
        await asyncio.sleep(0)
        if (verb, kind.plural) in self.refuse:
            raise self.refuse[verb, kind.plural]
        self.calls.append((verb, kind.plural, name))

    async def get(self, kind: Kind, name: str) -> dict[str, Any] | None:
        await self._called("get", kind, name)
        return copy.deepcopy(self.objects.get((kind.plural, name)))

    async def list(self, kind: Kind, labels: str = "") -> list[dict[str, Any]]:
        await self._called("list", kind, "")
        return [copy.deepcopy(item) for (plural, _), item in self.objects.items() if plural == kind.plural]

    async def create(self, kind: Kind, manifest: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        name = manifest["metadata"]["name"]
        await self._called("create", kind, name)
        if (kind.plural, name) in self.objects:
            raise KubeError(409, "AlreadyExists", f"{name} exists")
        return copy.deepcopy(self.put(kind, manifest))

    async def replace(self, kind: Kind, name: str, manifest: dict[str, Any]) -> dict[str, Any]:
        await self._called("replace", kind, name)
        standing = self.objects.get((kind.plural, name))
        if standing is None:
            raise KubeError(404, "NotFound", f"{name} is gone")
        if standing["metadata"]["resourceVersion"] != manifest["metadata"]["resourceVersion"]:
            raise KubeError(409, "Conflict", f"{name} was modified")
        manifest = copy.deepcopy(manifest)
        manifest["metadata"]["uid"] = standing["metadata"]["uid"]
        return copy.deepcopy(self.put(kind, manifest))

    async def patch(self, kind: Kind, name: str, patch: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
        await self._called("patch", kind, name)
        standing = self.objects.get((kind.plural, name))
        if standing is None:
            raise KubeError(404, "NotFound", f"{name} is gone")
        assert (kind, subresource) == (EXPERIMENTS, "status"), "nothing else is patched"
        if patch["metadata"]["resourceVersion"] != standing["metadata"]["resourceVersion"]:
            raise KubeError(409, "Conflict", f"{name} was modified")
        status = standing.setdefault("status", {})
        for key, value in copy.deepcopy(patch["status"]).items():
            if value is None:
                status.pop(key, None)
            else:
                status[key] = value
        self.statuses.append(copy.deepcopy(patch["status"]))
        return copy.deepcopy(self.put(kind, standing))

    async def delete(self, kind: Kind, name: str, *, uid: str = "", grace_s: int | None = None) -> bool:
        await self._called("delete", kind, name)
        standing = self.objects.get((kind.plural, name))
        if standing is None or uid not in ("", standing["metadata"]["uid"]):
            return False
        del self.objects[kind.plural, name]
        return True


class FakeWorld:
    """The toy cluster of the engine's tests behind the port that `KubernetesWorld` has."""

    def __init__(self, lab: Lab, arguments: tuple[Any, ...]) -> None:
        self.kube, self.resource, self.experiment, self.document, self.seed, _, self.capabilities, *_ = arguments
        self.lab = lab
        self.toy = ToyWorld(partitions=self.experiment.spec.topic.partitions)
        self.healed = False
        """Nothing is in force any more, and it was this world that saw to it."""
        self.abort_reason = ""

    @property
    def did(self) -> list[str]:
        """What the conductor had done that is worth a journal, in order."""
        return [type(action).__name__ for _, action in self.toy.actions if keeps(action) and action.id > 0]

    def now_ns(self) -> int:
        return int(self.toy.now_ns)

    def observe(self) -> Observation:
        """The toy's topic is always `orders`; this run has its own."""
        observation = self.toy.observe()
        brokers = tuple(self._renamed(view) for view in observation.brokers)
        return msgspec.structs.replace(observation, brokers=brokers, abort=self.abort_reason)

    def perform(self, action: Action) -> None:
        self.toy.perform(action)

    def report(self, report: ActionReport) -> None:
        self.toy.reports.append((self.toy.now_ns, report))

    def abort(self, reason: str) -> None:
        self.abort_reason = self.abort_reason or reason

    async def start(self) -> None:
        await asyncio.sleep(0)

    def raise_failure(self) -> None:
        """After each turn."""
        self.lab.hook(self)
        self.toy.now_ns += int(TURN_S * 1e9)

    async def ended(self, finish: Finish) -> RunEnd:
        if self.lab.lose_report:
            return RunEnd(finish, None, {})
        reason = "Aborted" if finish.aborted else ""
        report = make_report(self.experiment, History(()), finish.findings, "again", reason)
        report = msgspec.structs.replace(report, world="kubernetes", history_digest="d1g35t", started_wall_ns=10**18)
        files = {"report.json": report_json(report), "report.html": b"<html>", "junit.xml": junit_xml([report])}
        return RunEnd(finish, report, files)

    async def close_now(self) -> None:
        await asyncio.sleep(0)
        self.toy.perform(HealAll(-1))
        self.healed = not self.toy.standing

    async def close(self) -> None:
        await self.close_now()

    def _renamed(self, view: BrokerView) -> BrokerView:
        name = self.experiment.spec.topic.name
        samples = tuple(msgspec.structs.replace(sample, topic=name) for sample in view.partitions)
        return msgspec.structs.replace(view, partitions=samples)


class Lab:
    """All of it, set up as for an operator of one namespace."""

    world_class = FakeWorld

    def __init__(self) -> None:
        self.clock = Clock()
        self.kube = FakeKube()
        self.worlds: list[FakeWorld] = []
        self.answers: list[Accepted | Refusal | Exception] = []
        """What preflight answers, in order; then it accepts."""
        self.lose_report = False
        self.hook: Callable[[FakeWorld], None] = lambda world: None
        """Called once a turn."""
        self.looked = Observation()
        """What brokers say to a dry run."""
        self.tools = Tools(
            settings=lambda namespace: Settings(namespace, "runner", "injector"),
            make_world=self._make_world,
            preflight=self._preflight,
            look=self._look,
            now=self.clock.now,
            sleep=self.clock.sleep,
            turn_s=TURN_S,
            draw_seed=lambda: 4711,
            draw_token=lambda: "token",
        )
        self.supervisor = Supervisor({"lab": self.kube}, self.tools)

    def resource(self, text: str = DOCUMENT, **metadata: Any) -> dict[str, Any]:
        """As the API server has it after `kubectl apply`."""
        item = yaml.safe_load(text)
        item["metadata"].update(metadata)
        return self.kube.put(EXPERIMENTS, item)

    def experiment_run(self, resource: dict[str, Any] | None = None, operator: str = "operator-a") -> ExperimentRun:
        tools = dataclasses.replace(self.tools, identity=operator)
        return ExperimentRun(self.kube, copy.deepcopy(resource or self.resource()), tools)

    async def run(self, work: Awaitable[Any]) -> Any:
        """To its end, on the lab's clock."""
        task = asyncio.ensure_future(work)
        await self.clock.until(task.done)
        return await task

    async def story(self, resource: dict[str, Any] | None = None, operator: str = "operator-a") -> dict[str, Any]:
        """One experiment to its end; its status."""
        experiment_run = self.experiment_run(resource, operator)
        await self.run(experiment_run.run())
        return self.kube.status(experiment_run.name)

    @property
    def phases(self) -> list[str]:
        """As the status told them."""
        return [patch["phase"] for patch in self.kube.statuses if "phase" in patch]

    @property
    def events(self) -> list[str]:
        return [item["reason"] for (plural, _), item in self.kube.objects.items() if plural == "events"]

    def _make_world(self, *arguments: Any, own_metrics: Any) -> FakeWorld:
        self.worlds.append(FakeWorld(self, arguments))
        return self.worlds[-1]

    async def _preflight(self, kube: Any, experiment: Any, settings: Any) -> Accepted | Refusal:
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if self.answers else Accepted(BROKERS, ABLE, {})
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _look(self, experiment: Experiment, brokers: BrokerSet) -> Observation:
        return self.looked


@pytest.fixture
def lab() -> Lab:
    return Lab()
