"""One task per experiment: begun when it is seen, cancelled when it goes, ended in order whatever happens. It lasts
for as long as this process has anything of the experiment: the run, then its metrics while they are retained.

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
    task: asyncio.Task[None]
    over: bool = False
    """The run is over; its metrics are retained."""
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
        self._supervised: dict[str, _Supervised] = {}
        """By the experiment's uid, until its task ends."""
        self._begun: dict[str, str] = {}
        """Uids that were begun here and are not begun again -> their namespace."""
        self._stopping = False

    @property
    def running(self) -> int:
        """How many runs are under way."""
        return sum(not each.over for each in self._supervised.values())

    def seen(self, event_type: str | None, resource: JsonObject) -> None:
        """What the watch tells: ADDED, MODIFIED, DELETED, or None for what was there before."""
        metadata = resource["metadata"]
        uid, namespace = str(metadata["uid"]), str(metadata.get("namespace", ""))
        if event_type == DELETED or metadata.get("deletionTimestamp"):
            self._gone(uid)
        elif uid in self._supervised:
            if not self._supervised[uid].over:
                self._supervised[uid].run.seen(resource)
        elif namespace in self._kubes and uid not in self._begun and not is_complete(resource) and not self._stopping:
            self._begin(uid, namespace, resource)

    async def reconcile(self) -> None:
        """See what there is, and what is not there any more. Raises KubeError, after all namespaces were tried."""
        problem: KubeError | None = None
        for namespace, kube in self._kubes.items():
            known = {uid for uid, where in self._begun.items() if where == namespace}
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
        """Heal what runs and end every task, bounded; the next operator goes on from the journals."""
        self._stopping = True
        if self.running:
            log.info("stopping: %d experiments are healed", self.running)
        for each in self._supervised.values():
            each.run.stopping = not each.deleted
            if not each.deleted:
                each.task.cancel()
        if self._supervised:
            _, late = await asyncio.wait([each.task for each in self._supervised.values()], timeout=STOP_S)
            if late:
                log.error("%d experiments were not healed in time; their fuses do it", len(late))

    def _begin(self, uid: str, namespace: str, resource: JsonObject) -> None:
        with about(namespace, str(resource["metadata"]["name"])):
            run = self._run(self._kubes[namespace], resource, self._tools)
            task = asyncio.create_task(self._supervise(uid, run))
        self._begun[uid] = namespace
        self._supervised[uid] = _Supervised(run, task)

    def _gone(self, uid: str) -> None:
        self._begun.pop(uid, None)
        supervised = self._supervised.get(uid)
        if supervised is None or supervised.deleted:  # a second cancellation would break off the healing
            return
        supervised.deleted = True
        supervised.task.cancel()

    async def _supervise(self, uid: str, run: ExperimentRun) -> None:
        """The task of one experiment. Its metrics go when `retain` is over, with the experiment, or with this task."""
        try:
            log.info("taken up")
            await self._to_its_end(run)
            supervised = self._supervised[uid]
            supervised.over = True
            if not supervised.deleted and not self._stopping:
                await self._tools.sleep(run.retain_ns / NS)
        finally:
            if self._supervised.pop(uid).deleted:
                log.info("the experiment was deleted; everything of it is absent, or goes with it")
            run.forget()

    async def _to_its_end(self, run: ExperimentRun) -> None:
        try:
            await run.run()
        except Exception as error:
            log.exception("a bug of the operator's")
            try:
                await run.crashed(error)
            except Exception:
                log.exception("and the verdict could not be written")
