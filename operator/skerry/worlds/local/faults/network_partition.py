"""`partition` on this machine: the proxy between the brokers holds the bytes of a flow, or resets its connections."""

from __future__ import annotations

from skerry.engine.world import Inject
from skerry.faults.network_partition import FAULT, Connections, Cut
from skerry.faults.port import OccurrenceId
from skerry.worlds.local.faults.handler import Handler
from skerry.worlds.local.machines import Machines
from skerry.worlds.local.rules import CutAction, Flow, Rule


def rules_of(occurrence: OccurrenceId, fault: Cut, expires_ns: int) -> list[Rule]:
    """One rule for each flow; ``expires_ns`` is on the boot clock."""
    return [
        Rule(
            fault=str(occurrence),
            flow=Flow(source, target, plane),
            expires_ns=expires_ns,
            cut=CutAction(str(fault.action)),
            new_connections_only=fault.connections is Connections.NEW,
        )
        for source, target in fault.links
        for plane in fault.planes
    ]


async def apply(machines: Machines, action: Inject, fault: Cut) -> None:
    rules = rules_of(action.occurrence, fault, machines.boot_ns(action.deadline_ns))
    await machines.set_rules(action.occurrence, rules)


async def lift(machines: Machines, occurrence: OccurrenceId, fault: Cut) -> None:
    await machines.drop_rules(occurrence)


HANDLER = Handler(
    FAULT,
    apply,
    lift,
    own_deadline=True,
)
