"""A stage for faults: an API server in this process, the brokers' pods in it, and hands that play the kubelet."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
from admin_server import AdminServer
from broker_kit import BROKERS, Object, broker_pod, terminated
from fake_api import FakeApi

from skerry.engine.world import ActionReport, Heal, HealAll, Inject, OccurrenceId, ReportState
from skerry.faults.kill import Kill, KillHow
from skerry.faults.network_partition import Connections, Cut, CutAction
from skerry.targets.skerry.planes import Plane
from skerry.worlds.kubernetes.api import Kube
from skerry.worlds.kubernetes.pods import Pods
from skerry.worlds.kubernetes.steps import Images, Waits
from skerry.worlds.kubernetes.world_faults import Faults

NS = 1_000_000_000
MS = 1_000_000
EXPERIMENT: Object = {
    "apiVersion": "skerry.dev/v1alpha1",
    "kind": "ChaosExperiment",
    "metadata": {"name": "demo", "uid": "uid-of-demo", "namespace": "skerry"},
    "spec": {},
}
CUT, CRASH, OTHER = OccurrenceId("cut", 0), OccurrenceId("crash", 0), OccurrenceId("other", 0)


def cut_of(*groups: tuple[int, ...], connections: Connections = Connections.NEW) -> Cut:
    side = {ordinal: number for number, group in enumerate(groups) for ordinal in group}
    links = tuple(sorted((a, b) for a in side for b in side if side[a] != side[b]))
    return Cut(links, (Plane.RAFT, Plane.REPLICATION), connections, CutAction.DROP, groups)


def crash_of(*ordinals: int, down_s: int = 0) -> Kill:
    return Kill(ordinals, KillHow.PROCESS, down_s * NS)


def deletion_of(*ordinals: int, grace_s: float = 10, down_s: int = 0) -> Kill:
    return Kill(ordinals, KillHow.POD_DELETE, down_s * NS, int(grace_s * NS))


class Clock:
    """The run is 1000 s old, and known to 1 ms; every look takes a microsecond."""

    def __init__(self) -> None:
        self._looks = itertools.count()

    def now_ns(self) -> int:
        return 1000 * NS + next(self._looks) * 1000

    def lower_ns(self) -> int:
        return self.now_ns() - MS

    def upper_ns(self) -> int:
        return self.now_ns() + MS


class Stage:
    def __init__(self, api: FakeApi, kube: Kube) -> None:
        self.api = api
        self.kube = kube
        self.reports: list[ActionReport] = []
        self.notes: list[str] = []
        self.disproofs: list[str] = []
        self.servers: dict[int, AdminServer] = {}
        self.brokers = BROKERS
        self.clock = Clock()
        self.pods: Pods
        self.faults: Faults
        self._ids = itertools.count(1)

    async def rise(self, *, serving: bool = False) -> None:
        """``serving``: the brokers' admin planes answer, each at an address of its own."""
        self.api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "skerry", "labels": {}}})
        self.api.put(EXPERIMENT)
        for ordinal in BROKERS.ordinals:
            if serving:
                port = self.servers[0].port if ordinal else 0
                self.servers[ordinal] = AdminServer(host=f"127.0.0.{10 + ordinal}", port=port)
                await self.servers[ordinal].__aenter__()
            self.api.put(broker_pod(ordinal, ip=f"127.0.0.{10 + ordinal}" if serving else ""))
        if serving:
            self.brokers = msgspec.structs.replace(BROKERS, admin_port=self.servers[0].port)
        self.pods = Pods(self.kube, self.brokers, look_every_s=0.02, again_s=0.01)
        await self.pods.start()
        self.faults = self.another("demo")

    def another(self, name: str, injector_s: float = 5.0, words_s: float = 60) -> Faults:
        """The faults of an experiment of that name: the next operator's, or somebody else's."""
        experiment = copy.deepcopy(EXPERIMENT)
        experiment["metadata"] |= {"name": name, "uid": f"uid-of-{name}"}
        return Faults(
            self.kube,
            experiment,
            self.brokers,
            self.pods,
            Images("skerry/injector:dev", "IfNotPresent"),
            self.clock,
            self.reports.append,
            lambda text, broker: self.notes.append(f"{broker}: {text}"),
            self.disproofs.append,
            Waits(injector_s, gone_s=0.5, words_s=words_s, look_s=0.01),
        )

    async def fall(self) -> None:
        await self.faults.close()
        await self.pods.stop()
        for server in self.servers.values():
            server.die()

    # --- what the conductor asks --------------------------------------------------------------------------

    def injection(self, occurrence: OccurrenceId, fault: Cut | Kill, lasts_s: float = 15) -> Inject:
        lasts_ns = int(lasts_s * NS)
        return Inject(next(self._ids), occurrence, fault, lasts_ns, 1000 * NS + lasts_ns + 5 * NS)

    async def inject(self, occurrence: OccurrenceId, fault: Cut | Kill, lasts_s: float = 15) -> str:
        """How it was reported: `DONE`, or why not."""
        return await self._reported(self.faults.inject(self.injection(occurrence, fault, lasts_s)))

    async def heal(self, occurrence: OccurrenceId, fault: Cut | Kill) -> str:
        return await self._reported(self.faults.heal(Heal(next(self._ids), occurrence, fault)))

    async def heal_all(self) -> str:
        return await self._reported(self.faults.heal_all(HealAll(next(self._ids))))

    async def _reported(self, action: Coroutine[Any, Any, None]) -> str:
        before = len(self.reports)
        await action
        first, last = self.reports[before], self.reports[-1]
        assert first.state is ReportState.STARTED
        assert first.id == last.id
        assert last.before_ns < last.after_ns
        return "DONE" if last.state is ReportState.DONE else last.error

    # --- what others do -----------------------------------------------------------------------------------

    def on_injector(self, act: Callable[[str, Object], None]) -> None:
        """Call it with the pod's name and the container, for every injector that is added."""

        def added(pod: Object) -> None:
            act(str(pod["metadata"]["name"]), pod["spec"]["ephemeralContainers"][-1])

        self.api.on("patch", "pods/ephemeralcontainers", added)

    def status(self, pod_name: str, **changes: Any) -> None:
        """The kubelet reports."""
        pod = copy.deepcopy(self.api.find("pods", pod_name))
        assert pod is not None
        pod["status"] |= changes
        self.api.put(pod)

    def injector_ends(self, pod_name: str, container: Object, exit_code: int = 0, **message: Any) -> None:
        done = terminated(exit_code, "Error" if exit_code else "Completed", message=json.dumps(message))
        self.status(pod_name, ephemeralContainerStatuses=[{"name": container["name"], "state": done}])

    def injector_waits(self, pod_name: str, container: Object, reason: str) -> None:
        state = {"waiting": {"reason": reason, "message": "not found"}}
        self.status(pod_name, ephemeralContainerStatuses=[{"name": container["name"], "state": state}])

    def process_dies(self, ordinal: int, exit_code: int = 137) -> None:
        """The kernel closes its connections; the kubelet tells how its container ended."""
        if ordinal in self.servers:
            self.servers[ordinal].die()
        statuses = [{"name": "broker", "state": terminated(exit_code), "containerID": f"c-{ordinal}"}]
        self.status(f"broker-{ordinal}", containerStatuses=statuses)

    def killer(self, pod_name: str, container: Object) -> None:
        """An injector that does what it is there for."""
        ordinal = int(pod_name.rpartition("-")[2])
        self.injector_ends(pod_name, container, did="kill", signal="KILL", pid=7, command="python", sent_wall_ns=1)
        self.process_dies(ordinal)

    def replace_deleted(self) -> None:
        """The StatefulSet controller at work; a newcomer is named after the requests so far."""

        def deleted(pod: Object) -> None:
            ordinal = int(str(pod["metadata"]["name"]).rpartition("-")[2])
            self.api.put(broker_pod(ordinal, f"newcomer-{len(self.api.seen)}"))

        self.api.on("delete", "pods", deleted)

    @property
    def left(self) -> list[str]:
        """What of ours is in the namespace."""
        return [
            f"{plural}/{name}"
            for plural in ("networkpolicies", "jobs", "configmaps")
            for name in self.api.names(plural)
        ]


async def ended(task: asyncio.Task[Any] | Awaitable[Any]) -> None:
    await asyncio.gather(task, return_exceptions=True)
