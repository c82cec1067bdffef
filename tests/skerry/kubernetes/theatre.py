"""A whole run in the Kubernetes world: a conductor that follows a script, and an API server in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from pathlib import Path

import msgspec
import pytest
from broker_kit import BROKERS, broker_pod
from fake_api import FakeApi
from fault_stage import CUT, EXPERIMENT, cut_of
from scripted_pod import WORKLOAD, ScriptedPod

from skerry.engine.world import (
    Action,
    ActionReport,
    Check,
    CheckLinks,
    Drain,
    Finish,
    Heal,
    Inject,
    Observation,
    ReportState,
    StartWorkload,
)
from skerry.experiment import load_document
from skerry.schema.verdict import Verdict
from skerry.worlds.kubernetes.api import Kube, KubeError
from skerry.worlds.kubernetes.capabilities import capabilities
from skerry.worlds.kubernetes.drive import RunEnd, drive
from skerry.worlds.kubernetes.opt_ins import OptIns
from skerry.worlds.kubernetes.recording import Pace
from skerry.worlds.kubernetes.world import KubernetesWorld, Settings

DOCUMENT = (Path(__file__).parents[3] / "experiments" / "04b-leader-pod-deletion.yaml").read_text()
PATIENT = Pace(look_every_s=0.002, silent_s=60, pod_timeout_s=60, pod_poll_s=0.002, finish_poll_s=0.002)
LEADER_OFF = cut_of((0,), (1, 2))
NS = 1_000_000_000
FINISH = Finish(90, Verdict.PASS, "Passed", "All is well.")
INJECT = Inject(2, CUT, LEADER_OFF, 3600 * NS, 3600 * NS)
Plot = Generator[list[Action], Observation, None]


class Script:
    """A conductor that does what a generator says: it is sent every picture, with all reports so far, and yields what
    is to be done."""

    def __init__(self, plot: Callable[[], Plot]) -> None:
        self._plot = plot()
        self._begun = False
        self.finished = False
        self.seen: list[Observation] = []
        self.reports: dict[int, ActionReport] = {}

    def step(self, now_ns: int, observation: Observation) -> list[Action]:
        self.seen.append(observation)
        self.reports |= {each.id: each for each in observation.reports}
        if not self._begun:
            self._begun = True
            actions = next(self._plot)
        else:
            actions = self._plot.send(msgspec.structs.replace(observation, reports=tuple(self.reports.values())))
        self.finished = any(isinstance(each, Finish) for each in actions)
        return actions


def until_reported(action_id: int) -> Generator[list[Action], Observation, ActionReport]:
    """Wait for the last word on an action."""
    while True:
        observation = yield []
        for report in observation.reports:
            if report.id == action_id and report.state is not ReportState.STARTED:
                return report


class Theatre:
    def __init__(self, api: FakeApi, kube: Kube, pod: ScriptedPod) -> None:
        self.api = api
        self.kube = kube
        self.pod = pod
        self.pace = PATIENT
        self.journal: list[int] = []
        self.journal_error: KubeError | None = None
        self.world: KubernetesWorld
        self.script: Script

    async def write(self, actions: Sequence[Action]) -> None:
        if self.journal_error is not None:
            raise self.journal_error
        self.journal += [each.id for each in actions]

    def open(self, plot: Callable[[], Plot], status: dict | None = None) -> asyncio.Task[RunEnd]:
        experiment = load_document(DOCUMENT, "04b")
        self.world = KubernetesWorld(
            self.kube,
            EXPERIMENT | ({"status": status} if status else {}),
            experiment,
            DOCUMENT,
            7,
            BROKERS,
            capabilities(OptIns(grant=True, label=True, hold=True, namespace="skerry")),
            Settings("skerry", "skerry/operator:dev", "skerry/injector:dev"),
            "a-token-of-sixteen",
            pace=self.pace,
        )
        self.script = Script(plot)
        return asyncio.create_task(drive(self.script, self.world, self.write, turn_s=0.001))

    @property
    def asked(self) -> list[Action]:
        """What the conductor asked of the pod; the world itself asks for links while a cut stands."""
        return [each for each in self.pod.actions if not isinstance(each, CheckLinks)]

    @property
    def left(self) -> list[str]:
        """What of faults is in the namespace."""
        return [*self.api.names("networkpolicies"), *(name for name in self.api.names("jobs") if name != WORKLOAD)]


@pytest.fixture
async def theatre(api: FakeApi, kube: Kube) -> AsyncIterator[Theatre]:
    api.put(EXPERIMENT)
    for ordinal in BROKERS.ordinals:
        api.put(broker_pod(ordinal))
    async with ScriptedPod(api) as pod:
        yield Theatre(api, kube, pod)


def a_run_with_a_cut() -> Plot:
    yield [StartWorkload(1)]
    yield [INJECT]
    yield from until_reported(2)
    yield [Heal(3, CUT, LEADER_OFF)]
    yield from until_reported(3)
    yield [Drain(4)]
    yield from until_reported(4)
    yield [Check(5)]
    yield from until_reported(5)
    yield [FINISH]


def nothing() -> Plot:
    yield [FINISH]


def watching() -> Plot:
    while True:
        yield []
