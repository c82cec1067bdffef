"""Brings an experiment's status to the API server: the newest one, only what changed, not too often.

There is one writer per experiment, so what was written last is known and nothing is read back. The journal goes by its
own way: it must be durable before anything is done, so it is awaited, and takes along whatever else had changed.

Invariants:
  1. Nothing is written into another experiment of the same name. A patch of a status takes no uid for a condition, so
     each names the version that it was made for; when that is not the present one, whose it is now is looked up first.
  2. A verdict that somebody else wrote stays: nothing is written after it.
  3. Where another operator writes, the one that has the Lease goes on (``exclusive``), and the other one stops.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from skerry.schema.base import JsonObject
from skerry.worlds.kubernetes.api import EXPERIMENTS, Kube, KubeError

PAUSE_S = 0.2
"""Between two writes of the status: five a second at most."""
RETRY_S = 2.0
UNANSWERED_MAX = 100
GONE = "the experiment is gone"
ANOTHER = "another operator writes the status of this experiment"

log = logging.getLogger(__name__)


class StatusWriter:
    def __init__(self, kube: Kube, resource: JsonObject, sleep: Callable[[float], Awaitable[None]]) -> None:
        """``resource``: as the API server has it."""
        self._kube = kube
        self._name = str(resource["metadata"]["name"])
        self._uid = str(resource["metadata"]["uid"])
        self._version = str(resource["metadata"]["resourceVersion"])
        self._sleep = sleep
        self._written: JsonObject = dict(resource.get("status") or {})
        self._wanted: JsonObject = dict(self._written)
        self._ours: list[JsonObject] = [dict(self._written)]
        """What may stand there by our own hand: what the server answered last, and what was sent since without an
        answer."""
        self._refused: JsonObject | None = None
        """What the server does not take; it is not offered again."""
        self._complaint = ""
        """What was logged last: an outage of an hour is one line, not thousands."""
        self._changed = asyncio.Event()
        self._lock = asyncio.Lock()
        self.gone = False
        """The experiment was deleted, or replaced by another of the same name, or another operator writes its status:
        nothing is written any more."""
        self.exclusive = False
        """The Lease is ours."""

    def tell(self, status: JsonObject) -> None:
        """What the status is to be, the journal left aside. Returns at once; ``run`` writes it."""
        journal = self._wanted.get("journal")
        self._wanted = status if journal is None else {**status, "journal": journal}
        self._changed.set()

    async def run(self) -> None:
        """Write what is told, until cancelled."""
        while not self.gone:
            await self._changed.wait()
            self._changed.clear()
            pause_s = PAUSE_S
            try:
                await self._write()
            except KubeError as error:
                pause_s = self._after(error)
            await self._sleep(pause_s)

    async def settle(self) -> None:
        """Return when all that was told is written, or cannot be."""
        while not self.gone and self._patch():
            try:
                await self._write()
            except KubeError as error:
                await self._sleep(self._after(error))

    async def journal(self, lines: Sequence[str]) -> None:
        """Durable when it returns. Raises KubeError; also when there is only another of the same name."""
        self._wanted = {**self._wanted, "journal": list(lines)}
        if not self.gone:
            await self._write()
        if self.gone:
            raise KubeError(404, "NotFound", GONE)

    def _patch(self) -> JsonObject:
        """A merge patch: what differs from what was written last; null for what is to go."""
        return {} if self._wanted == self._refused else self._difference(self._wanted)

    def _difference(self, wanted: JsonObject) -> JsonObject:
        patch = {key: value for key, value in wanted.items() if self._written.get(key) != value}
        return patch | {key: None for key in self._written if key not in wanted}

    async def _write(self) -> None:
        async with self._lock:
            patch = self._patch()
            if self.gone or not patch:
                return
            wanted = self._wanted
            try:
                await self._apply(patch, wanted)
            except KubeError as error:
                self.gone = self.gone or error.not_found
                raise
            self._written, self._complaint = wanted, ""

    async def _apply(self, patch: JsonObject, wanted: JsonObject) -> None:
        """Raises KubeError; 404 also when there is only another of the same name, or the status is another's."""
        while patch:
            self._ours = [*self._ours, wanted][-UNANSWERED_MAX:]
            versioned = {"metadata": {"resourceVersion": self._version}, "status": patch}
            try:
                found = await self._kube.patch(EXPERIMENTS, self._name, versioned, subresource="status")
            except KubeError as error:
                if not error.conflict:
                    raise
            else:
                self._version = str(found["metadata"]["resourceVersion"])
                self._ours = [dict(found.get("status") or {})]
                return
            present = await self._kube.get(EXPERIMENTS, self._name)  # somebody annotated it, or it is another
            if present is None or present["metadata"]["uid"] != self._uid:
                raise KubeError(404, "NotFound", GONE)
            self._version = str(present["metadata"]["resourceVersion"])
            status = present.get("status") or {}
            if status not in self._ours:
                if status.get("completionTime") or not self.exclusive:
                    raise KubeError(404, "NotFound", ANOTHER)
                self._written = status
                patch = self._difference(wanted)

    def _after(self, error: KubeError) -> float:
        """How long to wait after a failed write."""
        if self.gone:
            log.info("the status is not written any more: %s", error)
        elif error.status in (400, 403, 413, 422):
            # Trying the same again cannot help; the next change is tried again.
            log.error("the status was refused and stays as it was: %s", error)
            self._refused = self._wanted
        else:
            if self._complaint != str(error):
                log.warning("the status could not be written and is tried again: %s", error)
            self._complaint = str(error)
            self._changed.set()
        return RETRY_S
