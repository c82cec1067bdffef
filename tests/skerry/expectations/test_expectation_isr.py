"""`inSyncReplicas`: it shrinks, is whole again, and stays so."""

from __future__ import annotations

import pytest
from expectation_kit import FAIL, INCONCLUSIVE, PASS, SMALLER, WHOLE, assert_judged, happening, judge, leader2, status


def test_isr_shrinks():
    assert_judged(
        PASS, SMALLER, [leader2(7000, (0, 1, 2)), leader2(8000, (1, 2)), leader2(9500, (0, 1, 2))], "ISR of 2 after"
    )
    assert_judged(FAIL, SMALLER, [leader2(7000, (0, 1, 2)), leader2(9500, (1, 2))], "ISR of 3", reason="WrongIsr")
    assert_judged(INCONCLUSIVE, SMALLER, [leader2(1000, (1, 2))], reason="NoSamples")


def test_isr_of_a_deposed_leader_does_not_count():
    deposed = status(0, 8000, leader=0, epoch=1, isr=(0, 1))
    assert judge(SMALLER, [leader2(7000, (0, 1, 2)), deposed, leader2(9500, (0, 1, 2))]).verdict is FAIL


def test_isr_is_whole_again_and_stays_so():
    back = [leader2(15_500, (1, 2)), leader2(17_000, (0, 1, 2)), leader2(20_000, (0, 1, 2))]
    assert judge(WHOLE, back).verdict is PASS
    assert_judged(FAIL, WHOLE, [*back, leader2(21_000, (1, 2))], "but of 2 again", reason="IsrFlapped")
    assert_judged(FAIL, WHOLE, [leader2(15_500, (1, 2)), leader2(19_100, (0, 1, 2))], reason="WrongIsr")


def test_isr_that_shrinks_only_after_the_heal():
    """A short fault is over before anybody has missed the replica; from some moment within the limit on it is whole."""
    late = [leader2(15_100, (0, 1, 2)), leader2(15_500, (1, 2)), leader2(17_000, (0, 1, 2)), leader2(20_000, (0, 1, 2))]
    assert_judged(PASS, WHOLE, late, "ISR of 3 after 1.99-2.00 s")
    never = [leader2(15_100, (0, 1, 2)), leader2(15_500, (1, 2)), leader2(19_100, (0, 1, 2))]
    assert_judged(FAIL, WHOLE, never, "but of 2 again at 15.50 s", reason="IsrFlapped")


@pytest.mark.parametrize(
    ("begun", "healed", "verdict"),
    [
        (8000, 14_000, FAIL),  # over before the ISR was whole
        (8000, 18_000, PASS),  # under way since before the heal
        (18_000, 20_000, PASS),
        (20_500, 22_000, PASS),
        (21_500, 23_000, FAIL),  # the ISR was small already
    ],
)
def test_what_another_fault_may_explain_is_no_flap(begun, healed, verdict):
    """The planted bug: of two faults at once, a rolling restart and a slow disk, the one that ended later took a
    broker out of the ISR, and the broker was blamed for it."""
    flap = [leader2(15_500, (1, 2)), leader2(17_000, (0, 1, 2)), leader2(21_000, (1, 2))]
    faults = [*happening(), *happening(begun, healed, fault="other")]
    assert judge(WHOLE, flap, faults=faults).verdict is verdict


def test_isr_bounds():
    assert judge("inSyncReplicas: {atMost: 2, within: 4s, of: cut}", [leader2(8000, (2,))]).verdict is PASS
    alone = [leader2(8000, (2,)), leader2(9500, (2,))]
    assert judge("inSyncReplicas: {atLeast: 2, within: 4s, of: cut}", alone).verdict is FAIL
