"""A slow network with concrete brokers: which ordered pairs are late, lossy, or paced."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from skerry.faults.pairs import between, ends, holds_of
from skerry.faults.port import Effect, Feature, Groups, Hold, ResolvedFault
from skerry.faults.slow_network.model import SlowFault

SLOW = Feature("slow")
LOSS = Feature("slow, lossPercent")
RATE = Feature("slow, rateKbps")
LOSS_MEASURED = Feature("slow, lossPercent of 5 or more, or without latency")
"""It must be seen itself: no latency beside it says that the fault bit, or it is too frequent to be passed over."""
RATE_MEASURED = Feature("slow, rateKbps without latency")
FEATURES = (SLOW, LOSS, RATE, LOSS_MEASURED, RATE_MEASURED)
RARE_LOSS_PERCENT = 5
"""Loss below this is too rare to be seen during a fault."""


class Slow(ResolvedFault, frozen=True, tag="slow"):
    """Packets from source to target are late, lost, or paced. 0: that property is left alone."""

    links: tuple[tuple[int, int], ...]
    planes: tuple[str, ...]
    latency_ns: int = 0
    """Added one way, to each listed direction."""
    jitter_ns: int = 0
    """Uniform in [-jitter, +jitter] around the latency; packets of one connection keep their order."""
    loss_percent: int = 0
    rate_kbps: int = 0

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        return self.links

    @property
    def victims(self) -> frozenset[int]:
        return ends(self.links)

    @property
    def holds(self) -> frozenset[Hold]:
        return holds_of(self.links, self.planes)

    def effects(self) -> tuple[Effect, ...]:
        return (Effect(),)  # it takes nobody away

    def shortened(self) -> Slow:
        return msgspec.structs.replace(self, links=())


def concrete(body: SlowFault, groups: Groups) -> Slow:
    sides = groups if len(groups) > 1 else tuple((ordinal,) for ordinal in groups[0])
    return Slow(between(sides), body.planes, body.latency_ns, body.jitter_ns, body.loss_percent, body.rate_kbps)


def needs(body: SlowFault) -> Iterator[Feature]:
    yield SLOW
    if body.loss_percent:
        yield LOSS
        if body.loss_percent >= RARE_LOSS_PERCENT or not body.latency_ns:
            yield LOSS_MEASURED
    if body.rate_kbps:
        yield RATE
        if not body.latency_ns:
            yield RATE_MEASURED
