"""`slow` on this machine: the proxy between the brokers delays or paces the bytes of a flow."""

from __future__ import annotations

from skerry.engine.world import Inject
from skerry.faults.port import OccurrenceId
from skerry.faults.slow_network import FAULT, Slow
from skerry.faults.slow_network.fault import LOSS_MEASURED, RATE_MEASURED
from skerry.worlds.local.faults.handler import Handler
from skerry.worlds.local.machines import Machines
from skerry.worlds.local.rules import Flow, Rule

MS = 1_000_000


def rules_of(occurrence: OccurrenceId, fault: Slow, expires_ns: int) -> list[Rule]:
    """One rule for each flow; ``expires_ns`` is on the boot clock."""
    return [
        Rule(
            fault=str(occurrence),
            flow=Flow(source, target, plane),
            expires_ns=expires_ns,
            latency_ms=fault.latency_ns // MS,
            jitter_ms=fault.jitter_ns // MS,
            loss_percent=fault.loss_percent,
            rate_kbps=fault.rate_kbps,
        )
        for source, target in fault.links
        for plane in fault.planes
    ]


async def apply(machines: Machines, action: Inject, fault: Slow) -> None:
    rules = rules_of(action.occurrence, fault, machines.boot_ns(action.deadline_ns))
    await machines.set_rules(action.occurrence, rules)


async def lift(machines: Machines, occurrence: OccurrenceId, fault: Slow) -> None:
    await machines.drop_rules(occurrence)


HANDLER = Handler(
    FAULT,
    apply,
    lift,
    cannot={
        LOSS_MEASURED: "a ping that is lost is sent again, so a loss shows only as a delay; add "
        "`latency`, and keep `lossPercent` below 5.",
        RATE_MEASURED: "the brokers' pings are too small to measure a rate; add `latency`, which is measured.",
    },
    own_deadline=True,
)
