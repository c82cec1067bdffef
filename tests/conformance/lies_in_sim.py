"""Handlers of the simulated world that lie. Each wraps the honest one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lies import INSTEAD, LATE_S

from skerry.worlds.sim.faults.handler import AnyHandler, Machines
from skerry.worlds.sim.scheduler import NS_PER_S
from skerry.worlds.sim.tasks import Tasks, Work

EARLY_NS = NS_PER_S


def lying(kind: str, lie: str, honest: Mapping[str, AnyHandler]) -> AnyHandler:
    """The handler of a fault, when it tells this lie."""
    handler = honest[kind]
    match lie:
        case "does nothing":
            return replace(handler, apply=_idle, lift=lambda machines, occurrence, fault: None)
        case "2 s late":
            return replace(handler, apply=_late(handler))
        case "ends early":
            return replace(handler, apply=_early(handler))
        case "does not end":
            return replace(handler, lift=_second(handler))
        case _:
            return _instead(lie, handler, honest)


def _idle(machines: Machines, occurrence: Any, fault: Any) -> Work:
    yield from ()


def _instead(lie: str, handler: AnyHandler, honest: Mapping[str, AnyHandler]) -> AnyHandler:
    def apply(machines: Machines, occurrence: Any, fault: Any) -> Work:
        other = INSTEAD[lie](fault)
        yield from honest[other.kind].apply(machines, occurrence, other)

    def lift(machines: Machines, occurrence: Any, fault: Any) -> None:
        other = INSTEAD[lie](fault)
        honest[other.kind].lift(machines, occurrence, other)

    return replace(handler, apply=apply, lift=lift)


def _late(handler: AnyHandler) -> Any:
    """It begins when it was long reported."""

    def apply(machines: Machines, occurrence: Any, fault: Any) -> Work:
        scheduler = machines.cluster.scheduler
        work = handler.apply(machines, occurrence, fault)
        scheduler.post(scheduler.now_ns + LATE_S * NS_PER_S, lambda _: Tasks(scheduler).spawn(work), None)
        yield from ()

    return apply


def _early(handler: AnyHandler) -> Any:
    def apply(machines: Machines, occurrence: Any, fault: Any) -> Work:
        yield from handler.apply(machines, occurrence, fault)
        scheduler = machines.cluster.scheduler
        scheduler.post(scheduler.now_ns + EARLY_NS, lambda _: handler.lift(machines, occurrence, fault), None)

    return apply


def _second(handler: AnyHandler) -> Any:
    """Its heal does nothing when it is asked for first."""
    asked: set[Any] = set()

    def lift(machines: Machines, occurrence: Any, fault: Any) -> None:
        if occurrence in asked:
            handler.lift(machines, occurrence, fault)
        asked.add(occurrence)

    return lift
