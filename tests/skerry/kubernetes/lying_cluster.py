"""A cluster that can lie: brokers whose links and processes follow the API server's objects, or do not.

Three brokers with pods, and a workload pod that tells what the brokers tell of each other. It is computed from the
NetworkPolicies and pods that stand, read by the plain reading of `policy_world`, so that an honest cluster proves what
the world did, and a lie is one line here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec
import policy_world
from broker_kit import BROKERS, broker_pod
from fake_api import FakeApi
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
    ReportState,
    StartProbe,
    StartWorkload,
    StopProbe,
    WorkloadView,
)
from skerry.experiment import Finding, FindingKind, Verdict
from skerry.history.records import BrokerSample
from skerry.runner.messages import View
from skerry.schema.vocabulary import Plane

MS = 1_000_000
PING_MS = 300
"""A kept connection fails when no ping was answered for so long."""
LATE_MS = 700
EARLY_MS = 700
DOWN_MS = 150
"""How long a broker is away whose pod was replaced."""
PLANES = (Plane.RAFT, Plane.REPLICATION)
HELD = Finding(FindingKind.SAFETY, "lost-write", Verdict.PASS, "all records are there")


class Lie(StrEnum):
    NONE = "none"
    DOES_NOTHING = "does nothing"
    HITS_ANOTHER = "hits another"
    ONE_DIRECTION = "works in one direction"
    LATE = "is late"
    ENDS_EARLY = "ends early"
    DOES_NOT_END = "does not end"


class LyingCluster:
    """``lie``: about NetworkPolicies (a plugin that does not do what it says) and about deletions of pods."""

    def __init__(self, api: FakeApi, pod: ScriptedPod, lie: Lie, topic: str) -> None:
        self._api = api
        self._pod = pod
        self._lie = lie
        self._topic = topic
        self._since_ms: dict[tuple[int, int], int] = {}
        """Pair -> since when the standing policies deny it."""
        self._silent_since_ms: dict[tuple[int, int], int] = {}
        self._ever: set[tuple[int, int]] = set()
        self._checked: dict[int, int] = {}
        """Id of a `CheckLinks` -> when it was seen."""
        self._down_until_ms: dict[int, int] = {}
        self._lives = [0, 0, 0]
        self._cut_when_tried: set[tuple[int, int]] = set()
        """What new connections found when they were tried last: an answer does not change after it was given."""
        self._taken: dict[int, ActionReport] = {}
        self._uids = itertools.count()
        for ordinal in BROKERS.ordinals:
            api.put(self._broker(ordinal, f"first-{ordinal}"))
        api.on("delete", "pods", self._deleted)
        pod.shows = self._shows

    # --- pods -------------------------------------------------------------------------------------------------

    def _broker(self, ordinal: int, uid: str) -> dict[str, Any]:
        """Nobody listens at its address, so that the API server alone tells of its process."""
        return broker_pod(ordinal, uid, ip=f"127.0.0.{10 + ordinal}")

    def _deleted(self, pod: dict[str, Any]) -> None:
        name = str(pod["metadata"]["name"])
        if not name.startswith("broker-"):
            return
        ordinal = int(name.rpartition("-")[2])
        self._api.put(self._broker(ordinal, f"next-{next(self._uids)}"))
        if self._lie is Lie.DOES_NOTHING:
            return  # a new object with the old process: the deletion was undone
        victim = (ordinal + 1) % BROKERS.replicas if self._lie is Lie.HITS_ANOTHER else ordinal
        self._down_until_ms[victim] = self._now_ms + (10**9 if self._lie is Lie.DOES_NOT_END else DOWN_MS)
        self._lives[victim] += 1

    def _alive(self, ordinal: int) -> bool:
        return self._now_ms >= self._down_until_ms.get(ordinal, 0)

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
        match self._lie:
            case Lie.DOES_NOTHING:
                return set()
            case Lie.HITS_ANOTHER:
                return {((one + 1) % 3, (other + 1) % 3) for one, other in denied}
            case Lie.ONE_DIRECTION:
                return {pair for pair in denied if pair[0] < pair[1]}
            case Lie.LATE:
                return {pair for pair, since_ms in self._since_ms.items() if self._now_ms >= since_ms + LATE_MS}
            case Lie.ENDS_EARLY:
                return {pair for pair, since_ms in self._since_ms.items() if self._now_ms < since_ms + EARLY_MS}
            case Lie.DOES_NOT_END:
                return set(self._ever)
            case _:
                return denied

    def _links(self) -> Iterator[LinkView]:
        """A policy cuts no connection that is open: kept ones live on."""
        cut = self._cut()
        asked_ms = max(self._asked_ms, *self._checked.values(), -1)
        if asked_ms > self._tried_ms:
            self._tried_ms, self._cut_when_tried = asked_ms, cut
        for one, other in itertools.permutations(BROKERS.ordinals, 2):
            both = self._alive(one) and self._alive(other)
            for plane in PLANES:
                yield LinkView(one, other, plane, LinkKind.KEPT, self._now_ns, both, rtt_ns=MS)
                if asked_ms >= 0:
                    ok = both and (one, other) not in self._cut_when_tried
                    yield LinkView(one, other, plane, LinkKind.NEW, asked_ms * MS, ok, rtt_ns=MS if ok else -1)

    # --- what the workload pod shows --------------------------------------------------------------------------

    def _shows(self, view: View) -> View:
        self._now_ns = view.now_ns
        self._now_ms = view.now_ns // MS
        for action in self._pod.actions:
            if isinstance(action, CheckLinks):
                first_ms = self._checked.setdefault(action.id, self._now_ms)
                if self._now_ms <= first_ms + action.for_ns // MS:
                    self._asked_ms = self._now_ms
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
    _asked_ms = -1
    """When new connections were tried last, as was asked for by the pod itself."""
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
            registered_clean=True,
            raft_role=role,
            term=4,
            controller=0,
            fenced=False,
            partitions=(BrokerSample(self._topic, 0, 0, 3, (0, 1, 2), (), 5, 5, role),),
        )
