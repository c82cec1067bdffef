"""What the fault proxy does to the bytes that one broker sends to another: pure rules, no sockets.

A *flow* is an ordered pair of nodes on one plane: everything that ``source`` sends to ``target``, whichever of the two
opened the connection. A rule holds a flow back, slows it down, or resets its connections, until its own deadline.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec

CLIENTS = -1
"""The node number of everything outside the cluster: producers, consumers, the runner."""

RETRANSMISSION_MS = 200
"""What one lost packet costs a TCP stream: Linux's minimal retransmission timeout."""

CHUNK_BYTES = 1448
"""Loss is drawn per packet; this is the payload of one on Ethernet."""


class Flow(NamedTuple):
    source: int
    target: int
    plane: str


class CutAction(StrEnum):
    DROP = "Drop"
    """Nothing arrives and nobody is told: bytes wait, new connections stay silent."""
    REJECT = "Reject"
    """Connections are reset, new ones at once."""


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fault on one flow. ``expires_ns`` is on the boot clock: the rule ends then, whatever has died meanwhile."""

    fault: str
    flow: Flow
    expires_ns: int
    cut: CutAction | None = None
    new_connections_only: bool = False
    latency_ms: int = 0
    jitter_ms: int = 0
    loss_percent: int = 0
    rate_kbps: int = 0
    """0: unlimited."""


class Treatment(NamedTuple):
    """What all rules of a flow add up to, for one connection."""

    held: bool = False
    reset: bool = False
    latency_ms: int = 0
    jitter_ms: int = 0
    loss_percent: int = 0
    rate_kbps: int = 0

    @property
    def transparent(self) -> bool:
        return self == TRANSPARENT


TRANSPARENT = Treatment()


def treatment(rules: list[Rule], opened_ns: int, rule_since_ns: dict[str, int]) -> Treatment:
    """Add up the rules of one flow for a connection that was opened at ``opened_ns``.

    ``rule_since_ns``: when each fault was installed; `connections: New` spares connections older than that.
    Latencies add up, the largest loss and the smallest rate win.
    """
    held = reset = False
    latency_ms = jitter_ms = loss_percent = rate_kbps = 0
    for rule in rules:
        if rule.cut is not None:
            if rule.new_connections_only and opened_ns < rule_since_ns[rule.fault]:
                continue
            held = held or rule.cut is CutAction.DROP
            reset = reset or rule.cut is CutAction.REJECT
        latency_ms += rule.latency_ms
        jitter_ms += rule.jitter_ms
        loss_percent = max(loss_percent, rule.loss_percent)
        if rule.rate_kbps:
            rate_kbps = min(rate_kbps or rule.rate_kbps, rule.rate_kbps)
    return Treatment(held, reset, latency_ms, jitter_ms, loss_percent, rate_kbps)


def delay_ns(treated: Treatment, size: int, draw_jitter: float, draw_loss: float) -> int:
    """How long ``size`` bytes are held before they go on (the rate is accounted for separately).

    ``draw_jitter`` and ``draw_loss`` are uniform in [0, 1). A lost packet is not lost for a stream: it is sent again,
    and everything behind it waits; so loss is a longer delay.
    """
    jitter_ms = treated.jitter_ms * (2 * draw_jitter - 1)
    held_ms = max(0.0, treated.latency_ms + jitter_ms)
    if treated.loss_percent:
        packets = max(1, -(-size // CHUNK_BYTES))
        survives = (1 - treated.loss_percent / 100) ** packets
        if draw_loss >= survives:
            held_ms += RETRANSMISSION_MS
    return int(held_ms * 1_000_000)
