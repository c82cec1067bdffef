"""The turns of a run on a cluster: `engine.loop`, with a journal that is a request to the API server.

Whatever ends it (a verdict, an exception, a cancellation), nothing is in force any more when it returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol

from skerry.engine.loop import TURN_NS, Loop, OnTurn, nobody_watches
from skerry.engine.world import Action, Finish, Steps, World
from skerry.report.model import RunReport
from skerry.schema.verdict import Verdict
from skerry.worlds.kubernetes.api import KubeError
from skerry.worlds.kubernetes.recording import NotStarted
from skerry.worlds.kubernetes.steps import NS, to_the_end

NO_ACTION = 0
"""The id of a `Finish` that no conductor sent."""

Journal = Callable[[Sequence[Action]], Awaitable[None]]
"""Makes decisions durable. Raises KubeError; what it could not take is not injected."""


class RunEnd(NamedTuple):
    """What is left of a run."""

    finish: Finish
    report: RunReport | None
    """None: the workload pod is lost, or never was."""
    files: dict[str, bytes]
    """`report.json`, `report.html`, `junit.xml`."""


class ClusterWorld(World, Protocol):
    """A World that has to be reached before it can be asked, and that ends in order."""

    def abort(self, reason: str) -> None:
        """Heal, drain, check; the verdict is Inconclusive at best."""
        ...

    async def start(self) -> None:
        """Raises NotStarted, KubeError."""
        ...

    def raise_failure(self) -> None:
        """Raise what a part of it died from."""
        ...

    async def ended(self, finish: Finish) -> RunEnd:
        """Fetch what the run has left."""
        ...

    async def close_now(self) -> None:
        """Make every fault absent, at once and as well as it goes; may be called at any time."""
        ...

    async def close(self) -> None:
        """Make every fault absent, and end everything that is under way."""
        ...


async def drive(
    conductor: Steps,
    world: ClusterWorld,
    journal: Journal,
    on_turn: OnTurn = nobody_watches,
    *,
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    turn_s: float = TURN_NS / NS,
) -> RunEnd:
    """The whole run. Raises KubeError when the API server cannot be reached at the start."""
    loop = Loop(conductor, world, on_turn)
    try:
        try:
            await world.start()
        except NotStarted as error:
            return broken_off(error.reason, str(error))
        while not loop.finished:
            loop.carry_out(await _write(journal, loop.decide()))
            world.raise_failure()
            await sleep(turn_s)
        assert loop.finish is not None
        return await world.ended(loop.finish)
    finally:
        await to_the_end(world.close())


def broken_off(reason: str, message: str) -> RunEnd:
    """The end of a run that could not be carried out."""
    return RunEnd(Finish(NO_ACTION, Verdict.INCONCLUSIVE, reason, message), None, {})


async def _write(journal: Journal, kept: Sequence[Action]) -> str:
    """Why it could not be written; empty: it was, or there was nothing to write."""
    if not kept:
        return ""
    try:
        await journal(kept)
    except KubeError as error:
        return str(error)
    return ""
