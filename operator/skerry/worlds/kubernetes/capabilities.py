"""What this world can do in one namespace, by its handlers, and for what it cannot: why, and what would help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from skerry.engine.capabilities import ELSEWHERE, PREPARE, Capabilities, capabilities_from
from skerry.expectations.port import METRICS, PROMQL
from skerry.faults.port import Feature
from skerry.worlds.kubernetes.faults.registry import HANDLERS
from skerry.worlds.kubernetes.opt_ins import OptIns

CLOCK_ERROR_NS = 20_000_000
"""The brokers stamp elections with the wall clocks of their nodes, which NTP keeps within this."""
INJECTING_NS = 10_000_000_000
"""An ephemeral container starts within a second on an idle node; on a busy one it was seen to take ten."""


class _With(NamedTuple):
    """One fault, with the switches as they are."""

    can: frozenset[Feature]
    cannot: Mapping[Feature, str]


def capabilities(opt_ins: OptIns) -> Capabilities:
    """The capabilities of a namespace with these switches."""
    return capabilities_from(
        "kubernetes",
        (_With(handler.can(opt_ins), handler.cannot(opt_ins)) for handler in HANDLERS.values()),
        others=(PREPARE, ELSEWHERE, METRICS, *([PROMQL] if opt_ins.prometheus else [])),
        reasons={}
        if opt_ins.prometheus
        else {PROMQL: "there is no Prometheus; set `spec.prometheusUrl`, or use a `metric` expectation."},
        clock_error_ns=CLOCK_ERROR_NS,
        injecting_ns=INJECTING_NS,
        under_test=lambda target: target.pods is not None,
    )


def needs_init(pid: int) -> str:
    """Why the broker's process cannot be killed, given its process id as it sees it itself; empty: it can be."""
    if pid != 1:
        return ""
    return (
        "the broker is process 1 of its container, which the kernel lets nobody inside the container kill; start it "
        "under an init such as tini, or use `how: PodDelete`"
    )
