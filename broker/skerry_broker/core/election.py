"""Who leads, who is in sync, who is eligible: one partition's next state as a pure function.

The rule (KIP-966): a replica that leaves the ISR while the ISR has fewer than min ISR members stays *eligible* (ELR),
because the high watermark is frozen then and the replica holds every committed record. So a leader may be elected

1. the present leader, while it is valid;
2. else the first assigned replica in the ISR that is unfenced and not leaving;
3. else the first assigned such replica in the ELR; the ISR becomes that one alone;
4. else nobody: leader -1 (an unclean election is decided elsewhere, counted, and only when configured).

Never anybody outside ISR and ELR (I-SAF-1, I-SAF-6): aphyr's first Kafka report is what happens otherwise (B1).
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from skerry_broker.core.metadata import PartitionState
from skerry_broker.core.records import PartitionChanged
from skerry_broker.core.types import NO_BROKER, TopicPartition


def eligible_after(state: PartitionState, isr: tuple[int, ...], lost: Collection[int] = ()) -> tuple[int, ...]:
    """The ELR that goes with a new ISR: empty once min ISR is reached, else everybody who held all committed records
    and lost no disk (KIP-966, Kafka's ``PartitionChangeBuilder.maybePopulateTargetElr``)."""
    if len(isr) >= state.isr_needed:
        return ()
    return tuple(
        replica
        for replica in state.replicas
        if (replica in state.isr or replica in state.elr) and replica not in isr and replica not in lost
    )


def choose_leader(
    state: PartitionState,
    isr: tuple[int, ...],
    elr: tuple[int, ...],
    electable: Callable[[int], bool],
    prefer: int = NO_BROKER,
) -> int:
    """Rules 2 to 4 (the caller applies rule 1). ``prefer`` goes first if it is a candidate of the same rank."""
    for members in (isr, elr):
        candidates = [replica for replica in state.replicas if replica in members and electable(replica)]
        if prefer in candidates:
            return prefer
        if candidates:
            return candidates[0]
    return NO_BROKER


def next_state(
    partition: TopicPartition,
    state: PartitionState,
    *,
    electable: Callable[[int], bool],
    reason: str,
    wall_ns: int,
    leaves: Collection[int] = (),
    lost: Collection[int] = (),
    depose: bool = False,
    elect: bool = True,
    prefer: int = NO_BROKER,
) -> PartitionChanged | None:
    """The record that brings ``partition`` from ``state`` to where it should be; None when it is there.

    ``leaves``: drop out of the ISR, but stay eligible by the rule. ``lost``: drop out of ISR and ELR.
    ``depose``: the present leader leads no more, under this epoch. ``elect`` False: leave it without a leader
    (the old one may still hold a lease). ``prefer``: the wanted successor.
    """
    isr = tuple(replica for replica in state.isr if replica not in leaves and replica not in lost)
    elr = eligible_after(state, isr, lost)
    leader = state.leader
    if depose or leader not in isr:
        leader = NO_BROKER
    if leader == NO_BROKER and elect:
        leader = choose_leader(state, isr, elr, electable, prefer)
        if leader != NO_BROKER and leader not in isr:
            isr = (leader,)
            elr = eligible_after(state, isr, lost)
            reason = "elr"
    # An unfinished recovery stays unfinished: the one that is elected now is still the truth of an unclean election.
    recovering = state.recovering
    if leader == state.leader and not depose and (isr, elr) == (state.isr, state.elr):
        return None
    new_epoch = leader != state.leader or depose
    return PartitionChanged(
        partition,
        leader,
        state.leader_epoch + 1 if new_epoch else state.leader_epoch,
        state.partition_epoch + 1,
        isr,
        elr,
        reason,
        wall_ns,
        recovering,
    )


def unclean_state(partition: TopicPartition, state: PartitionState, leader: int, wall_ns: int) -> PartitionChanged:
    """Last resort: a leader that may lack committed records. Its ISR stays itself alone until it has recovered."""
    return PartitionChanged(
        partition,
        leader,
        state.leader_epoch + 1,
        state.partition_epoch + 1,
        (leader,),
        (),
        "unclean",
        wall_ns,
        recovering=True,
    )


def longest_log(state: PartitionState, log_ends: dict[int, tuple[int, int]], electable: Callable[[int], bool]) -> int:
    """The electable replica with the greatest (last epoch, durable end); the first assigned of equals; or -1."""
    best, best_end = NO_BROKER, (-1, -1)
    for replica in state.replicas:
        end = log_ends.get(replica)
        if end is not None and electable(replica) and (best == NO_BROKER or end > best_end):
            best, best_end = replica, end
    return best
