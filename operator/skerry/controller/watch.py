"""Runs kopf in a thread and an event loop of its own.

When kopf ends it cancels every task of its loop, and a busy handler delays its watch; neither may happen to the 50 ms
turns of an experiment, nor the other way round.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Collection

import kopf

from skerry.controller.handlers import Seen, registry_of, settings

JOIN_S = 5.0

log = logging.getLogger(__name__)


class Watch:
    """One watch of all namespaces; use it once. ``seen`` is called in the loop that made it."""

    def __init__(self, namespaces: Collection[str], seen: Seen) -> None:
        self._namespaces = tuple(namespaces)
        self._loop = asyncio.get_running_loop()
        self._seen = seen
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._raise_flag: Callable[[], object] = lambda: None
        """In kopf's loop, which may be over."""
        self.ended = asyncio.Event()
        """It does not watch any more; why is in the log."""
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def ready(self) -> bool:
        return self._ready.is_set() and not self.ended.is_set()

    async def stop(self) -> None:
        self._stop.set()
        with contextlib.suppress(RuntimeError):
            self._raise_flag()
        await asyncio.to_thread(self._thread.join, JOIN_S)

    def _run(self) -> None:
        # It warns that a thread gets no signals; ours are handled in the main thread.
        logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
        try:
            asyncio.run(self._operate())
        except Exception as error:  # kopf has logged where
            log.error("the watch of experiments broke and is begun anew: %s", error)
        finally:
            self._tell_end()

    async def _operate(self) -> None:
        # A flag of this loop: kopf would wait for one of another thread in a thread, which outlives a failed watch.
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        self._raise_flag = lambda: loop.call_soon_threadsafe(stop.set)
        if self._stop.is_set():
            return
        await kopf.operator(
            registry=registry_of(self._hand_over),
            settings=settings(),
            namespaces=self._namespaces,
            standalone=True,
            ready_flag=self._ready,
            stop_flag=stop,
        )

    def _hand_over(self, event_type: str | None, resource: dict[str, object]) -> None:
        self._loop.call_soon_threadsafe(self._seen, event_type, resource)

    def _tell_end(self) -> None:
        with contextlib.suppress(RuntimeError):  # the main loop is over already
            self._loop.call_soon_threadsafe(self.ended.set)
