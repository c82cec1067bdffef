"""A cluster that can lie: brokers whose links and processes follow the API server's objects, or do not.

Three brokers with pods, and a workload pod that tells what the brokers tell of each other. It is computed from the
NetworkPolicies and pods that stand, read by the plain reading of `policy_world`, so that an honest cluster proves what
the world did, and a lie is one line here.
"""

from __future__ import annotations

import copy
import itertools
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import policy_world
from broker_kit import BROKERS, broker_pod, terminated
from fake_api import FakeApi
from lies import ANOTHER, EARLY, ENDLESS, HALF, LATE, LATE_S, NOTHING, ONE_DIRECTION
from scripted_pod import ScriptedPod

from skerry.engine.world import (
    ActionReport,
    BrokerView,
    CheckLinks,
    Drain,
    LinkKind,
    LinkView,
    PartitionAcks,
    Prepare,
    Record,
    ReportState,
    StartProbe,
    StartWorkload,
    StopProbe,
    WorkloadView,
)
from skerry.experiment import Finding, FindingKind, Verdict
from skerry.history.records import BrokerSample, FaultEvent, FaultStep
from skerry.runner.messages import View
from skerry.targets.skerry.planes import Plane

MS = 1_000_000
LATE_MS = LATE_S * 1000
EARLY_MS = 700
DOWN_MS = 150
"""How long a broker is away whose pod was replaced."""
GRACE_S = 2
GOES_MS = 400
"""How long the object of a deleted pod stays: long enough to be looked at on a busy machine."""
START_MS = 300
"""How long after its hold one answers."""
PLANES = (Plane.RAFT, Plane.REPLICATION)
HELD = Finding(FindingKind.SAFETY, "lost-write", Verdict.PASS, "all records are there")


class LyingCluster:
    """The plugin that enforces NetworkPolicies, the kubelet that ends processes, the injector: all may tell the lie."""

    def __init__(self, api: FakeApi, pod: ScriptedPod, lie: str, topic: str, late_ms: int = LATE_MS) -> None:
        """``lie``: one of `lies.LIES`; empty: everything is as the API server says."""
        self._api = api
        self._pod = pod
        self._lie = lie
        self._topic = topic
        self._since_ms: dict[tuple[int, int], int] = {}
        """Pair -> since when the standing policies deny it."""
        self._ever: set[tuple[int, int]] = set()
        self._checked: dict[int, int] = {}
        """Id of a `CheckLinks` -> when it was seen."""
        self._late_ms = late_ms
        self._dead_since_ms: dict[int, int] = {}
        self._due: list[tuple[int, Callable[[], None]]] = []
        """What comes to pass at a moment."""
        self._crashed: set[int] = set()
        """Whose process an injector was to end."""
        self._clean = [True, True, True]
        """How each registered last."""
        self._lives = [0, 0, 0]
        self._cut_when_tried: set[tuple[int, int]] = set()
        """What new connections found when they were tried last: an answer does not change after it was given."""
        self._taken: dict[int, ActionReport] = {}
        self._uids = itertools.count()
        for ordinal in BROKERS.ordinals:
            api.put(self._broker(ordinal, f"first-{ordinal}"))
        api.on("patch", "pods/ephemeralcontainers", self._injected)
        api.deletes_slowly.append(self._deleted)
        pod.shows = self._shows

    # --- pods -------------------------------------------------------------------------------------------------

    def _broker(self, ordinal: int, uid: str, held: bool = False) -> dict[str, Any]:
        """Nobody listens at its address, so that the API server alone tells of its process."""
        return broker_pod(ordinal, uid, ip=f"127.0.0.{10 + ordinal}", held=held)

    def _injected(self, pod: dict[str, Any]) -> None:
        """The injector says that it has sent SIGKILL, and the kubelet that the container has ended by that."""
        ordinal = _ordinal(pod)
        said = json.dumps({"did": "kill", "signal": "KILL", "pid": 7, "command": "python", "sent_wall_ns": 1})
        name = pod["spec"]["ephemeralContainers"][-1]["name"]
        pod["status"]["ephemeralContainerStatuses"] = [
            {"name": name, "state": terminated(0, "Completed", message=said)}
        ]
        pod["status"]["containerStatuses"] = [_ended(ordinal, 137)]
        self._api.put(pod)
        self._crashed.add(ordinal)
        self._ends(ordinal, clean=self._lie == HALF)

    def _deleted(self, pod: dict[str, Any]) -> bool:
        """The kubelet tells that the process has ended, whatever it did; then the object goes, and there is another."""
        if not str(pod["metadata"]["name"]).startswith("broker-"):
            return False
        ordinal = _ordinal(pod)
        until = datetime.now(UTC) + timedelta(seconds=GRACE_S)
        told = copy.deepcopy(pod)
        told["metadata"]["deletionTimestamp"] = until.strftime("%Y-%m-%dT%H:%M:%SZ")
        told["metadata"]["deletionGracePeriodSeconds"] = GRACE_S
        told["status"]["containerStatuses"] = [_ended(ordinal, 137 if ordinal in self._crashed else 0)]
        self._api.put(told)
        if ordinal not in self._crashed:
            self._ends(ordinal, clean=self._lie != HALF)
        self._due.append((self._now_ms + GOES_MS, lambda: self._replaced(ordinal)))
        return True

    def _replaced(self, ordinal: int) -> None:
        self._api.remove("pods", f"broker-{ordinal}")
        self._api.put(self._broker(ordinal, f"next-{next(self._uids)}", held=ordinal in self._dead_since_ms))

    def _ends(self, ordinal: int, clean: bool) -> None:
        """The process is to end, in order (``clean``) or not."""
        if self._lie == NOTHING:
            return  # a deletion is undone: there is a new object with the old process
        victim = (ordinal + 1) % BROKERS.replicas if self._lie == ANOTHER else ordinal
        after_ms = self._late_ms if self._lie == LATE else 0
        self._due.append((self._now_ms + after_ms, lambda: self._dies(victim, clean)))
        self._happen()

    def _dies(self, ordinal: int, clean: bool) -> None:
        self._dead_since_ms[ordinal] = self._now_ms
        self._clean[ordinal] = clean
        self._lives[ordinal] += 1

    def _happen(self) -> None:
        for due in [each for each in self._due if each[0] <= self._now_ms]:
            self._due.remove(due)
            due[1]()

    def _come_back(self) -> None:
        """Who is not held any more starts."""
        for ordinal, since_ms in list(self._dead_since_ms.items()):
            held = time.time() < self._held_until_s(ordinal) + START_MS / 1000
            if self._lie == EARLY:
                held = self._lasts(since_ms)
            if self._lie == ENDLESS or held or self._now_ms < since_ms + DOWN_MS:
                continue
            del self._dead_since_ms[ordinal]
            pod = self._api.find("pods", f"broker-{ordinal}")
            if pod is not None:
                self._api.put(self._broker(ordinal, str(pod["metadata"]["uid"])))

    def _lasts(self, since_ms: int) -> bool:
        """What ends early lasts until it was proven, however long that takes on this machine."""
        proven = (each.record for each in self._pod.actions if isinstance(each, Record))
        begun = any(isinstance(record, FaultEvent) and record.step is FaultStep.EFFECTIVE for record in proven)
        return not begun or self._now_ms < since_ms + EARLY_MS

    def _held_until_s(self, ordinal: int) -> float:
        """By the wall clock; 0: nobody holds it."""
        holds = [item for key, item in self._api.objects.items() if key[1] == "configmaps"]
        return max((float((each.get("data") or {}).get(f"broker-{ordinal}", 0)) for each in holds), default=0)

    def _alive(self, ordinal: int) -> bool:
        return ordinal not in self._dead_since_ms

    # --- links ------------------------------------------------------------------------------------------------

    def _denied(self) -> set[tuple[int, int]]:
        """Ordered pairs that the standing policies deny."""
        policies = [item for key, item in self._api.objects.items() if key[1] == "networkpolicies"]
        policies = [each | {"metadata": {"namespace": "skerry", **each["metadata"]}} for each in policies]
        pods = {ordinal: self._labelled(ordinal) for ordinal in BROKERS.ordinals}
        spaces = {"skerry": policy_world.NAMESPACE_LABELS}
        return {
            (one, other)
            for one, other in itertools.permutations(BROKERS.ordinals, 2)
            if not policy_world.open_between(policies, pods[one], pods[other], "TCP", 9093, spaces)
        }

    def _labelled(self, ordinal: int) -> dict[str, Any]:
        return policy_world.broker_pod(ordinal)

    def _cut(self) -> set[tuple[int, int]]:
        """What is really cut."""
        denied = self._denied()
        self._since_ms = {pair: self._since_ms.get(pair, self._now_ms) for pair in denied}
        self._ever |= denied
        if self._lie == ANOTHER:
            return {((one + 1) % 3, (other + 1) % 3) for one, other in denied}
        if self._lie == ONE_DIRECTION:
            return {pair for pair in denied if pair[0] < pair[1]}
        if self._lie == LATE:
            return {pair for pair, since_ms in self._since_ms.items() if self._now_ms >= since_ms + self._late_ms}
        if self._lie == EARLY:
            return {pair for pair, since_ms in self._since_ms.items() if self._lasts(since_ms)}
        return {NOTHING: set(), ENDLESS: set(self._ever)}.get(self._lie, denied)

    def _links(self) -> Iterator[LinkView]:
        """A policy cuts no connection that is open: kept ones live on."""
        cut = self._cut()
        asked_ms = max(self._checked.values(), default=-1)
        if asked_ms > self._tried_ms:
            self._tried_ms, self._cut_when_tried = asked_ms, cut
        for one, other in itertools.permutations(BROKERS.ordinals, 2):
            both = self._alive(one) and self._alive(other)
            for plane in PLANES:
                yield LinkView(one, other, plane, LinkKind.KEPT, self._now_ns, both, rtt_ns=MS)
                if asked_ms >= 0:
                    ok = both and ((one, other) not in self._cut_when_tried or self._lets_through(plane))
                    yield LinkView(one, other, plane, LinkKind.NEW, asked_ms * MS, ok, rtt_ns=MS if ok else -1)

    def _lets_through(self, plane: Plane) -> bool:
        """Half of the planes."""
        return self._lie == HALF and plane is not PLANES[0]

    # --- what the workload pod shows --------------------------------------------------------------------------

    def _shows(self, view: View) -> View:
        self._now_ns = view.now_ns
        self._now_ms = view.now_ns // MS
        self._happen()
        self._come_back()
        for action in self._pod.actions:
            if isinstance(action, CheckLinks):
                self._checked.setdefault(action.id, self._now_ms)
            if isinstance(action, Prepare | StartWorkload | StartProbe | StopProbe | CheckLinks):
                done = ActionReport(action.id, ReportState.DONE, view.now_ns, view.now_ns)
                self._taken.setdefault(action.id, done)
        started = any(isinstance(action, StartWorkload) for action in self._pod.actions)
        drained = any(isinstance(action, Drain) for action in self._pod.actions)
        return msgspec.structs.replace(
            view,
            brokers=tuple(self._view(ordinal) for ordinal in BROKERS.ordinals),
            links=tuple(self._links()),
            workload=WorkloadView(started, 1, 100, (PartitionAcks(0, 1, view.now_ns if started else -1),)),
            reports=(*view.reports, *self._taken.values()),
            findings=(HELD,) if drained else None,
        )

    _now_ns = 0
    _now_ms = 0
    _tried_ms = -1

    def _view(self, ordinal: int) -> BrokerView:
        lives = self._lives[ordinal]
        role = "Leader" if ordinal == 0 else "Follower"
        return BrokerView(
            ordinal,
            self._now_ns,
            reachable=self._alive(ordinal),
            broker_epoch=5 + lives,
            incarnation=f"{ordinal}-{lives}",
            directory_id=f"disk-{ordinal}",
            registered_clean=self._clean[ordinal],
            group_role=role,
            term=4,
            controller=0,
            fenced=False,
            partitions=(BrokerSample(self._topic, 0, 0, 3, (0, 1, 2), (), 5, 5, role),),
        )


def _ended(ordinal: int, exit_code: int) -> dict[str, Any]:
    return {"name": "broker", "state": terminated(exit_code), "containerID": f"c-{ordinal}", "restartCount": 0}


def _ordinal(pod: dict[str, Any]) -> int:
    return int(str(pod["metadata"]["name"]).rpartition("-")[2])
