"""The operator's process: connections, the watch, the supervisor, the page of metrics, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal

from skerry.controller.dry_run import look
from skerry.controller.environment import Environment
from skerry.controller.server import Server
from skerry.controller.supervisor import Supervisor
from skerry.controller.tools import Tools
from skerry.controller.watch import Watch
from skerry.worlds.kubernetes.api import Kube, KubeError
from skerry.worlds.kubernetes.preflight import preflight
from skerry.worlds.kubernetes.world import KubernetesWorld

RECONCILE_S = 30.0
"""The watch tells everything at once; the list makes up for what it missed."""
AGAIN_S = 2.0
BEGIN_S = 0.2

log = logging.getLogger(__name__)


class Operator:
    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._tools = Tools(settings=environment.settings, make_world=KubernetesWorld, preflight=preflight, look=look)
        self._stop = asyncio.Event()
        self.not_ready = "the experiments were not listed yet"
        """Why it is not ready; empty: it is."""
        self._problem = ""
        """Why the list failed, as it was logged last."""

    def stop(self) -> None:
        """``run`` returns when what runs is healed."""
        self._stop.set()

    async def run(self) -> None:
        """Run until a signal comes. Raises KubeError when there is no cluster, OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        async with contextlib.AsyncExitStack() as stack:
            kubes = [
                await stack.enter_async_context(Kube(namespace)) for namespace in self._environment.namespaces or ("",)
            ]
            server = Server(self._tools.metrics.exposition, lambda: self.not_ready, port=self._environment.port)
            await stack.enter_async_context(server)
            by_namespace = {kube.namespace: kube for kube in kubes}
            supervisor = Supervisor(by_namespace, self._tools)
            log.info("the operator runs; namespaces: %s", ", ".join(by_namespace))
            try:
                while not self._stop.is_set():
                    await self._watch(supervisor, tuple(by_namespace))
            finally:
                await supervisor.stop()
                log.info("the operator ends")

    async def _watch(self, supervisor: Supervisor, namespaces: tuple[str, ...]) -> None:
        """Watch for as long as the watch lasts. It ends with a signal, or when the CRD goes."""
        if not await self._listed(supervisor):
            await self._pause(AGAIN_S)
            return
        watch = Watch(namespaces, supervisor.seen)
        watch.start()
        try:
            while not self._stop.is_set() and not watch.ended.is_set():
                self.not_ready = self._problem if watch.ready else "the watch has not begun yet"
                await self._pause(self._rest_s(watch), watch.ended)
                if watch.ready and not self._stop.is_set():
                    await self._listed(supervisor)
        finally:
            self.not_ready = "the watch is over"
            await watch.stop()
        await self._pause(AGAIN_S)

    def _rest_s(self, watch: Watch) -> float:
        """How long to wait for the next list, or for the next look at a watch that begins, in seconds."""
        if not watch.ready:
            return BEGIN_S
        return AGAIN_S if self._problem else RECONCILE_S

    async def _listed(self, supervisor: Supervisor) -> bool:
        try:
            await supervisor.reconcile()
        except KubeError as error:
            hint = "; is the CRD installed?" if error.not_found else ""
            problem = f"{error}{hint}"
            if problem != self._problem:
                log.warning("the experiments could not be listed: %s", problem)
            self.not_ready = self._problem = problem
            return False
        if self._problem:
            log.info("the experiments are listed again")
        self._problem = ""
        return True

    async def _pause(self, seconds: float, *events: asyncio.Event) -> None:
        """Wait for ``seconds``, or until one of ``events`` or a signal comes."""
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._stop, *events)]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
