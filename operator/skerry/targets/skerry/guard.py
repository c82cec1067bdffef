"""What a fault will do to the controller quorum and to the minimum ISR.

A quorum holds while some broker is alive and can talk, both ways and on the Raft plane, to enough live brokers to make
a majority with itself. A partition takes `acks: All` writes while its leader can replicate, both ways, to enough other
live members of its ISR. A slow network takes nobody away.

The prediction is the worst of what can be, and assumes only that the cluster behaves: any live broker that reaches a
majority may be the controller, and any live member of the ISR that this controller reaches may lead. Whether it behaved
is what the run is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from skerry.faults.port import Effect
from skerry.schema.vocabulary import QUORUM_LOSS
from skerry.targets.skerry.planes import Plane

BELOW_MIN_ISR = "BelowMinIsr"
"""The word of `allow` for a plan that leaves a partition fewer in-sync replicas than it needs."""


class Prediction(msgspec.Struct, frozen=True):
    quorum: bool
    voters_connected: int
    """The most brokers that can make a quorum together."""
    majority: int
    below_min_isr: tuple[int, ...]
    """Partitions that will not take `acks: All` writes."""
    isr: dict[int, int]
    """Per partition the ISR that is left with the worst of the leaders and controllers that can be."""

    @property
    def sentence(self) -> str:
        quorum = (
            f"quorum holds ({self.voters_connected} connected, {self.majority} needed)"
            if self.quorum
            else f"quorum is lost ({self.voters_connected} connected, {self.majority} needed)"
        )
        if not self.below_min_isr:
            smallest = min(self.isr.values(), default=0)
            return f"{quorum}; every partition keeps its minimum ISR, whoever leads (smallest: {smallest})"
        return f"{quorum}; below minimum ISR: {_partitions(self.below_min_isr)}"


def predict(
    effect: Effect, brokers: int, replicas: Mapping[int, Sequence[int]], min_in_sync_replicas: int
) -> Prediction:
    """``replicas``: per partition those that can be in its ISR (at run time: that are in it)."""
    majority = brokers // 2 + 1
    reach = {
        hub: frozenset({hub} | {peer for peer in range(brokers) if peer != hub and effect.talks(hub, peer, Plane.RAFT)})
        for hub in range(brokers)
        if hub not in effect.down
    }
    quorums = [reached for reached in reach.values() if len(reached) >= majority]
    isr = {
        partition: min((_isr_kept(effect, members, reached) for reached in quorums), default=0)
        for partition, members in sorted(replicas.items())
    }
    return Prediction(
        quorum=bool(quorums),
        voters_connected=max(map(len, reach.values()), default=0),
        majority=majority,
        below_min_isr=tuple(partition for partition, size in isr.items() if size < min_in_sync_replicas),
        isr=isr,
    )


def refusals(predictions: Iterable[Prediction], allow: Sequence[str]) -> list[str]:
    """Sentences for what would happen and is not allowed; empty: go ahead."""
    found = list(predictions)
    sentences = []
    lost = next((each for each in found if not each.quorum), None)
    if lost is not None and QUORUM_LOSS not in allow:
        sentences.append(
            f"it would take the quorum ({lost.voters_connected} brokers connected, {lost.majority} needed); "
            "if that is meant, add `QuorumLoss` to `allow`"
        )
    # Without a quorum nobody leads: to say it of the partitions too would be the same fact told twice.
    below = sorted({partition for each in found if each.quorum for partition in each.below_min_isr})
    if below and BELOW_MIN_ISR not in allow:
        sentences.append(
            f"it would leave {_partitions(below)} below the minimum ISR; if that is meant, add `BelowMinIsr` to `allow`"
        )
    return sentences


def _isr_kept(effect: Effect, members: Sequence[int], reached: frozenset[int]) -> int:
    candidates = [ordinal for ordinal in members if ordinal in reached and ordinal not in effect.down]
    return min(
        (
            1 + sum(effect.talks(leader, peer, Plane.REPLICATION) for peer in candidates if peer != leader)
            for leader in candidates
        ),
        default=0,
    )


def _partitions(indices: Sequence[int]) -> str:
    shown = ", ".join(map(str, indices[:8])) + (" ..." if len(indices) > 8 else "")
    return f"partition{'s' if len(indices) > 1 else ''} {shown}"
