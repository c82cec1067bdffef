"""What the faults of this world share: how a step fails, and that no step outlives the fault that it belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, NamedTuple, Protocol, TypeVar

NS = 1_000_000_000
Result = TypeVar("Result")


class FaultError(Exception):
    """A fault could not be injected or healed; one sentence."""


class Times(Protocol):
    """The run's clock as seen from here: it is certainly not before lower, nor after upper."""

    def lower_ns(self) -> int: ...

    def upper_ns(self) -> int: ...

    def now_ns(self) -> int: ...


class Images(NamedTuple):
    injector: str
    pull_policy: str


class Waits(NamedTuple):
    """How long, in seconds, ..."""

    injector_s: float = 12.0
    """How long an injector may take from its creation to its end. Less than what the conductor waits for an injection,
    so that it hears the reason."""
    gone_s: float = 15.0
    """How long a process may live on after its grace, and the kubelet may take to tell how it ended."""
    words_s: float = 2.0
    """How much later than the news that it is gone the last words of a pod may come (by the watch, when a list was
    quicker)."""
    look_s: float = 1.0
    """How much time goes by between two looks at the policies of a cut that stands."""


async def together(*steps: Coroutine[Any, Any, None]) -> None:
    """All of them at once. When one fails, or the waiting task is cancelled, none is under way when this raises:
    what a heal removes must not come back by a step that was late. Raises what the first failure raised."""
    tasks = [asyncio.create_task(step) for step in steps]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def whole(request: Coroutine[Any, Any, Result]) -> Result:
    """A request that was sent may be carried out however soon its sender loses interest. So who is cancelled waits for
    the answer first; what undoes it then comes after it."""
    task = asyncio.create_task(request)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # seen; nobody is there to hear of it
        raise


async def either(*waits: Coroutine[Any, Any, bool]) -> None:
    """Wait until one of them has come true, or all are over."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    pending = set(tasks)
    try:
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if any(task.result() for task in done):
                return
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def to_the_end(cleanup: Coroutine[Any, Any, None]) -> None:
    """Finish, however often the task that waits for it is cancelled: that is told when it is done."""
    task, cancelled = asyncio.create_task(cleanup), False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError
