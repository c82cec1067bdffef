"""The kubernetes world: one experiment on the brokers of a StatefulSet.

The World port on an API server. What records the run is in the workload pod: what that sees arrives as its ``View``,
and every exchange with it tells how the pod's clock, the one clock of the run, stands to the operator's. Faults go
through the API server. Processes and pods are what the API server tells; links, roles and registrations are only what
the brokers tell. The turns of a run are those of every world (`drive`).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import logging
import time
from collections.abc import Coroutine
from typing import Any

import msgspec

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
)
from skerry.experiment.document import Experiment
from skerry.history.records import Note
from skerry.report.model import RunReport
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import Kube, KubeError
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.drive import RunEnd
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
from skerry.worlds.kubernetes.recording import PACE, Pace, Recording
from skerry.worlds.kubernetes.steps import FaultError, Images
from skerry.worlds.kubernetes.view_builder import ViewBuilder
from skerry.worlds.kubernetes.workload import PulledImage
from skerry.worlds.kubernetes.world_faults import Faults

log = logging.getLogger("skerry.kubernetes.world")

HEAL_NOW_S = 5.0
REPORT_TIMEOUT_S = 60.0
OWN_SAMPLES_EVERY_S = 0.5


class Settings(msgspec.Struct, frozen=True):
    """Where, and with which images."""

    namespace: str
    runner_image: str
    injector_image: str
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    """For the workload pod; an injector uses those of the pod that it enters."""


class KubernetesWorld:
    """One run: ``start``, then the turns, ``ended``, and always ``close``. Use it once."""

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
        own_metrics: OwnMetrics = tuple,
        pace: Pace = PACE,
    ) -> None:
        """``experiment`` and ``document`` (its YAML) are as they are run (`Own` of the target).

        ``token``: for a workload pod that has to be made; one that is there keeps its own.
        ``own_metrics``: of the operator, for `metric` expectations.
        """
        self._capabilities = capabilities
        self._own_metrics = own_metrics
        self._own_names = names_wanted(experiment.spec)
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
        """The id of the last record of our own. The conductor's ids are not negative, and an operator that takes the
        run over begins lower: the pod passes over ids that it has seen."""
        self._faults = Faults(
            kube,
            resource,
            brokers,
            self._pods,
            Images(settings.injector_image, settings.image_pull_policy),
            self._recording.times,
            self._report_fault,
            self._note,
            self._object,
        )
        self._view_builder = ViewBuilder(self._recording, self._outbox, self._pods, brokers, self._faults, self._record)
        self._tasks: set[asyncio.Task[None]] = set()
        self._abort = ""
        self._disproof = ""

    def abort(self, reason: str) -> None:
        """Heal, drain, check; the verdict is Inconclusive at best."""
        self._abort = self._abort or reason
        self._outbox.abort = self._abort

    # --- the World port -----------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def now_ns(self) -> int:
        """Known from ``start`` on."""
        return self._recording.times.now_ns()

    def observe(self) -> Observation:
        observation = self._view_builder.observe(self._reports, self._abort, self._disproof)
        self._reports.clear()
        return observation

    def perform(self, action: Action) -> None:
        match action:
            case Inject():
                self._spawn(self._faults.inject(action))
            case Heal():
                self._spawn(self._faults.heal(action))
            case HealAll():
                self._spawn(self._faults.heal_all(action))
            case Check():
                self._view_builder.judged = True
                self._spawn(self._check(action))
            case _:
                self._outbox.put(action)

    def report(self, report: ActionReport) -> None:
        self._reports.append(report)

    # --- life -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Raises NotStarted when the workload pod does not come up, KubeError when the API server cannot be reached."""
        await self._pods.start()
        await self._recording.start()
        self._outbox.start()
        if limit := self._recording.cpu_limit:
            self._note(
                f"the workload pod has a CPU limit of {limit}, which a LimitRange or a webhook has set: if it is kept "
                "from running, limits that the cluster misses are Inconclusive (`Stalled`)",
                -1,
            )
        if self._own_names:
            self._spawn(self._sample_own_metrics())

    def raise_failure(self) -> None:
        """A part that died must not look like a cluster in which nothing happens."""
        self._pods.raise_failure()
        self._outbox.raise_failure()
        self._recording.raise_failure()
        self._faults.raise_failure()
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            if not task.cancelled() and (failure := task.exception()) is not None:
                raise failure

    async def ended(self, finish: Finish) -> RunEnd:
        """After the last action: the report is written in the pod, and fetched."""
        files: dict[str, bytes] = {}
        if not (self._recording.lost or self._outbox.lost):
            await self._outbox.flushed(REPORT_TIMEOUT_S)
            files = await self._recording.report_files(REPORT_TIMEOUT_S)
        try:
            report = msgspec.json.decode(files["report.json"], type=RunReport) if files else None
        except msgspec.DecodeError as error:
            log.warning("the report cannot be read: %s", error)
            report = None
        return RunEnd(finish, report, files)

    async def close_now(self) -> None:
        """Make everything absent, at once and as well as it goes: the operator is stopping."""
        with contextlib.suppress(FaultError, KubeError, TimeoutError):
            async with asyncio.timeout(HEAL_NOW_S):
                await self._faults.lift_everything()

    async def close(self) -> None:
        """Nothing is in force, and nothing of this run is under way, when it returns."""
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
        url, own = spec.prometheus_url or "", self._experiment.target.own
        for query in queries_wanted(spec) if url else ():
            try:
                asked = own().query(self._experiment, query) if own is not None else query
                samples = await prometheus_samples(url, query, asked, self.now_ns())
            except PrometheusError as error:
                self._note(str(error), -1)
            else:
                for sample in samples:
                    self._record(sample)
        self._outbox.put(action)

    async def _sample_own_metrics(self) -> None:
        while True:
            for sample in own_samples(self._own_metrics, self._own_names, self.now_ns()):
                self._record(sample)
            await asyncio.sleep(OWN_SAMPLES_EVERY_S)

    # --- small things -----------------------------------------------------------------------------------

    def _report_fault(self, report: ActionReport) -> None:
        """Stamped by the recorder's wall clock, whatever the operator's says: the history has one wall clock, and the
        operator's metrics show the same moment."""
        wall_ns = self._recording.view.started_wall_ns + report.before_ns
        self._reports.append(msgspec.structs.replace(report, before_wall_ns=wall_ns))

    def _object(self, why: str) -> None:
        self._disproof = self._disproof or why

    def _note(self, text: str, broker: int) -> None:
        self._record(Note(self.now_ns(), text, broker))

    def _record(self, record: Recorded) -> None:
        self._own_id -= 1
        self._outbox.put(Record(self._own_id, record))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(coroutine))
