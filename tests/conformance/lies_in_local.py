"""Handlers of the local world that lie. Each wraps the honest one, and works on the real proxy and processes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lies import EARLY, ENDLESS, INSTEAD, LATE, LATE_S, NOTHING

from skerry.engine.world import Inject
from skerry.faults.port import OccurrenceId
from skerry.worlds.local.faults.handler import AnyHandler
from skerry.worlds.local.machines import Machines

EARLY_S = 1.0


def told_by_name(handler: AnyHandler, tellers: Mapping[str, AnyHandler]) -> AnyHandler:
    """Make one that lies as the name of the fault says, and is honest for a name that ``tellers`` does not have."""

    async def apply(machines: Machines, action: Inject, fault: Any) -> None:
        await tellers.get(action.occurrence.fault, handler).apply(machines, action, fault)

    async def lift(machines: Machines, occurrence: OccurrenceId, fault: Any) -> None:
        await tellers.get(occurrence.fault, handler).lift(machines, occurrence, fault)

    return replace(handler, apply=apply, lift=lift)


def lying(kind: str, lie: str, honest: Mapping[str, AnyHandler]) -> AnyHandler:
    """The handler of a fault, when it tells this lie; of an empty one, the honest handler."""
    handler = honest[kind]
    if lie in INSTEAD:
        return _instead(lie, handler, honest)
    return {"": lambda each: each, NOTHING: _nothing, LATE: _late, EARLY: _early, ENDLESS: _endless}[lie](handler)


def _instead(lie: str, handler: AnyHandler, honest: Mapping[str, AnyHandler]) -> AnyHandler:
    async def apply(machines: Machines, action: Inject, fault: Any) -> None:
        other = INSTEAD[lie](fault)
        await honest[other.kind].apply(machines, action, other)

    async def lift(machines: Machines, occurrence: OccurrenceId, fault: Any) -> None:
        other = INSTEAD[lie](fault)
        await honest[other.kind].lift(machines, occurrence, other)

    return replace(handler, apply=apply, lift=lift)


def _nothing(handler: AnyHandler) -> AnyHandler:
    async def apply(machines: Machines, action: Inject, fault: Any) -> None:
        return

    async def lift(machines: Machines, occurrence: OccurrenceId, fault: Any) -> None:
        return

    return replace(handler, apply=apply, lift=lift)


def _late(handler: AnyHandler) -> AnyHandler:
    """It begins when it was long reported; a heal that comes before that breaks it off."""
    waiting: dict[OccurrenceId, asyncio.Task[None]] = {}

    async def apply(machines: Machines, action: Inject, fault: Any) -> None:
        async def later() -> None:
            await asyncio.sleep(LATE_S)
            await handler.apply(machines, action, fault)

        waiting[action.occurrence] = asyncio.create_task(later())

    async def lift(machines: Machines, occurrence: OccurrenceId, fault: Any) -> None:
        if (task := waiting.get(occurrence)) is not None and not fault.gradual:
            task.cancel()
        await handler.lift(machines, occurrence, fault)

    return replace(handler, apply=apply, lift=lift)


def _early(handler: AnyHandler) -> AnyHandler:
    ending: set[asyncio.Task[None]] = set()

    async def apply(machines: Machines, action: Inject, fault: Any) -> None:
        async def later() -> None:
            await asyncio.sleep(EARLY_S)
            await handler.lift(machines, action.occurrence, fault)

        await handler.apply(machines, action, fault)
        ending.add(asyncio.create_task(later()))

    return replace(handler, apply=apply)


def _endless(handler: AnyHandler) -> AnyHandler:
    """Its heal does nothing when it is asked for first."""
    asked: set[OccurrenceId] = set()

    async def lift(machines: Machines, occurrence: OccurrenceId, fault: Any) -> None:
        if occurrence in asked:
            await handler.lift(machines, occurrence, fault)
        asked.add(occurrence)

    return replace(handler, lift=lift)
