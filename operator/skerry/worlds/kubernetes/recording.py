"""The run's recording as the operator sees it: finds or makes the workload pod, and keeps looking at it.

Every look is an exchange of clocks, too. A pod that has ended, or says nothing for too long, is lost: the run is then
Inconclusive, because what happened since was not recorded.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import NamedTuple

from skerry.experiment.document import Experiment
from skerry.runner.messages import Begin, Events, View
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import EVENTS, JOBS, PODS, Kube, KubeError
from skerry.worlds.kubernetes.clock import BracketClock
from skerry.worlds.kubernetes.cluster import BrokerSet
from skerry.worlds.kubernetes.names import is_ours, workload_name
from skerry.worlds.kubernetes.workload import (
    PulledImage,
    Trouble,
    WorkloadError,
    WorkloadPod,
    cpu_limit,
    creation_trouble,
    job_manifest,
    port_of,
    token_of,
    trouble,
)

log = logging.getLogger("skerry.kubernetes.recording")


class Pace(NamedTuple):
    """How often, and how long, in seconds."""

    look_every_s: float = 0.05
    """At the pod."""
    silent_s: float = 10.0
    """A pod that says nothing for so long is lost."""
    pod_timeout_s: float = 60.0
    """From the Job to a pod that is ready."""
    pod_poll_s: float = 0.2
    no_pod_s: float = 2.0
    """A Job without a pod is asked why, so often."""
    finish_poll_s: float = 0.1


PACE = Pace()


class NotStarted(Exception):
    """The workload pod did not come up; the text says why and what to change."""

    def __init__(self, reason: str, sentence: str) -> None:
        self.reason = reason
        super().__init__(sentence)


class PodTimes:
    """The run's clock from here: `steps.Times` over the exchanges of clocks."""

    def __init__(self, clock: BracketClock) -> None:
        self._clock = clock

    def lower_ns(self) -> int:
        return self._clock.lower_ns(time.monotonic_ns())

    def upper_ns(self) -> int:
        return self._clock.upper_ns(time.monotonic_ns())

    def now_ns(self) -> int:
        return self._clock.now_ns(time.monotonic_ns())

    def error_ns(self) -> int:
        """How far ``now_ns`` may be from the run's clock."""
        return self._clock.error_ns(time.monotonic_ns())

    def lower_at_ns(self, op_ns: int) -> int:
        """The run's clock was at least this when the operator's monotonic clock was ``op_ns``."""
        return self._clock.lower_ns(op_ns)


class Recording:
    """Invariant: ``lost`` stays set once it is."""

    def __init__(
        self,
        kube: Kube,
        resource: JsonObject,
        experiment: Experiment,
        document: str,
        seed: int,
        brokers: BrokerSet,
        *,
        image: PulledImage,
        token: str,
        clock_error_ns: int,
        version: str,
        pace: Pace = PACE,
    ) -> None:
        """``resource``: as the API server had it when the run was taken up: whether it names a workload says whether
        one was made for it before."""
        self._kube = kube
        self._pace = pace
        self._resource = resource
        self._name = workload_name(str(resource["metadata"]["name"]))
        self._image = image
        self._token = token
        spec = experiment.spec
        self._deadline_ns = spec.timeout_ns + 2 * spec.retain_ns
        self._begin = Begin(
            run=str(resource["metadata"]["uid"]),
            document=document,
            seed=seed,
            addresses={ordinal: brokers.addresses(ordinal) for ordinal in brokers.ordinals},
            clock_error_ns=clock_error_ns,
            skerry_version=version,
            retain_ns=spec.retain_ns,
        )
        self._clock = BracketClock()
        self.times = PodTimes(self._clock)
        self.view = View(-1)
        self.lost = ""
        self.cpu_limit = ""
        """That somebody has set for the workload pod; empty: none. Known from ``start`` on."""
        self._pods = ""
        """The label selector of the Job's pods, by its uid: its name may have been another's."""
        self._pod: WorkloadPod | None = None
        self._task: asyncio.Task[None] | None = None
        self._answered_s = 0.0

    async def start(self) -> None:
        """Find the Job or make it, wait for its pod, tell it what to record. Raises NotStarted, KubeError."""
        job = await self._own_job()
        self._pods = f"batch.kubernetes.io/controller-uid={job['metadata']['uid']}"
        host = await self._pod_address()
        self._pod = await WorkloadPod(host, port_of(job), token_of(job)).__aenter__()
        await self._tell_begin(self._pod)
        self._task = asyncio.create_task(self._look(self._pod))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._pod is not None:
            await self._pod.__aexit__(None, None, None)

    def raise_failure(self) -> None:
        """Raise what killed the task that looks: that must not look like a run in which nothing happens."""
        task = self._task
        if task is not None and task.done() and not task.cancelled() and (failure := task.exception()) is not None:
            raise failure

    async def post(self, path: str, events: Events) -> None:
        """Raises WorkloadError."""
        if self._pod is None or self.lost:
            raise WorkloadError(self.lost or "the workload pod is not there yet")
        sent_ns = time.monotonic_ns()
        answer = await self._pod.events(path, events)
        self._clock.exchange(sent_ns, answer.now_ns, time.monotonic_ns())

    async def report_files(self, timeout_s: float) -> dict[str, bytes]:
        """Once the pod has written them; empty when it does not come to it."""
        for _ in range(int(timeout_s / self._pace.finish_poll_s)):
            if self.view.finished or self.view.failure or self.lost:
                break
            await asyncio.sleep(self._pace.finish_poll_s)
        if self._pod is None or not self.view.finished:
            return {}
        try:
            return await self._pod.report_files()
        except WorkloadError as error:
            log.warning("the report could not be fetched: %s", error)
            return {}

    async def _own_job(self) -> JsonObject:
        """The Job of this very experiment; one of the same name that an earlier one left is waited out. A run has one
        Job in its life: a second one would know nothing of what the first has recorded."""
        uid = self._begin.run
        deadline_s = time.monotonic() + self._pace.pod_timeout_s
        while (job := await self._kube.get(JOBS, self._name)) is not None:
            if any(owner["uid"] == uid for owner in job["metadata"].get("ownerReferences") or []):
                return job
            if not is_ours(job):
                raise NotStarted("WorkloadNotStarted", f"there is a Job {self._name} that is not Skerry's: rename one")
            await self._kube.delete(JOBS, self._name, uid=str(job["metadata"]["uid"]))
            if time.monotonic() > deadline_s:
                raise NotStarted("WorkloadNotStarted", f"Job {self._name} of an earlier experiment does not go away")
            await asyncio.sleep(self._pace.pod_poll_s)
        if (self._resource.get("status") or {}).get("workload"):
            raise NotStarted("WorkloadLost", "the workload pod of the run is gone, and its recording with it")
        manifest = job_manifest(self._name, self._resource, self._image, self._token, self._deadline_ns)
        return await self._kube.create(JOBS, manifest)

    async def _pod_address(self) -> str:
        deadline_s = time.monotonic() + self._pace.pod_timeout_s
        seen = Trouble()
        ask_why_s = time.monotonic() + self._pace.no_pod_s
        while time.monotonic() < deadline_s:
            pods = await self._kube.list(PODS, self._pods)
            if not pods and time.monotonic() > ask_why_s:
                ask_why_s = time.monotonic() + self._pace.no_pod_s
                seen = await self._why_no_pod()
            for pod in pods:
                seen = trouble(pod)
                if seen.for_good:
                    raise NotStarted("WorkloadNotStarted", seen.sentence)
                ready = any(
                    each["type"] == "Ready" and each["status"] == "True"
                    for each in (pod.get("status") or {}).get("conditions") or []
                )
                if ready and pod["status"].get("podIP"):
                    self.cpu_limit = cpu_limit(pod)
                    return str(pod["status"]["podIP"])
            await asyncio.sleep(self._pace.pod_poll_s)
        late = f"the workload pod of Job {self._name} was not ready within {self._pace.pod_timeout_s:g} s"
        raise NotStarted("WorkloadNotStarted", seen.sentence or f"{late}; see its events")

    async def _why_no_pod(self) -> Trouble:
        uid = self._pods.rpartition("=")[2]
        try:
            return creation_trouble(await self._kube.list(EVENTS, fields=f"involvedObject.uid={uid}"))
        except KubeError as error:
            log.warning("why there is no workload pod cannot be looked up: %s", error)
            return Trouble()

    async def _tell_begin(self, pod: WorkloadPod) -> None:
        try:
            sent_ns = time.monotonic_ns()
            answer = await pod.begin(self._begin)
            self._clock.exchange(sent_ns, answer.now_ns, time.monotonic_ns())
            self.view = await pod.view()
        except WorkloadError as error:
            raise NotStarted("WorkloadNotStarted", f"the workload pod could not begin: {error}") from None
        self._answered_s = time.monotonic()

    async def _look(self, pod: WorkloadPod) -> None:
        while not self.lost:
            sent_ns = time.monotonic_ns()
            try:
                view = await pod.view()
            except WorkloadError as error:
                await self._did_not_answer(str(error))
            else:
                self._answered_s = time.monotonic()
                if view.run == self._begin.run:
                    self._clock.exchange(sent_ns, view.now_ns, time.monotonic_ns())
                    self.view = view
                else:
                    self.lost = "the workload pod was replaced, and its recording with it"
            await asyncio.sleep(self._pace.look_every_s)

    async def _did_not_answer(self, why: str) -> None:
        silent_s = time.monotonic() - self._answered_s
        try:
            pods = await self._kube.list(PODS, self._pods)
        except KubeError as error:
            log.warning("the workload pod cannot be looked up: %s", error)
            pods = None
        if pods == []:
            self.lost = "its pod was deleted"
        elif pods and (ended := trouble(pods[0])):
            self.lost = ended.sentence
        elif silent_s > self._pace.silent_s:
            self.lost = f"{why}, for {silent_s:.0f} s"
