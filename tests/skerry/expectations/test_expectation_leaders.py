"""`leaderChange`, `noLeaderChange`, `epochsGrowAtMost`, `stepsDown`."""

from __future__ import annotations

from expectation_kit import (
    BEFORE,
    CHANGE,
    CHANGED,
    FAIL,
    INCONCLUSIVE,
    LATE,
    PASS,
    assert_judged,
    election,
    judge,
    status,
)
from msgspec.structs import replace


def test_leader_change():
    finding = assert_judged(PASS, CHANGE, CHANGED, "broker 2 took over from broker 0 in epoch 2", "1.5")
    assert finding.fault == "cut"
    assert len(finding.witness) == 3


def test_leader_change_by_status_alone():
    assert_judged(PASS, CHANGE, [*BEFORE, status(2, 6600, leader=2, epoch=2)], "1.59-1.60 s")


def test_the_same_broker_leads_again_as_another_process():
    """After a restart of all either may win; one that never went away and leads on has not changed."""
    old, new = (status(0, 4500, incarnation="a"), status(0, 6600, epoch=2, incarnation="b"))
    assert_judged(PASS, CHANGE, [*BEFORE, old, new], "broker 0 leads again in epoch 2, 1.59-1.60 s")
    stayed = replace(new, incarnation="a")
    assert_judged(FAIL, CHANGE, [*BEFORE, old, stayed, status(0, 9000, epoch=2)], reason="NoLeaderChange")


def test_leader_change_too_late():
    assert_judged(FAIL, CHANGE, LATE, "3.59", reason="TooLate")


def test_leader_change_counts_from_the_early_edge_of_the_bracket():
    assert judge(CHANGE, [*BEFORE, election(2, 2, 8000), status(1, 9000, leader=2, epoch=2)]).verdict is PASS
    assert judge(CHANGE, [*BEFORE, election(2, 2, 8001), status(1, 9000, leader=2, epoch=2)]).verdict is FAIL


def test_the_leaders_that_prepare_moved_are_no_storm():
    moved = [election(2, 1, 2000), election(3, 2, 2500), status(1, 3000, leader=2, epoch=3)]
    assert judge("epochsGrowAtMost: {by: 0}", [*moved, status(1, 20_000, leader=2, epoch=3)]).verdict is PASS
    later = [*moved, election(4, 0, 17_000), status(1, 20_000, leader=0, epoch=4)]
    assert judge("epochsGrowAtMost: {by: 0}", later).verdict is FAIL


def test_leader_change_needs_another_leader():
    same = [*BEFORE, election(2, 0, 6500), election(3, -1, 6600), status(1, 9000, leader=0, epoch=3)]
    assert_judged(FAIL, CHANGE, same, reason="NoLeaderChange")


def test_leader_change_that_nobody_looked_for():
    assert_judged(INCONCLUSIVE, CHANGE, BEFORE, "before the limit", reason="RunEnded")
    assert_judged(INCONCLUSIVE, CHANGE, [status(1, 9000, leader=2, epoch=2)], reason="NoEvidence")


def test_controller_change():
    rule = "leaderChange: {controller: true, within: 3s, of: cut}"
    new = status(2, 6500, term=2, controller=2)
    assert_judged(PASS, rule, [*BEFORE, new], "broker 2 took over from broker 1 in epoch 2")
    assert_judged(FAIL, rule, [*BEFORE, status(2, 9000)], reason="NoLeaderChange")


STAYS = "noLeaderChange: {partition: 0, during: cut}"


def test_no_leader_change():
    quiet = [*BEFORE, status(0, 9000)]
    assert_judged(PASS, STAYS, quiet, "broker 0 stayed leader in epoch 1")
    assert_judged(FAIL, STAYS, CHANGED, "epoch 2 (broker 2) was committed 1.50 s after", reason="LeaderChanged")
    after_heal = [*quiet, election(2, 1, 15_200), status(0, 16_000, leader=1, epoch=2)]
    assert judge(STAYS, after_heal).verdict is PASS
    assert_judged(INCONCLUSIVE, STAYS, BEFORE, reason="NoEvidence")


GROWTH = "epochsGrowAtMost: {by: 1, during: cut}"


def test_epochs_grow_at_most():
    assert_judged(PASS, GROWTH, CHANGED, "grew by 1 (from 1 to 2)")
    storm = [*CHANGED, election(3, 1, 7000), election(4, 2, 8000)]
    assert_judged(FAIL, GROWTH, storm, "grew by 3 (from 1 to 4)", reason="TooManyElections")
    assert (
        judge("epochsGrowAtMost: {by: 0, after: cut}", [*storm, status(1, 20_000, leader=2, epoch=4)]).verdict is PASS
    )
    assert judge("epochsGrowAtMost: {by: 0}", storm).verdict is FAIL
    assert_judged(INCONCLUSIVE, GROWTH, [], reason="NoEvidence")


def test_terms_grow_at_most():
    rule = "epochsGrowAtMost: {by: 1, controller: true}"
    assert judge(rule, [*BEFORE, status(1, 9000, term=2, controller=2)]).verdict is PASS
    assert judge(rule, [*BEFORE, status(1, 9000, term=5, controller=2)]).verdict is FAIL


DOWN = "stepsDown: {target: {role: PartitionLeader, partition: 0}, within: 2s, afterHealOf: cut}"


def test_steps_down():
    follows = status(0, 16_000, leader=2, epoch=2, truncated_records=7)
    assert_judged(PASS, DOWN, [*CHANGED, follows], "broker 0 followed a later epoch", "truncated 7 records")
    still = [*CHANGED, status(0, 16_000), status(0, 17_500, leader=2, epoch=2)]
    assert_judged(FAIL, DOWN, still, "broker 0 still led in epoch 1", reason="StillLeads")
    assert_judged(INCONCLUSIVE, DOWN, CHANGED, reason="NoSamples")
    assert_judged(INCONCLUSIVE, DOWN, [*BEFORE, status(0, 16_000)], reason="NeverReplaced")
    assert_judged(INCONCLUSIVE, DOWN, [], reason="Unresolved")


def test_steps_down_of_a_broker_that_led_nothing():
    rule = "stepsDown: {target: {ordinal: 2}, within: 2s, afterHealOf: cut}"
    assert_judged(INCONCLUSIVE, rule, CHANGED, reason="NotALeader")
