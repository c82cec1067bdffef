"""Layers that lie: a handler that reports what it did not do. Each wraps any handler of the simulated world.

A lie that makes no sense for a fault stands in `SENSELESS` with the reason, so that a new fault cannot be added without
saying so: every fault of the registry is asked every lie.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from skerry.faults.kill import KillHow
from skerry.faults.port import ResolvedFault
from skerry.faults.restart import RestartHow
from skerry.worlds.sim.faults.handler import AnyHandler, Machines
from skerry.worlds.sim.scheduler import NS_PER_S
from skerry.worlds.sim.tasks import Work

BROKERS = 3


def nothing(handler: AnyHandler) -> AnyHandler:
    """It does nothing."""
    return replace(handler, apply=_idle, lift=lambda machines, occurrence, fault: None)


def another(handler: AnyHandler) -> AnyHandler:
    """It hits another broker, or other links."""
    return _instead(handler, _elsewhere)


def one_direction(handler: AnyHandler) -> AnyHandler:
    """It takes one direction of each pair."""
    return _instead(handler, lambda fault: _with(fault, links=tuple((a, b) for a, b in fault.pairs if a < b)))


def half(handler: AnyHandler) -> AnyHandler:
    """It is half as strong, or gentler than asked."""
    return _instead(handler, lambda fault: WEAKER[fault.kind](fault))


def late(handler: AnyHandler) -> AnyHandler:
    """It begins two seconds after it was reported."""

    def apply(machines: Machines, occurrence: Any, fault: Any) -> Work:
        scheduler = machines.cluster.scheduler
        scheduler.post(
            scheduler.now_ns + 2 * NS_PER_S, lambda _: _run(handler.apply(machines, occurrence, fault)), None
        )
        yield from ()

    return replace(handler, apply=apply)


def ends_early(handler: AnyHandler) -> AnyHandler:
    """It ends after two seconds."""

    def apply(machines: Machines, occurrence: Any, fault: Any) -> Work:
        yield from handler.apply(machines, occurrence, fault)
        scheduler = machines.cluster.scheduler
        scheduler.post(scheduler.now_ns + 2 * NS_PER_S, lambda _: handler.lift(machines, occurrence, fault), None)

    return replace(handler, apply=apply)


def does_not_end(handler: AnyHandler) -> AnyHandler:
    """Its heal does nothing; its deadline ends it."""
    healed: set[Any] = set()

    def lift(machines: Machines, occurrence: Any, fault: Any) -> None:
        if occurrence in healed:
            handler.lift(machines, occurrence, fault)
        healed.add(occurrence)

    return replace(handler, lift=lift)


LIES: dict[str, Callable[[AnyHandler], AnyHandler]] = {
    "does nothing": nothing,
    "hits another": another,
    "one direction": one_direction,
    "half as strong": half,
    "2 s late": late,
    "ends early": ends_early,
    "does not end": does_not_end,
}
WEAKER: dict[str, Callable[[Any], ResolvedFault]] = {
    "partition": lambda fault: _with(fault, planes=fault.planes[:1]),
    "slow": lambda fault: _with(fault, latency_ns=fault.latency_ns // 2),
    "kill": lambda fault: _with(fault, how=KillHow.POD_DELETE, grace_ns=10 * NS_PER_S),
    "restart": lambda fault: _with(fault, how=RestartHow.GRACEFUL),
    "disk": lambda fault: _with(fault, slow_by_ns=fault.slow_by_ns // 2),
    "clock": lambda fault: _with(fault, jump_ns=fault.jump_ns // 2),
}
ONE_BROKER = "it touches a broker, not a link"
AT_ONCE = "it is over at once: it has no time that could be late, cut short or never end"
SENSELESS: dict[tuple[str, str], str] = {
    **{(kind, "one direction"): ONE_BROKER for kind in ("kill", "restart", "pause", "wipe", "disk", "clock")},
    **{("restart", lie): AT_ONCE for lie in ("2 s late", "ends early", "does not end")},
    ("pause", "half as strong"): "a process runs or stands still",
    ("wipe", "half as strong"): "how it goes is the same as with a kill; what is left shows in its directory",
}


def _idle(machines: Machines, occurrence: Any, fault: Any) -> Work:
    yield from ()


def _run(work: Work) -> None:
    for _ in work:
        return


def _instead(handler: AnyHandler, other: Callable[[Any], ResolvedFault]) -> AnyHandler:
    return replace(
        handler,
        apply=lambda machines, occurrence, fault: handler.apply(machines, occurrence, other(fault)),
        lift=lambda machines, occurrence, fault: handler.lift(machines, occurrence, other(fault)),
    )


def _with(fault: Any, **fields: object) -> ResolvedFault:
    changed: ResolvedFault = msgspec.structs.replace(fault, **fields)
    return changed


def _elsewhere(fault: Any) -> ResolvedFault:
    """The same on the next brokers."""
    if fault.pairs:
        return _with(fault, links=tuple(((a + 1) % BROKERS, (b + 1) % BROKERS) for a, b in fault.pairs))
    return _with(fault, ordinals=tuple((ordinal + 1) % BROKERS for ordinal in fault.ordinals))
