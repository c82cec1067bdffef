"""`slow` in the simulator: packets of an ordered pair are late, come again, or are paced."""

from __future__ import annotations

from skerry.faults.port import OccurrenceId
from skerry.faults.slow_network import FAULT, Slow
from skerry.worlds.sim.faults.handler import Handler, Machines
from skerry.worlds.sim.faults.planes import broker_planes
from skerry.worlds.sim.network import LinkFaults
from skerry.worlds.sim.tasks import Work


def apply(machines: Machines, occurrence: OccurrenceId, fault: Slow) -> Work:
    machines.cluster.slow(str(occurrence), fault.links, _link_faults(fault), broker_planes(fault.planes))
    yield from ()


def lift(machines: Machines, occurrence: OccurrenceId, fault: Slow) -> None:
    machines.cluster.heal(str(occurrence))


def _link_faults(fault: Slow) -> LinkFaults:
    """Loss means what it means to TCP: the packet comes again, later, and everything behind it waits."""
    return LinkFaults(
        latency_ns=fault.latency_ns,
        jitter_ns=fault.jitter_ns,
        retransmit=fault.loss_percent / 100,
        rate_kbps=fault.rate_kbps,
    )


HANDLER = Handler(FAULT, apply, lift)
