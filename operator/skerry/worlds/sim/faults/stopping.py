"""How a simulated process is stopped in order."""

from __future__ import annotations

from skerry.worlds.sim.cluster import Cluster
from skerry.worlds.sim.scheduler import NS_PER_S
from skerry.worlds.sim.tasks import Work

GRACE_DEFAULT_NS = 30 * NS_PER_S


def terminate(cluster: Cluster, ordinals: tuple[int, ...], grace_ns: int) -> Work:
    """What deleting a pod does: SIGTERM, and SIGKILL when the grace period is over, or this is broken off: nobody is
    left on the way out."""
    deadline_ns = cluster.now_ns + grace_ns
    for ordinal in ordinals:
        cluster.terminate(ordinal)
    try:
        yield lambda: cluster.now_ns >= deadline_ns or not any(cluster.hosts[each].running for each in ordinals)
    finally:
        for ordinal in ordinals:
            cluster.kill(ordinal)
