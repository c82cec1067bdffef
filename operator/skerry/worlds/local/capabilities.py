"""What the local world can do, by its handlers, and for what it cannot: why, and what would help."""

from __future__ import annotations

from msgspec import structs

from skerry.engine.capabilities import METRICS, PREPARE, PROMQL, Capabilities, capabilities_from
from skerry.faults import network_partition, slow_network, wipe
from skerry.faults.port import Feature
from skerry.targets import registry
from skerry.targets.port import Target
from skerry.worlds.local.faults.registry import HANDLERS

CLOCK_ERROR_NS = 1_000_000
"""The brokers stamp elections with the wall clock, the runner judges by the boot clock of the same machine."""

CAPABILITIES = capabilities_from(
    "local",
    HANDLERS.values(),
    others=(PREPARE, METRICS),
    reasons={PROMQL: "there is no Prometheus; use a `metric` expectation, or the kubernetes world."},
    clock_error_ns=CLOCK_ERROR_NS,
)
"""What all handlers can do; see `capabilities_for`."""


def capabilities_for(target: Target) -> Capabilities:
    """What can be done to this system here: all that can be done, but for what it could not show or undo."""
    lacking: dict[Feature, str] = {}
    if not target.reports_links:
        links = (*network_partition.FAULT.features, *slow_network.FAULT.features)
        reason = f"the nodes of `{target.name}` do not report on their links, so that it could not be verified."
        lacking |= dict.fromkeys(links, reason)
    if not target.rejoins_empty:
        reason = f"a node of `{target.name}` does not come back by itself without its data."
        lacking |= dict.fromkeys(wipe.FAULT.features, reason)
    return structs.replace(
        CAPABILITIES,
        features=CAPABILITIES.features - lacking.keys(),
        reasons={**CAPABILITIES.reasons, **lacking},
        targets=frozenset(name for name in registry.names() if registry.target(name).launch is not None),
    )
