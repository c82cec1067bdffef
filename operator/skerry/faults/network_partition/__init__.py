"""`partition`: brokers that cannot reach each other."""

from __future__ import annotations

from skerry.faults.network_partition import proof
from skerry.faults.network_partition.fault import FEATURES, Cut, concrete, needs
from skerry.faults.network_partition.model import RULES, Connections, CutAction, Link, PartitionFault
from skerry.faults.port import FaultType, GroupsRule, Relies

FAULT = FaultType(
    body=PartitionFault,
    resolved=Cut,
    features=FEATURES,
    concrete=concrete,
    needs=needs,
    read=proof.read,
    proven=proof.proven,
    healed=proof.healed,
    shows_on_kept_links=True,
    relies=frozenset({Relies.LINK_REPORTS}),
    stops_leader=lambda body, replicating: bool(replicating) and replicating <= set(body.planes),
    silenced=lambda body, planes: frozenset(body.planes) if body is not None else frozenset(),
    rules=RULES,
    groups=GroupsRule(
        size="has({0}.groups) ? {0}.groups.size() : 8",  # with `links` it has none at all, which is another sentence
        none="has({0}.links)",
    ),
    documented=(("links[]", Link),),
)

__all__ = ["FAULT", "Connections", "Cut", "CutAction", "Link", "PartitionFault"]
