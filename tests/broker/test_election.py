"""Who is elected, as a table: every set of ISR, ELR and living brokers, and why (KIP-966)."""

from __future__ import annotations

import itertools

import pytest

from skerry_broker.core.election import choose_leader, eligible_after, longest_log, next_state
from skerry_broker.core.metadata import PartitionState
from skerry_broker.core.types import NO_BROKER, TopicPartition

P = TopicPartition("orders", 0)


def partition(leader: int, isr: str, elr: str = "", min_isr: int = 2) -> PartitionState:
    """Replicas 1, 2, 3 in this order of preference; leader epoch 4, partition epoch 9."""
    return PartitionState("id", min_isr, (1, 2, 3), leader, 4, 9, tuple(map(int, isr)), tuple(map(int, elr)))


@pytest.mark.parametrize(
    ("before", "up", "leaves", "after"),
    [
        # before                  alive   leaves   leader, epoch, isr, elr
        (partition(1, "123"), "123", "", None),  # the leader is valid: nothing to do
        (partition(1, "123"), "23", "1", (2, 5, "23", "")),
        (partition(2, "123"), "13", "2", (1, 5, "13", "")),  # by assignment order, not by number
        (partition(1, "123"), "3", "12", (3, 5, "3", "12")),  # below min ISR: who left stays eligible
        (partition(1, "12"), "23", "1", (2, 5, "2", "1")),  # 3 is alive and not eligible
        (partition(1, "1", "2"), "23", "1", (2, 5, "2", "1")),  # ISR empty: from the ELR, which becomes the ISR
        (partition(1, "1"), "23", "1", (NO_BROKER, 5, "", "1")),  # never outside ISR and ELR (I-SAF-1)
        (partition(1, "1", min_isr=1), "23", "1", (NO_BROKER, 5, "", "1")),
        (partition(NO_BROKER, "", "12"), "2", "", (2, 5, "2", "1")),
        (partition(NO_BROKER, "", "12"), "3", "", None),
        (partition(1, "123"), "123", "3", (1, 4, "12", "")),  # a shrink is no election: the leader epoch stays
    ],
)
def test_next_state(before: PartitionState, up: str, leaves: str, after: tuple[int, int, str, str] | None) -> None:
    alive, gone = set(map(int, up)), tuple(map(int, leaves))
    record = next_state(P, before, electable=alive.__contains__, reason="crash", wall_ns=1, leaves=gone)
    if after is None:
        assert record is None
        return
    assert record is not None
    found = (record.leader, record.leader_epoch, "".join(map(str, record.isr)), "".join(map(str, record.elr)))
    assert found == after
    assert record.partition_epoch == 10


def test_a_lost_disk_is_not_eligible() -> None:
    record = next_state(
        P, partition(1, "12"), electable={3}.__contains__, reason="crash", wall_ns=1, leaves=(2,), lost=(1,)
    )
    assert record is not None
    assert (record.leader, record.isr, record.elr) == (NO_BROKER, (), (2,))


def test_step_one_of_two_changes_only_the_leader() -> None:
    record = next_state(
        P, partition(1, "123"), electable={1, 2, 3}.__contains__, reason="x", wall_ns=1, depose=True, elect=False
    )
    assert record is not None
    assert (record.leader, record.leader_epoch, record.isr) == (NO_BROKER, 5, (1, 2, 3))


def test_a_preferred_successor_must_have_the_same_rank() -> None:
    state = partition(NO_BROKER, "1", "3")
    assert choose_leader(state, (1,), (3,), {1, 3}.__contains__, prefer=3) == 1
    assert choose_leader(partition(NO_BROKER, "123"), (1, 2, 3), (), {1, 2, 3}.__contains__, prefer=3) == 3


def test_the_longest_log_is_the_latest_epoch_first() -> None:
    state = partition(NO_BROKER, "")
    everybody = {1, 2, 3}.__contains__
    assert longest_log(state, {1: (3, 900), 2: (4, 10), 3: (4, 20)}, everybody) == 3
    assert longest_log(state, {1: (4, 20), 3: (4, 20)}, everybody) == 1
    assert longest_log(state, {1: (-1, 0)}, everybody) == 1  # an empty log is a log
    assert longest_log(state, {1: (4, 20)}, {2}.__contains__) == NO_BROKER
    assert longest_log(state, {}, everybody) == NO_BROKER


def test_eligibility_against_a_twin_written_from_the_proposal() -> None:
    """KIP-966: ELR' = (ISR + ELR) - ISR' - lost disks while ISR' is below min ISR; else empty. All small cases."""
    sets = [frozenset(members) for size in range(4) for members in itertools.combinations((1, 2, 3), size)]
    for isr, elr, new_isr, lost, min_isr in itertools.product(sets, sets, sets, sets, (1, 2, 3)):
        if isr & elr or not new_isr <= isr:
            continue
        state = PartitionState("id", min_isr, (1, 2, 3), -1, 0, 0, tuple(sorted(isr)), tuple(sorted(elr)))
        expected = set() if len(new_isr) >= min_isr else (isr | elr) - new_isr - lost
        assert eligible_after(state, tuple(sorted(new_isr)), lost) == tuple(sorted(expected))
