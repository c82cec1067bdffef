"""The brokers' pods, by a watch: the latest of each, and the last words of those that are gone.

A pod that was deleted keeps speaking until the kubelet has confirmed its end: only then is it known how its process
ended. Such last words are kept by uid.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable

from skerry.experiment.base import JsonObject
from skerry.worlds.kubernetes.api import PODS, Kube, KubeError
from skerry.worlds.kubernetes.cluster import BrokerSet

log = logging.getLogger("skerry.kubernetes.pods")

AGAIN_S = 0.5
REMEMBERED_MAX = 64


class Pods:
    """Invariant: ``latest`` of an ordinal is the newest object of the pod of that name, or None while there is none."""

    def __init__(self, kube: Kube, brokers: BrokerSet) -> None:
        self._kube = kube
        self._brokers = brokers
        self._latest: dict[int, JsonObject] = {}
        self._by_uid: OrderedDict[str, JsonObject] = OrderedDict()
        self._gone: set[str] = set()
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self.current = False
        """The watch is open: what is known is what there is."""

    def latest(self, ordinal: int) -> JsonObject | None:
        return self._latest.get(ordinal)

    def all(self) -> list[JsonObject]:
        """Those that exist, by ordinal."""
        return [self._latest[ordinal] for ordinal in sorted(self._latest)]

    def by_uid(self, uid: str) -> JsonObject | None:
        """The last object that was seen of this very pod, even when it is gone."""
        return self._by_uid.get(uid)

    def gone(self, uid: str) -> bool:
        """The API server no longer has this very pod."""
        return uid in self._gone

    def ip(self, ordinal: int) -> str:
        """Its address; empty: it has none yet."""
        pod = self._latest.get(ordinal)
        return str((pod.get("status") or {}).get("podIP", "")) if pod is not None else ""

    async def start(self) -> None:
        """Raises KubeError when the pods cannot be listed."""
        for pod in await self._kube.list(PODS, self._brokers.selector):
            self._note("ADDED", pod)
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for something that a change of a pod makes true; False: it did not come in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(condition)
        return condition()

    async def _watch(self) -> None:
        while True:
            try:
                await self._forget_absent()
                async for event, pod in self._kube.watch(PODS, self._brokers.selector):
                    self.current = True
                    async with self._changed:
                        self._note(event, pod)
                        self._changed.notify_all()
            except KubeError as error:
                self.current = False
                log.warning("the watch of the brokers' pods ended: %s", error)
                await asyncio.sleep(AGAIN_S)

    async def _forget_absent(self) -> None:
        """What was deleted while nobody watched has no event."""
        there = {str(pod["metadata"]["uid"]) for pod in await self._kube.list(PODS, self._brokers.selector)}
        async with self._changed:
            for pod in self.all():
                if str(pod["metadata"]["uid"]) not in there:
                    self._note("DELETED", pod)
            self._changed.notify_all()

    def _note(self, event: str, pod: JsonObject) -> None:
        ordinal = self._brokers.ordinal(str(pod["metadata"]["name"]))
        if ordinal is None:
            return
        uid = str(pod["metadata"]["uid"])
        self._by_uid[uid] = pod
        while len(self._by_uid) > REMEMBERED_MAX:
            self._by_uid.popitem(last=False)
        if event == "DELETED":
            self._gone.add(uid)
            known = self._latest.get(ordinal)
            if known is not None and known["metadata"]["uid"] == uid:
                del self._latest[ordinal]
        elif uid not in self._gone:
            self._latest[ordinal] = pod
