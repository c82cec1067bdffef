"""One task per experiment that has no verdict: begun when it is seen, cancelled when it goes, ended in order whatever
happens in it.

Events may come late, twice, or out of order, and one may be missed. So an experiment that was begun here is never begun
again by this process, and what the API server lists now and then (``reconcile``) is taken as the truth.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from skerry.controller.experiment_run import ExperimentRun
from skerry.controller.logs import about
from skerry.controller.status import is_complete
from skerry.controller.tools import Tools
from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import EXPERIMENTS, Kube, KubeError

DELETED = "DELETED"
STOP_S = 10.0
"""How long running experiments have to heal when the operator stops: the world takes 5 s for it."""
NS = 1_000_000_000

log = logging.getLogger(__name__)


@dataclass
class _Supervised:
    run: ExperimentRun
    namespace: str
    task: asyncio.Task[None]
    deleted: bool = False
    """It was cancelled because the experiment is gone."""


class Supervisor:
    """Use it in one event loop."""

    def __init__(
        self,
        kubes: Mapping[str, Kube],
        tools: Tools,
        run: Callable[[Kube, JsonObject, Tools], ExperimentRun] = ExperimentRun,
    ) -> None:
        """``kubes``: by namespace; experiments elsewhere are passed over."""
        self._kubes = dict(kubes)
        self._tools = tools
        self._run = run
        self._running: dict[str, _Supervised] = {}
        """The runs under way, by the experiment's uid."""
        self._over: dict[str, str] = {}
        """Uids that were begun here and are not begun again -> their namespace."""
        self._retained: dict[str, asyncio.Task[None]] = {}
        """By uid: those that are over, until their metrics go."""
        self._stopping = False

    @property
    def running(self) -> int:
        return len(self._running)

    def seen(self, event_type: str | None, resource: JsonObject) -> None:
        """What the watch tells: ADDED, MODIFIED, DELETED, or None for what was there before."""
        metadata = resource["metadata"]
        uid, namespace = str(metadata["uid"]), str(metadata.get("namespace", ""))
        if event_type == DELETED or metadata.get("deletionTimestamp"):
            self._gone(uid)
        elif uid in self._running:
            self._running[uid].run.seen(resource)
        elif namespace in self._kubes and uid not in self._over and not is_complete(resource) and not self._stopping:
            self._begin(uid, namespace, resource)

    async def reconcile(self) -> None:
        """See what there is, and what is not there any more. Raises KubeError, after all namespaces were tried."""
        problem: KubeError | None = None
        for namespace, kube in self._kubes.items():
            known = {uid for uid, each in self._running.items() if each.namespace == namespace}
            known |= {uid for uid, where in self._over.items() if where == namespace}
            try:
                found = {str(each["metadata"]["uid"]): each for each in await kube.list(EXPERIMENTS)}
            except KubeError as error:
                problem = problem or error
                continue
            for uid in known - found.keys():  # known before the list was asked for, so it is no newcomer
                self._gone(uid)
            for resource in found.values():
                self.seen(None, resource)
        if problem is not None:
            raise problem

    async def stop(self) -> None:
        """Heal what runs, bounded; the next operator goes on from the journals."""
        self._stopping = True
        for task in self._retained.values():
            task.cancel()
        for each in self._running.values():
            each.run.stopping = not each.deleted
            if not each.deleted:
                each.task.cancel()
        tasks = [each.task for each in self._running.values()]
        if tasks:
            log.info("stopping: %d experiments are healed", len(tasks))
            _, late = await asyncio.wait(tasks, timeout=STOP_S)
            if late:
                log.error("%d experiments were not healed in time; their fuses do it", len(late))

    def _begin(self, uid: str, namespace: str, resource: JsonObject) -> None:
        with about(namespace, str(resource["metadata"]["name"])):
            run = self._run(self._kubes[namespace], resource, self._tools)
            task = asyncio.create_task(self._supervise(uid, run))
        self._over[uid] = namespace
        self._running[uid] = _Supervised(run, namespace, task)

    def _gone(self, uid: str) -> None:
        self._over.pop(uid, None)
        if (retained := self._retained.pop(uid, None)) is not None:
            retained.cancel()
        supervised = self._running.get(uid)
        if supervised is None or supervised.deleted:  # a second cancellation would break off the healing
            return
        supervised.deleted = True
        supervised.task.cancel()

    async def _supervise(self, uid: str, run: ExperimentRun) -> None:
        try:
            log.info("taken up")
            await self._to_its_end(run)
        finally:
            ended = self._running.pop(uid)
            if ended.deleted:
                log.info("the experiment was deleted; everything of it is absent, or goes with it")
                run.forget()
            elif not self._stopping:
                self._retain(uid, run)

    async def _to_its_end(self, run: ExperimentRun) -> None:
        try:
            await run.run()
        except Exception as error:
            log.exception("a bug of the operator's")
            try:
                await run.crashed(error)
            except Exception:
                log.exception("and the verdict could not be written")

    def _retain(self, uid: str, run: ExperimentRun) -> None:
        """Its metrics go when `retain` is over, or with the experiment, or with this process."""

        async def wait() -> None:
            await self._tools.sleep(run.retain_ns / NS)

        def forget(_: object) -> None:
            self._retained.pop(uid, None)
            run.forget()

        retained = asyncio.create_task(wait())
        self._retained[uid] = retained
        retained.add_done_callback(forget)
