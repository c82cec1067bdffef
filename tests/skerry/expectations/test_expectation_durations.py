"""`failover` and `isrRecovery`: durations from metrics, and what the history says of them."""

from __future__ import annotations

import pytest
from expectation_kit import (
    AROUND,
    BEFORE,
    CHANGED,
    FAIL,
    INCONCLUSIVE,
    MS,
    PASS,
    WALL,
    assert_judged,
    election,
    happening,
    judge,
    metric,
    outage,
    status,
    writes,
)


def elected_metric(at, epoch=2, scraped=6000):
    name = "broker_partition_leader_elected_timestamp_seconds"
    return metric(name, scraped, (WALL + at * MS) / 1e9, topic="t", partition="0", leader_epoch=str(epoch))


def isr_full_metric(at, scraped=20_000):
    name = "broker_partition_isr_full_timestamp_seconds"
    return metric(name, scraped, (WALL + at * MS) / 1e9, topic="t", partition="0")


FAILOVER = "failover: {partition: 0, atMost: 3s, of: cut}"


def test_failover():
    finding = assert_judged(PASS, FAILOVER, [*CHANGED, elected_metric(6500), *AROUND], "failover 1.50 s", "was 1.70 s")
    assert (finding.limit, finding.measured) == ("3.00 s", "1.50 s")


def test_failover_is_the_earliest_election_after_the_fault():
    samples = [elected_metric(1000, 1), elected_metric(9000, 3, 10_000), elected_metric(6500, 2)]
    assert judge(FAILOVER, [*CHANGED, *samples, *AROUND]).measured == "1.50 s"


def test_a_hand_over_at_once_may_be_stamped_a_little_before_the_fault():
    stamped = [*BEFORE, election(2, 2, 4990, seen=5200), elected_metric(4990, 2), *writes(1000, 24_000)]
    assert_judged(PASS, FAILOVER, stamped, "failover 0.00 s", clock_error=20)
    assert_judged(INCONCLUSIVE, FAILOVER, stamped, reason="EmptyResult")


def test_failover_too_slow():
    around = [*writes(1000, 5000), *outage(4992, 8800), *writes(8800, 24_000, leader=2, epoch=2)]
    slow = [*BEFORE, election(2, 2, 8600), elected_metric(8600, 2, 9000), *around]
    assert_judged(FAIL, FAILOVER, slow, "failover 3.60 s", reason="TooSlow")


def test_failover_without_a_sample_or_a_later_election():
    assert_judged(INCONCLUSIVE, FAILOVER, [*CHANGED, *AROUND], reason="NoSample")
    assert_judged(INCONCLUSIVE, FAILOVER, [*CHANGED, elected_metric(1000, 1), *AROUND], reason="EmptyResult")


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([*BEFORE, election(2, 2, 6500), elected_metric(6600), *AROUND], "stamps the same election 1.50 s"),
        ([*BEFORE, status(2, 6000, leader=2, epoch=2), elected_metric(6500), *AROUND], "was seen 1.00 s after"),
        ([*CHANGED, elected_metric(6500), *writes(1000, 24_000)], "no client waited that long"),
    ],
)
def test_failover_that_the_history_contradicts(records, words):
    assert_judged(INCONCLUSIVE, FAILOVER, records, words, reason="ClocksDisagree")


def controller_asked(at, behind_ms=0, epoch=1):
    """The controller's own answer, with what was measured of its wall clock."""
    leader = 0 if epoch == 1 else 2
    off = -behind_ms * MS
    return status(1, at, leader=leader, epoch=epoch, group_role="Leader", clock_low_ns=off, clock_high_ns=off + MS)


@pytest.mark.parametrize("behind_ms", [0, 300, 2000])
def test_the_clock_of_the_controller_does_not_shorten_a_change_of_leader(behind_ms):
    """Elected at 6.5 s, 1.5 s after the fault, whatever its stamp says."""
    records = [*BEFORE, controller_asked(4500, behind_ms), controller_asked(6400, behind_ms)]
    records += [election(2, 2, 6500 - behind_ms, seen=6600), controller_asked(6700, behind_ms, epoch=2)]
    finding = judge("leaderChange: {partition: 0, within: 2s, of: cut}", records)
    assert (finding.verdict, finding.measured) == (PASS, "1.49-1.50 s")
    assert judge("leaderChange: {partition: 0, within: 1200ms, of: cut}", records).verdict is FAIL


def test_a_stamp_that_the_samples_contradict_does_not_count():
    """Nobody measured its clock: what the controller said of itself bounds the stamp from below."""
    records = [*BEFORE, controller_asked(6400), election(2, 2, 5600, seen=6600)]
    assert judge("leaderChange: {partition: 0, within: 2s, of: cut}", records).measured == "1.39-1.60 s"


@pytest.mark.parametrize(
    ("stamped", "words"),
    [(6200, "there was no new leader for 1.40 s"), (4900, "its stamp says otherwise")],
    ids=["early", "before the fault"],
)
def test_failover_with_an_early_stamp(stamped, words):
    records = [*BEFORE, controller_asked(6400), election(2, 2, stamped, seen=6600), elected_metric(stamped), *AROUND]
    assert_judged(INCONCLUSIVE, FAILOVER, records, words, reason="ClocksDisagree")


def test_a_decision_that_was_long_on_its_way_to_the_disks_is_judged_by_when_it_counted():
    """The controller's clock was right before and after: it decided at 6,200, and had not committed it at 6,400."""
    asked = [controller_asked(6100), controller_asked(6400)]
    slow = [*BEFORE, *asked, election(2, 2, 6200, seen=6600), elected_metric(6200), *AROUND]
    right, set_back = controller_asked(6700, epoch=2), controller_asked(6700, behind_ms=300, epoch=2)
    took = judge(FAILOVER, [*slow, right])
    assert (took.verdict, took.measured) == (PASS, "1.40 s"), took
    assert_judged(FAIL, "failover: {partition: 0, atMost: 1300ms, of: cut}", [*slow, right], reason="TooSlow")
    assert_judged(INCONCLUSIVE, FAILOVER, [*slow, set_back], "its stamp says otherwise", reason="ClocksDisagree")


def test_failover_agrees_within_the_clock_error():
    off = [*BEFORE, election(2, 2, 6500), elected_metric(6600), *AROUND]
    assert judge(FAILOVER, off, clock_error=100).verdict is PASS


RECOVERY = "isrRecovery: {atMost: 10s, of: cut}"
SHRUNK = [*CHANGED, status(2, 8000, leader=2, epoch=2, isr=(1, 2)), status(2, 18_100, leader=2, epoch=2)]


def test_isr_recovery():
    assert_judged(PASS, RECOVERY, [*SHRUNK, isr_full_metric(18_000)], "ISR whole again 3.00 s after the heal")
    at_once = [*SHRUNK[:-1], status(2, 15_000, leader=2, epoch=2, isr=(1, 2)), status(2, 15_100, leader=2, epoch=2)]
    assert_judged(PASS, RECOVERY, [*at_once, isr_full_metric(14_999.5)], "whole again 0.00 s after")
    late = [*SHRUNK[:-1], status(2, 26_000, leader=2, epoch=2), isr_full_metric(25_500)]
    assert_judged(FAIL, RECOVERY, late, "10.50 s", reason="TooSlow")


def test_isr_recovery_with_an_early_stamp():
    smaller = status(2, 17_000, leader=2, epoch=2, isr=(1, 2))
    whole = status(2, 18_100, leader=2, epoch=2)
    early = [*SHRUNK[:-1], smaller, whole, isr_full_metric(16_000)]
    assert_judged(INCONCLUSIVE, RECOVERY, early, "still smaller after 2.00 s", reason="ClocksDisagree")
    around = [controller_asked(15_900, epoch=2), controller_asked(18_000, epoch=2)]
    slow = judge(RECOVERY, [*early, *around])
    assert (slow.verdict, slow.measured) == (PASS, "2.00 s"), slow
    before = [*SHRUNK[:-1], smaller, whole, isr_full_metric(14_000)]
    assert_judged(INCONCLUSIVE, RECOVERY, before, "its stamp says otherwise", reason="ClocksDisagree")


def test_what_the_next_fault_does_to_the_isr_is_not_counted():
    """The planted bug: of a cut that came again, the second one's loss was counted from the heal of the first."""
    whole, smaller = status(2, 15_200, leader=2, epoch=2), status(2, 20_500, leader=2, epoch=2, isr=(1, 2))
    seen = [*SHRUNK[:-1], whole, smaller, status(2, 22_500, leader=2, epoch=2), isr_full_metric(15_100)]
    faults = [*happening(), *happening(20_000, 22_000, fault="other")]
    assert_judged(PASS, RECOVERY, seen, "ISR whole again 0.10 s after the heal", faults=faults)
    assert_judged(INCONCLUSIVE, RECOVERY, seen, "still smaller after 5.50 s", reason="ClocksDisagree")
    under_way = [*happening(), *happening(14_500, 22_000, fault="other")]
    assert_judged(PASS, RECOVERY, seen, "ISR whole again 0.10 s after the heal", faults=under_way)


def test_isr_recovery_that_says_nothing():
    assert_judged(INCONCLUSIVE, RECOVERY, SHRUNK, reason="NoSample")
    assert_judged(INCONCLUSIVE, RECOVERY, [*SHRUNK, isr_full_metric(1000)], reason="EmptyResult")
    assert_judged(INCONCLUSIVE, RECOVERY, [*CHANGED, isr_full_metric(18_000)], reason="NeverShrank")
    sooner = [*SHRUNK[:-1], status(2, 14_000, leader=2, epoch=2), status(2, 15_100, leader=2, epoch=2)]
    assert_judged(INCONCLUSIVE, RECOVERY, [*sooner, isr_full_metric(13_900)], "before the heal", reason="WholeBefore")
    contradicted = [
        *SHRUNK[:-1],
        status(2, 15_500, leader=2, epoch=2, isr=(1, 2)),
        status(2, 16_000, leader=2, epoch=2),
    ]
    assert_judged(INCONCLUSIVE, RECOVERY, [*contradicted, isr_full_metric(18_000)], reason="ClocksDisagree")
