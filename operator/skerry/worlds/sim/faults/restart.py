"""`restart` in the simulator: stopped and started again, together, or one by one with the registrations waited for."""

from __future__ import annotations

from collections.abc import Mapping

from skerry.faults.port import OccurrenceId
from skerry.faults.restart import FAULT, Restart, RestartHow
from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.faults.handler import Handler, Machines
from skerry.worlds.sim.faults.stopping import GRACE_DEFAULT_NS, terminate
from skerry.worlds.sim.scheduler import NS_PER_S
from skerry.worlds.sim.tasks import Work

REGISTERED_TIMEOUT_NS = 45 * NS_PER_S
"""Until a restarted broker has registered, and the next one may stop."""


def apply(machines: Machines, occurrence: OccurrenceId, fault: Restart) -> Work:
    cluster = machines.cluster
    groups = (fault.ordinals,) if fault.together else tuple((ordinal,) for ordinal in fault.ordinals)
    for number, group in enumerate(groups):
        if number:
            yield fault.pause_between_ns
        stopped = {ordinal: _registration(cluster, ordinal) for ordinal in group}
        if fault.how is RestartHow.KILL:
            for ordinal in group:
                cluster.kill(ordinal)
        else:
            yield from terminate(cluster, group, GRACE_DEFAULT_NS)
        for ordinal in group:
            cluster.start(ordinal)
        if not fault.together:
            # An upgrade goes on only when the broker is back: two of three that are away at once is an outage.
            yield from _registered_again(cluster, stopped)


def _registered_again(cluster: Cluster, stopped: Mapping[int, int]) -> Work:
    """Wait until each has registered anew, but not for ever. ``stopped``: under which epochs they were registered."""
    until_ns = cluster.now_ns + REGISTERED_TIMEOUT_NS
    yield (
        lambda: (
            cluster.now_ns >= until_ns
            or all(_registration(cluster, ordinal) > epoch for ordinal, epoch in stopped.items())
        )
    )


def _registration(cluster: Cluster, ordinal: int) -> int:
    """The epoch under which the broker is registered; -1: it does not run, or is not registered."""
    host = cluster.hosts[ordinal]
    return -1 if host.node is None else host.node.status(host.clock.local(cluster.now_ns)).broker_epoch


def lift(machines: Machines, occurrence: OccurrenceId, fault: Restart) -> None:
    """Start who was stopped when it was broken off."""
    for ordinal in fault.ordinals:
        machines.cluster.start(ordinal)


HANDLER = Handler(FAULT, apply, lift)
