"""`slow`: a bad network between brokers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, Strict, model_validator

from skerry.faults.link_body import LinkFaultBody
from skerry.faults.port import Path
from skerry.schema.base import Duration, JsonObject, Percent, format_duration
from skerry.schema.cel import NO_TIME, PLANES_ONCE, rule
from skerry.schema.selectors import Selector


class SlowFault(LinkFaultBody):
    """Packets between the named brokers are late, lost, or paced, in both directions."""

    between: Annotated[
        tuple[Annotated[tuple[Selector, ...], Field(min_length=1, max_length=16)], ...],
        Field(min_length=1, max_length=8),
    ]
    """Groups of targets: packets between different groups are affected. One group: between all of its members."""
    latency_ns: Duration = 0
    """Added in each direction."""
    jitter_ns: Duration = 0
    """The latency varies by plus or minus this."""
    loss_percent: Percent = 0
    """How many packets are lost (segments, where a stream is proxied: seen as a retransmission delay)."""
    rate_kbps: Annotated[int, Strict(), Field(ge=0, le=10_000_000)] = 0
    """Kilobits per second in each direction of each pair; 0: not paced."""

    @model_validator(mode="after")
    def _consistent(self) -> SlowFault:
        if not (self.latency_ns or self.jitter_ns or self.loss_percent or self.rate_kbps):
            raise ValueError("changes nothing: give at least one of `latency`, `lossPercent`, `rateKbps`")
        if self.jitter_ns > self.latency_ns:
            raise ValueError(
                f"`jitter` ({format_duration(self.jitter_ns)}) must not exceed `latency` "
                f"({format_duration(self.latency_ns)}): packets cannot arrive before they are sent"
            )
        return self

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A link needs two brokers."""
        if len(self.between) == 1 and len(self.between[0]) == 1 and self.between[0][0].count_max == 1:
            yield (
                ("between",),
                f"one group of one broker ({self.between[0][0]}) leaves nothing to slow: a link needs two; name more "
                "brokers, or another group",
            )

    def target_groups(self) -> tuple[tuple[Selector, ...], ...]:
        return self.between


RULES: dict[str, tuple[JsonObject, ...]] = {
    "SlowFault": (
        rule(
            f"[?self.?latency, ?self.?jitter].exists(d, duration(d) > {NO_TIME}) || "
            "self.?lossPercent.orValue(0) > 0 || self.?rateKbps.orValue(0) > 0",
            "changes nothing: give at least one of `latency`, `lossPercent`, `rateKbps`",
        ),
        rule(
            "duration(self.?jitter.orValue('0s')) <= duration(self.?latency.orValue('0s'))",
            "`jitter` must not exceed `latency`: packets cannot arrive before they are sent",
        ),
        PLANES_ONCE,
    ),
}
