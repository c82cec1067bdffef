"""The brokers' pods: the latest of each, and the last words of those that are gone.

A watch tells quickly, and may fall silent without anybody noticing (a connection of which the other end is gone looks
like a cluster in which nothing happens). So all pods are listed five times a second as well, and at once when the
watch says something: ``looked_ns`` is how old the picture can be at most, whatever became of the watch.
The watch begins where the first list ended, and one that ended is taken up where it stopped: nothing is missed between.

A pod that was deleted keeps speaking until the kubelet has confirmed its end: only then is it known how its process
ended. Such last words are kept by uid.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import PODS, Kube, KubeError
from skerry.worlds.kubernetes.cluster import BrokerSet

log = logging.getLogger("skerry.kubernetes.pods")

LOOK_EVERY_S = 0.2
LOOK_PAUSE_S = 0.05
"""Between two looks at least, however much the watch has to say."""
AGAIN_S = 0.5
"""After a watch that ended, or a list that failed."""
REMEMBERED_MAX = 64
"""How many of the pods that are gone are remembered. Those that are there are all known, however many brokers there
are."""


class Pods:
    """Invariants:
    1. ``latest`` of an ordinal is the newest object of the pod of that name, or None while there is none.
    2. What ``latest`` says was so at ``looked_ns``, or became so later.
    """

    def __init__(
        self,
        kube: Kube,
        brokers: BrokerSet,
        *,
        look_every_s: float = LOOK_EVERY_S,
        again_s: float = AGAIN_S,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._kube = kube
        self._brokers = brokers
        self._look_every_s = look_every_s
        self._again_s = again_s
        self._now_ns = now_ns
        self._latest: dict[int, JsonObject] = {}
        self._by_uid: OrderedDict[str, JsonObject] = OrderedDict()
        self._gone: set[str] = set()
        self._missed: set[str] = set()
        """Which were not in the last list, and nobody has said yet that they are gone."""
        self._listed_at = ""
        """The version of the last list that was answered."""
        self._changed = asyncio.Condition()
        self._dirty = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.looked_ns = -1
        """When the last list that was answered was asked for, on the operator's monotonic clock; -1: never."""

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
        await self.look()
        self._tasks = [asyncio.create_task(self._keep_watching()), asyncio.create_task(self._keep_looking())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def raise_failure(self) -> None:
        """Raise what killed a task that looks: that must not look like pods to which nothing happens."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (failure := task.exception()) is not None:
                raise failure

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for something that a change of a pod makes true; False: it did not come in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(condition)
        return condition()

    async def _keep_watching(self) -> None:
        since = self._listed_at
        while True:
            try:
                async for event, pod in self._kube.watch(PODS, self._brokers.selector, since):
                    since = _version(pod)
                    async with self._changed:
                        self.note(event, pod)
                        self._changed.notify_all()
                    self._dirty.set()
            except (KubeError, ValueError) as error:  # or a line that broke off
                log.warning("the watch of the brokers' pods ended: %s", error)
                if isinstance(error, KubeError) and error.expired:
                    since = self._listed_at
            await asyncio.sleep(self._again_s)

    async def _keep_looking(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_every_s):
                    await self._dirty.wait()
            self._dirty.clear()
            try:
                await self.look()
            except KubeError as error:
                log.warning("the brokers' pods cannot be listed: %s", error)
                await asyncio.sleep(self._again_s)
            await asyncio.sleep(min(LOOK_PAUSE_S, self._look_every_s))

    async def look(self) -> None:
        """Ask for the list of them. It holds at least what was there when it was asked for; what the watch says
        meanwhile is newer."""
        asked_ns = self._now_ns()
        before = {uid: _version(pod) for uid, pod in self._by_uid.items() if uid not in self._gone}
        pods, self._listed_at = await self._kube.listed(PODS, self._brokers.selector)
        found = {_uid(pod): pod for pod in pods}
        async with self._changed:
            for uid, pod in found.items():
                known = self._by_uid.get(uid)
                if known is None or _version(known) == before.get(uid):
                    self.note("MODIFIED", pod)
            missing = before.keys() - found.keys() - self._gone
            for uid in missing & self._missed:
                self.note("DELETED", self._by_uid[uid])
            if missing <= self._missed:
                self.looked_ns = asked_ns
            else:  # the watch may be about to say so, and with its last words: once more, soon
                self._dirty.set()
            self._missed = missing
            self._changed.notify_all()

    def note(self, event: str, pod: JsonObject) -> None:
        """What the watch says of a pod: ADDED, MODIFIED or DELETED, with its newest object."""
        ordinal = self._brokers.ordinal(str(pod["metadata"]["name"]))
        if ordinal is None:
            return
        uid = _uid(pod)
        self._by_uid[uid] = pod
        self._by_uid.move_to_end(uid)
        if event != "DELETED":
            if uid not in self._gone:  # else they are last words that a list had overtaken
                self._latest[ordinal] = pod
            return
        self._gone.add(uid)
        for forgotten in [each for each in self._by_uid if each in self._gone][:-REMEMBERED_MAX]:
            del self._by_uid[forgotten]
        known = self._latest.get(ordinal)
        if known is not None and _uid(known) == uid:
            del self._latest[ordinal]


def _uid(pod: JsonObject) -> str:
    return str(pod["metadata"]["uid"])


def _version(pod: JsonObject) -> str:
    return str(pod["metadata"].get("resourceVersion", ""))
