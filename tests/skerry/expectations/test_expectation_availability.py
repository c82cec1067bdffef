"""`maxWriteGap`, `throughput`, `available`, `unavailable`."""

from __future__ import annotations

from expectation_kit import (
    AROUND,
    FAIL,
    GAP,
    INCONCLUSIVE,
    MS,
    PASS,
    assert_judged,
    happening,
    judge,
    outage,
    write,
    writes,
)

from skerry.history.records import Outcome

KILLS = """  - {name: one, kill: {target: {ordinal: 1}, how: Process, downFor: 10s}}
  - {name: two, startAfter: 5s, kill: {target: {ordinal: 2}, how: Process, downFor: 5s}}"""


def test_max_write_gap():
    assert_judged(PASS, GAP, AROUND, "1.70 s")
    long = [*writes(1000, 5000), *outage(4992, 7500), *writes(7500, 24_000)]
    finding = assert_judged(FAIL, GAP, long, "2.50 s", reason="GapTooLong")
    assert finding.partition == 0
    assert_judged(INCONCLUSIVE, GAP, writes(1000, 4000), reason="NotTried")
    assert_judged(INCONCLUSIVE, GAP, writes(1000, 24_000, acks="None"), reason="NotTried")


def test_max_write_gap_at_the_end_of_the_window():
    ends = [*writes(1000, 9000), write(9000, 30_000, outcome=Outcome.UNKNOWN)]
    assert judge(GAP, ends).verdict is FAIL
    assert judge("maxWriteGap: {atMost: 1s, afterHealOf: cut}", AROUND).verdict is PASS
    assert judge("maxWriteGap: {atMost: 1s}", AROUND).verdict is FAIL


def test_the_workloads_own_pace_and_silence_are_no_gap():
    assert judge(GAP, writes(1000, 24_000, every=3000)).verdict is PASS
    assert judge(GAP, [*writes(1000, 6000), *writes(12_000, 24_000)]).verdict is PASS
    due = [*writes(1000, 6000), write(9000, intended_ns=6000 * MS), *writes(9010, 24_000)]
    assert_judged(FAIL, GAP, due, "3.00 s", reason="GapTooLong")  # it was due and could not be sent


RATE = "throughput: {atLeastPercentOfSteady: 50, during: cut}"


def test_throughput():
    steady = writes(1000, 5000, 10)
    assert_judged(PASS, RATE, [*steady, *writes(5010, 15_000, 20)], "50 % of 100 records/s")
    assert_judged(FAIL, RATE, [*steady, *writes(5010, 15_000, 25)], "40 %", reason="TooSlow")
    assert_judged(INCONCLUSIVE, RATE, writes(5010, 15_000), reason="NoSteadyState")
    assert_judged(INCONCLUSIVE, RATE, writes(4500, 15_000), reason="NoSteadyState")


def two_kills():
    """Broker 1 is down from 5 to 15 s, broker 2 from 10 to 14 s."""
    one = {"fault": "one", "groups": ((1,),), "what": "kill"}
    two = {"fault": "two", "groups": ((2,),), "what": "kill"}
    return [*happening(5000, 15_000, **one), *happening(10_000, 14_000, **two)]


def with_kills(verdict, rule, records, *words, reason=""):
    return assert_judged(verdict, rule, records, *words, reason=reason, faults=two_kills(), document_faults=KILLS)


def test_available_while_enough_are_alive():
    rule = "available: {when: {aliveAtLeast: 2}, within: 2s}"
    stops_below = [*writes(1000, 10_000), *outage(9992, 14_500), *writes(14_500, 24_000)]
    with_kills(PASS, rule, stops_below)
    with_kills(FAIL, rule, [*outage(5992, 9000), *stops_below[:500], *writes(9000, 24_000)], reason="Unavailable")
    with_kills(FAIL, "available: {within: 2s}", stops_below, reason="Unavailable")
    with_kills(INCONCLUSIVE, "available: {when: {aliveAtMost: 0}}", stops_below, reason="ConditionNeverHeld")
    with_kills(INCONCLUSIVE, rule, writes(1000, 4000), reason="NotTried")


def test_unavailable_while_too_few_are_alive():
    rule = "unavailable: {when: {aliveAtMost: 1}, within: 1s}"
    tries = [write(at, outcome=Outcome.UNKNOWN) for at in range(10_000, 14_000, 100)]
    with_kills(PASS, rule, [*writes(1000, 10_900), *tries, *writes(14_500, 20_000)], "0 of")
    with_kills(FAIL, rule, [*tries, write(12_000)], "1 of", reason="WriteAccepted")
    with_kills(PASS, rule, [*tries, write(12_000, acks="None")])  # asks for no acknowledgement
    with_kills(INCONCLUSIVE, rule, writes(1000, 9000), reason="NotTried")
    with_kills(INCONCLUSIVE, "unavailable: {when: {aliveAtMost: 0}}", tries, reason="ConditionNeverHeld")
