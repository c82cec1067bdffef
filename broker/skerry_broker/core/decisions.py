"""What happens to partitions when a broker registers, is fenced, leaves, or is cut off from its followers.

Functions of what the controller knows; each returns the partition records of one entry, sorted by partition.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from skerry_broker.core import election
from skerry_broker.core.contacts import MS, Contact
from skerry_broker.core.metadata import ClusterMetadata
from skerry_broker.core.records import PartitionChanged
from skerry_broker.core.types import NO_BROKER, Timing, TopicPartition
from skerry_broker.core.vacancies import Vacancies


class Moves(NamedTuple):
    """How often, and when last, a partition was taken from a leader that lived but could not do its work."""

    times: int
    last_ns: int

    def allow_another(self, now: int, timing: Timing) -> bool:
        """At once the first time; then after 2, 4, 8 .. (at most 32) replica lags. Where nobody reaches anybody, or
        every disk is slow, no leader is better than another, and nothing but time tells: the epochs must not grow
        without end."""
        return now - self.last_ns >= timing.replica_lag_ms * MS << min(self.times, 5)

    def next(self, now: int, timing: Timing) -> Moves:
        calm = now - self.last_ns >= timing.replica_lag_ms * MS << 6
        return Moves(1 if calm else self.times + 1, now)


class Knowledge(NamedTuple):
    """Everything that the controller judges by."""

    view: ClusterMetadata
    contacts: dict[int, Contact]
    vacancies: Vacancies
    timing: Timing
    moves: dict[TopicPartition, Moves]
    """The moves for `isolated` and `stuck` only, and since this controller's election."""

    def electable(self, broker_id: int) -> bool:
        """May it be made a leader now? Not while its disk does not answer: it could not even begin its epoch."""
        broker = self.view.brokers.get(broker_id)
        if broker is None or broker.fenced or broker.leaving:
            return False
        contact = self.contacts.get(broker_id)
        return contact is None or not contact.disk_stuck


def without(
    known: Knowledge,
    now: int,
    wall_ns: int,
    causes: dict[int, str],
    *,
    leaves: Collection[int] = (),
    lost: Collection[int] = (),
) -> tuple[PartitionChanged, ...]:
    """Every partition as it goes on while the brokers in ``causes`` (broker id -> why) are fenced.

    Their leaderships end, even where nobody else can lead. ``leaves``: they leave the ISR and stay eligible by the
    rule of KIP-966; ``lost``: they are not eligible either; neither: they keep ISR and ELR places.
    """

    def electable(broker_id: int) -> bool:
        return broker_id not in causes and known.electable(broker_id)

    changes: list[PartitionChanged] = []
    for partition, state in sorted(known.view.partitions.items()):
        led = state.leader in causes
        reason = "shrink"
        if led:
            reason = causes[state.leader]
        elif state.leader == NO_BROKER:
            vacancy = known.vacancies.get(partition)
            reason = "shrink" if vacancy is None else vacancy.reason
        change = election.next_state(
            partition,
            state,
            electable=electable,
            reason=reason,
            wall_ns=wall_ns,
            leaves=leaves,
            lost=lost,
            depose=led,
            elect=led or (state.leader == NO_BROKER and known.vacancies.released(now, partition, causes)),
        )
        if change is not None:
            changes.append(change)
    return tuple(changes)


def leaving(known: Knowledge, wall_ns: int, broker_id: int) -> tuple[PartitionChanged, ...]:
    """Controlled shutdown: step one of two for everything it leads, and out of every ISR that can spare it.

    Two steps here too, although the broker asked for it: it serves under its lease until it knows.
    """
    changes: list[PartitionChanged] = []
    for partition, state in sorted(known.view.partitions.items()):
        if broker_id not in state.isr:
            continue
        leads = state.leader == broker_id
        change = election.next_state(
            partition,
            state,
            electable=known.electable,
            reason="shutdown" if leads else "shrink",
            wall_ns=wall_ns,
            leaves=(broker_id,) if len(state.isr) > state.isr_needed else (),
            depose=leads,
            elect=False,
        )
        if change is not None:
            changes.append(change)
    return tuple(changes)


def deposition(known: Knowledge, wall_ns: int, partition: TopicPartition, reason: str) -> PartitionChanged | None:
    """Step one of two: no leader, epoch + 1."""
    return election.next_state(
        partition,
        known.view.partitions[partition],
        electable=known.electable,
        reason=reason,
        wall_ns=wall_ns,
        depose=True,
        elect=False,
    )


def isolated(known: Knowledge, now: int, reporter: Contact) -> list[tuple[TopicPartition, int]]:
    """I-LIV-3: which of the leaders that ``reporter`` cannot reach are to be replaced, and by which replica.

    A leader that we hear but its followers do not is replaced before it shrinks its ISR below min ISR.
    Only while it is heard: a leader that is silent for us too will be fenced, with one epoch instead of two.
    Only where the others can do better: else leadership would go back and forth between the halves of a cut.
    """
    moves: list[tuple[TopicPartition, int]] = []
    fresh_ns = 3 * known.timing.broker_heartbeat_ms * MS
    for partition, leader_epoch in sorted(reporter.unreachable.items()):
        state = known.view.partitions.get(partition)
        if state is None or state.leader == NO_BROKER or state.leader_epoch != leader_epoch:
            continue
        if now - known.contacts[state.leader].contact_ns > fresh_ns:
            continue
        moved = known.moves.get(partition)
        if moved is not None and not moved.allow_another(now, known.timing):
            continue
        others = [replica for replica in state.replicas if replica != state.leader and known.electable(replica)]
        reporters = [
            replica for replica in others if known.contacts[replica].unreachable.get(partition) == leader_epoch
        ]
        eligible = [replica for replica in others if replica in state.isr or replica in state.elr]
        left_to_leader = [member for member in state.isr if member not in reporters]
        successors = sorted(
            (replica for replica in reporters if replica in eligible), key=lambda replica: replica not in state.isr
        )
        if (
            successors
            and len(left_to_leader) < state.isr_needed
            and len({*eligible, *reporters}) >= state.isr_needed
            and len(reporters) >= state.isr_needed - 1
        ):
            moves.append((partition, successors[0]))
    return moves


def stuck(known: Knowledge, now: int, broker_id: int) -> list[tuple[TopicPartition, int]]:
    """Which partitions are to be taken from this leader, whose disk does not answer, and who gets each.

    Only where writes go on without it: the others in the ISR whose disks do answer are enough for a committed write.
    Else nothing would be won, and an epoch lost.
    """
    moves: list[tuple[TopicPartition, int]] = []
    for partition, state in sorted(known.view.partitions.items()):
        if state.leader != broker_id:
            continue
        moved = known.moves.get(partition)
        if moved is not None and not moved.allow_another(now, known.timing):
            continue
        healthy = [member for member in state.replicas if member in state.isr and known.electable(member)]
        if len(healthy) >= state.isr_needed:
            moves.append((partition, healthy[0]))
    return moves


def may_stop(known: Knowledge, applied: ClusterMetadata, broker_id: int) -> bool:
    """All that this leaving (or fenced) broker led is led by another, committed, or can be led by nobody else."""
    broker = applied.brokers.get(broker_id)
    if broker is None or not (broker.leaving or broker.fenced):
        return False
    for partition, state in applied.partitions.items():
        if state.leader == broker_id:
            return False
        if state.leader == NO_BROKER and state.last_leader == broker_id:
            ahead = known.view.partitions.get(partition, state)
            if ahead.leader != NO_BROKER:
                return False  # its election is on the way
            if election.choose_leader(ahead, ahead.isr, ahead.elr, known.electable) != NO_BROKER:
                return False
    return True
