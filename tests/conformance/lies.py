"""Layers that lie: each reports a fault as done and does something else. What each does instead, for every world.

How a world is made to lie is beside this, a module each; on Kubernetes it is the cluster that lies. A lie that makes no
sense for a fault stands in `SENSELESS` with the reason, so that a new fault cannot be added without saying so: every
fault of the registry is asked every lie.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from skerry.faults.kill import Kill, KillHow
from skerry.faults.port import ResolvedFault
from skerry.faults.restart import RestartHow

BROKERS = 3
NOTHING, ANOTHER, ONE_DIRECTION, HALF = "does nothing", "hits another", "one direction", "half as strong"
LATE, EARLY, ENDLESS = "2 s late", "ends early", "does not end"
LIES = (NOTHING, ANOTHER, ONE_DIRECTION, HALF, LATE, EARLY, ENDLESS)
LATE_S = 2
GRACE_NS = 10_000_000_000

ONE_BROKER = "it touches a broker, not a link"
AT_ONCE = "it is over at once: it has no time that could be cut short or never end"
SENSELESS: dict[tuple[str, str], str] = {
    **{(kind, ONE_DIRECTION): ONE_BROKER for kind in ("kill", "restart", "pause", "wipe", "disk", "clock")},
    **{("restart", lie): AT_ONCE for lie in (EARLY, ENDLESS)},
    ("pause", HALF): "a process runs or stands still",
}
"""(fault, lie) -> why it cannot be told."""


def _with(fault: Any, **fields: object) -> ResolvedFault:
    changed: ResolvedFault = msgspec.structs.replace(fault, **fields)
    return changed


def elsewhere(fault: Any) -> ResolvedFault:
    """The same on the next brokers, or between other pairs."""
    if fault.pairs:
        return _with(fault, links=tuple(((a + 1) % BROKERS, (b + 1) % BROKERS) for a, b in fault.pairs))
    return _with(fault, ordinals=tuple((ordinal + 1) % BROKERS for ordinal in fault.ordinals))


def one_way(fault: Any) -> ResolvedFault:
    """One direction of each pair."""
    return _with(fault, links=tuple((a, b) for a, b in fault.pairs if a < b))


def weaker(fault: Any) -> ResolvedFault:
    """Half of it, or something gentler, or the other way of doing it."""
    return _WEAKER[fault.kind](fault)


def _other_kill(fault: Kill) -> ResolvedFault:
    if fault.how is KillHow.PROCESS:
        return _with(fault, how=KillHow.POD_DELETE, grace_ns=GRACE_NS)
    return _with(fault, how=KillHow.PROCESS, grace_ns=0)


_WEAKER: dict[str, Callable[[Any], ResolvedFault]] = {
    "partition": lambda fault: _with(fault, planes=fault.planes[:1]),
    "slow": lambda fault: _with(fault, latency_ns=fault.latency_ns // 2),
    "kill": _other_kill,
    "restart": lambda fault: _with(fault, how=RestartHow.GRACEFUL if fault.how is RestartHow.KILL else RestartHow.KILL),
    "wipe": lambda fault: Kill(fault.ordinals, KillHow.PROCESS, fault.down_for_ns),  # the data stays
    "disk": lambda fault: _with(fault, slow_by_ns=fault.slow_by_ns // 2),
    "clock": lambda fault: _with(fault, jump_ns=fault.jump_ns // 2, drift_ppm=fault.drift_ppm // 2),
}
INSTEAD: dict[str, Callable[[Any], ResolvedFault]] = {ANOTHER: elsewhere, ONE_DIRECTION: one_way, HALF: weaker}
"""Lies about what is done; the others are about when."""
