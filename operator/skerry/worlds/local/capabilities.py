"""What the local world can do, by its handlers, and for what it cannot: why, and what would help."""

from __future__ import annotations

from skerry.engine.capabilities import ELSEWHERE, EMPTY_AT_FIRST, PREPARE, capabilities_from
from skerry.expectations.port import METRICS, PROMQL
from skerry.worlds.local.faults.registry import HANDLERS

CLOCK_ERROR_NS = 1_000_000
"""The brokers stamp elections with the wall clock, the runner judges by the boot clock of the same machine."""

CAPABILITIES = capabilities_from(
    "local",
    HANDLERS.values(),
    others=(PREPARE, METRICS),
    reasons={
        PROMQL: "there is no Prometheus; use a `metric` expectation, or the kubernetes world.",
        ELSEWHERE: EMPTY_AT_FIRST,
    },
    clock_error_ns=CLOCK_ERROR_NS,
    under_test=lambda target: target.launch is not None,
)
"""What all handlers can do, to the systems that can be started here."""
