"""A run in the local world that is cancelled while it starts: it ends at once, and everything it started with it."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from skerry.engine.conductor import Conductor
from skerry.experiment import load_document
from skerry.targets.skerry.process import SkerryLaunch
from skerry.worlds.local.brokers import BrokerProcess
from skerry.worlds.local.proxies import FaultProxy
from skerry.worlds.local.proxy import StallReport
from skerry.worlds.local.watchdog import ENDED, Watchdog, process_state
from skerry.worlds.local.world import CAPABILITIES, LocalWorld

pytestmark = pytest.mark.local

DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: cancelled}
spec:
  hypothesis: Nothing is left.
  timeout: 90s
  faults:
  - {name: crash, startAfter: 1s, kill: {target: {ordinal: 0}, how: Process, downFor: 1s}}
"""
TINY_PROXY = """
import sys
for line in sys.stdin:
    print('{"event": "stall", "from_ns": 1, "to_ns": 2}\\n{"id": 1, "before_ns": 1, "after_ns": 2}', flush=True)
"""
"""It answers one question, and tells of a stall in the same breath."""


async def test_a_cancellation_that_comes_with_the_answer_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = asyncio.create_subprocess_exec

    async def tiny(*command: str, **options: Any) -> asyncio.subprocess.Process:
        return await honest(sys.executable, "-S", "-c", TINY_PROXY, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", tiny)
    watchdog = Watchdog()

    def stalled(stall: StallReport) -> None:
        asyncio.get_running_loop().call_soon(starting.cancel)

    proxy = FaultProxy(watchdog, stalled)
    starting = asyncio.create_task(proxy.start(()))
    await asyncio.wait([starting])
    await proxy.stop()
    watchdog.close()
    assert starting.cancelled()


class Starting:
    """A run, and the processes of its brokers as they are started."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, deaf: bool = False) -> None:
        """``deaf``: they ignore SIGTERM."""
        self.pids: list[int] = []
        self.all_started = asyncio.Event()
        honest = BrokerProcess.start

        def start(broker: BrokerProcess) -> None:
            before = signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else signal.SIG_DFL)  # children inherit it
            honest(broker)
            signal.signal(signal.SIGTERM, before)
            assert broker.pid is not None
            self.pids.append(broker.pid)
            if len(self.pids) == 3:
                self.all_started.set()

        monkeypatch.setattr(BrokerProcess, "start", start)
        monkeypatch.setattr(SkerryLaunch, "command", lambda self, place: ["sleep", "60"])
        experiment = load_document(DOCUMENT)
        world = LocalWorld(experiment, DOCUMENT, seed=1, directory=directory, version="test")
        self.task = asyncio.create_task(world.run(Conductor(experiment, 1, CAPABILITIES)))

    async def cancelled(self, times: int) -> None:
        """Cancel it when the last broker was started, again after a while, and wait for its end."""
        await self.all_started.wait()
        for number in range(times):
            if number:
                await asyncio.wait([self.task], timeout=0.3)
                assert not self.task.done()
            self.task.cancel()
        async with asyncio.timeout(2):
            await asyncio.wait([self.task])
        assert self.task.cancelled()
        assert {process_state(pid) for pid in self.pids} <= {*ENDED}


async def test_brokers_that_are_being_started_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await Starting(tmp_path, monkeypatch).cancelled(1)


async def test_a_second_cancellation_waits_for_no_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await Starting(tmp_path, monkeypatch, deaf=True).cancelled(2)
