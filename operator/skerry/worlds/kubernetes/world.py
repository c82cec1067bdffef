"""The kubernetes world: one experiment on the brokers of a StatefulSet.

The conductor runs here, in the operator. What records runs in the workload pod; what it sees arrives as its ``View``,
and every exchange with it tells how the pod's clock, the one clock of the run, stands to ours. Faults go through the
API server. Of processes and pods the API server tells; of links, roles and registrations only the brokers do.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple

import msgspec

from skerry.engine.journal import keeps
from skerry.engine.world import (
    Action,
    ActionReport,
    Capabilities,
    Check,
    Finish,
    Heal,
    HealAll,
    Inject,
    Observation,
    Record,
    Recorded,
    ReportState,
    Steps,
)
from skerry.experiment.document import Experiment
from skerry.history.records import Note
from skerry.report.model import RunReport
from skerry.schema.base import JsonObject
from skerry.schema.verdict import Verdict
from skerry.worlds.kubernetes.api import Kube, KubeError
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.eyes import Eyes
from skerry.worlds.kubernetes.faults import Faults
from skerry.worlds.kubernetes.outbox import Outbox
from skerry.worlds.kubernetes.own_samples import (
    OwnMetrics,
    PrometheusError,
    names_wanted,
    own_samples,
    prometheus_samples,
    queries_wanted,
)
from skerry.worlds.kubernetes.pods import Pods
from skerry.worlds.kubernetes.recording import PACE, NotStarted, Pace, Recording
from skerry.worlds.kubernetes.steps import FaultError, Images, to_the_end
from skerry.worlds.kubernetes.workload import PulledImage

log = logging.getLogger("skerry.kubernetes.world")

TURN_S = 0.05
HEAL_NOW_S = 5.0
REPORT_TIMEOUT_S = 60.0
OWN_SAMPLES_EVERY_NS = 500_000_000

Journal = Callable[[Sequence[Action]], Awaitable[None]]
OnTurn = Callable[[int, Observation, Sequence[Action]], None]


class Settings(msgspec.Struct, frozen=True):
    """Where, and with which images."""

    namespace: str
    runner_image: str
    injector_image: str
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    """For the workload pod; an injector uses those of the pod that it enters."""


class RunEnd(NamedTuple):
    """What is left of a run."""

    finish: Finish
    report: RunReport | None
    """None: the workload pod is lost, or never was."""
    files: dict[str, bytes]
    """`report.json`, `report.html`, `junit.xml`."""


class KubernetesWorld:
    """One run. Use it once."""

    def __init__(
        self,
        kube: Kube,
        resource: JsonObject,
        experiment: Experiment,
        document: str,
        seed: int,
        brokers: BrokerSet,
        capabilities: Capabilities,
        settings: Settings,
        token: str,
        *,
        journal: Journal,
        own_metrics: OwnMetrics = tuple,
        on_turn: OnTurn = lambda now_ns, observation, actions: None,
        pace: Pace = PACE,
        turn_s: float = TURN_S,
    ) -> None:
        """``experiment`` and ``document`` (its YAML) name the run's own topic. ``token``: for a workload pod that has
        to be made; one that is there keeps its own. ``journal`` is awaited with what `engine.journal.keeps`, before
        any of it is done; if it raises KubeError no fault is injected."""
        self.capabilities = capabilities
        self._journal = journal
        self._on_turn = on_turn
        self._turn_s = turn_s
        self._own_metrics = own_metrics
        self._own_names = names_wanted(experiment.spec)
        self._own_sampled_ns = -OWN_SAMPLES_EVERY_NS
        self._experiment = experiment
        self._pods = Pods(kube, brokers)
        self._recording = Recording(
            kube,
            resource,
            experiment,
            document,
            seed,
            brokers,
            image=PulledImage(settings.runner_image, settings.image_pull_policy, settings.image_pull_secrets),
            token=token,
            clock_error_ns=capabilities.clock_error_ns,
            version=importlib.metadata.version("skerry"),
            pace=pace,
        )
        self._outbox = Outbox(self._recording)
        self._reports: list[ActionReport] = []
        self._own_id = -time.time_ns()
        """Of the last record of our own. The conductor's ids are not negative, and an operator that takes the run over
        begins lower: the pod passes over ids that it has seen."""
        self._faults = Faults(
            kube,
            resource,
            brokers,
            self._pods,
            Images(settings.injector_image, settings.image_pull_policy),
            self._recording.times,
            self._reports.append,
            self._note,
            self._object,
        )
        self._eyes = Eyes(self._recording, self._outbox, self._pods, brokers, self._faults)
        self._tasks: set[asyncio.Task[None]] = set()
        self._abort = ""
        self._disproof = ""
        self._finish: Finish | None = None

    def abort(self, reason: str) -> None:
        """Heal, drain, check; the verdict is Inconclusive at best."""
        self._abort = self._abort or reason
        self._outbox.abort = self._abort

    # --- the loop ---------------------------------------------------------------------------------------

    async def run(self, conductor: Steps) -> RunEnd:
        """The whole run. Nothing is in force when it returns, or is cancelled. Raises KubeError when the API server
        cannot be reached at the start."""
        try:
            await self._pods.start()
            try:
                await self._recording.start()
            except NotStarted as error:
                return RunEnd(Finish(0, Verdict.INCONCLUSIVE, error.reason, str(error)), None, {})
            self._outbox.start()
            while not conductor.finished:
                await self._turn(conductor)
                await asyncio.sleep(self._turn_s)
            return await self._ended()
        finally:
            await to_the_end(self._close())

    async def _turn(self, conductor: Steps) -> None:
        now_ns, observation = self._recording.times.now_ns(), self._observe()
        self._reports.clear()
        actions = conductor.step(now_ns, observation)
        kept = [action for action in actions if keeps(action)]
        refused = ""
        if kept:
            try:
                await self._journal(kept)
            except KubeError as error:
                refused = str(error)
        for action in actions:
            self._perform(action, refused)
        self._sample_own_metrics(now_ns)
        self._on_turn(now_ns, observation, actions)
        self._raise_from_tasks()

    def _perform(self, action: Action, refused: str) -> None:
        match action:
            case Inject() if refused:
                # What is not in the journal is not injected: nobody could undo it.
                now_ns = self._recording.times.now_ns()
                self._reports.append(ActionReport(action.id, ReportState.FAILED, now_ns, now_ns, error=refused))
            case Inject():
                self._spawn(self._faults.inject(action))
            case Heal():
                self._spawn(self._faults.heal(action))
            case HealAll():
                self._spawn(self._faults.heal_all(action))
            case Check():
                self._spawn(self._check(action))
            case _:
                if isinstance(action, Finish):
                    self._finish = action
                self._outbox.put(action)

    async def _ended(self) -> RunEnd:
        """After the last action: the report is written in the pod, and fetched."""
        assert self._finish is not None
        files: dict[str, bytes] = {}
        if not (self._recording.lost or self._outbox.lost):
            await self._outbox.flushed(REPORT_TIMEOUT_S)
            files = await self._recording.report_files(REPORT_TIMEOUT_S)
        try:
            report = msgspec.json.decode(files["report.json"], type=RunReport) if files else None
        except msgspec.DecodeError as error:
            log.warning("the report cannot be read: %s", error)
            report = None
        return RunEnd(self._finish, report, files)

    async def close_now(self) -> None:
        """Make everything absent, at once and as well as it goes: the operator is stopping."""
        with contextlib.suppress(FaultError, KubeError, TimeoutError):
            async with asyncio.timeout(HEAL_NOW_S):
                await self._faults.lift_everything()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.close_now()
        await self._faults.close()
        await self._outbox.stop()
        await self._recording.stop()
        await self._pods.stop()

    async def _check(self, action: Check) -> None:
        """The workload has ended: hear how the victims ended, ask Prometheus what the document asks, then judge."""
        await self._faults.wait_for_exit_statuses()
        spec = self._experiment.spec
        url = spec.prometheus_url or ""
        for query in queries_wanted(spec) if url else ():
            try:
                samples = await prometheus_samples(url, query, spec.topic.name, self._recording.times.now_ns())
            except PrometheusError as error:
                self._note(str(error), -1)
            else:
                for sample in samples:
                    self._record(sample)
        self._outbox.put(action)

    def _sample_own_metrics(self, now_ns: int) -> None:
        if self._own_names and now_ns >= self._own_sampled_ns + OWN_SAMPLES_EVERY_NS:
            self._own_sampled_ns = now_ns
            for sample in own_samples(self._own_metrics, self._own_names, now_ns):
                self._record(sample)

    # --- small things -----------------------------------------------------------------------------------

    def _observe(self) -> Observation:
        return self._eyes.observe(self._reports, self._abort, self._disproof)

    def _object(self, why: str) -> None:
        self._disproof = self._disproof or why

    def _note(self, text: str, broker: int) -> None:
        self._record(Note(self._recording.times.now_ns(), text, broker))

    def _record(self, record: Recorded) -> None:
        self._own_id -= 1
        self._outbox.put(Record(self._own_id, record))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(coroutine))

    def _raise_from_tasks(self) -> None:
        self._pods.raise_failure()
        self._outbox.raise_failure()
        self._recording.raise_failure()
        self._faults.raise_failure()
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            if not task.cancelled() and (failure := task.exception()) is not None:
                raise failure
