"""What is measured and told beside the properties, and what a recording must be."""

from __future__ import annotations

import pytest
from log_histories import HEADER, MS, ack, assert_holds, assert_inconclusive, check, judge, refused, timed_out

from skerry.history import History
from skerry.history.records import ElectionSeen, FaultEvent, FaultStep, Footer, Stall
from skerry.schema.verdict import Verdict


def test_availability_is_measured():
    (finding,) = check("availability", [ack(1, 0, 0), ack(2, 1, 1, 41), ack(3, 2, 99), timed_out(4), refused(5)])
    assert finding.verdict is Verdict.PASS
    assert "3 writes acknowledged, 1 failed, 1 unknown" in finding.message
    assert "40 ms (t-0, from 0.00 s)" in finding.message


def test_latency_counts_from_when_a_write_was_due():
    (finding,) = check("availability", [ack(1, 0, 10, 12), ack(2, 1, 20, 22, intended_ns=5 * MS)])
    assert "latency p50 17.0 ms, p99 17.0 ms, max 17.0 ms" in finding.message


def test_where_the_time_of_a_failover_went():
    effect = FaultEvent("cut", 0, FaultStep.EFFECTIVE, 10 * MS, 11 * MS, wall_ns=5000 * MS)
    elected = ElectionSeen("t", 0, 2, 2, wall_ns=5900 * MS, seen_ns=920 * MS)
    retried = ack(2, 1, 9, 960, epoch=2, leader=2, attempts=3)
    operations = [ack(1, 0), effect, timed_out(7, 5, end=510), elected, retried]
    (finding,) = check("failover-time", operations)
    assert finding.message == (
        "cut#0: first trouble after 0.50 s, election after 0.90 s, first acknowledgement in epoch 2 after 0.95 s (t-0)"
    )
    assert_holds("failover-time", [ack(1, 0), effect, ack(2, 1, 20)])


def test_stalls_are_told():
    assert_holds("stalls", [])
    (finding,) = check("stalls", [Stall(-1, 0, 300 * MS), Stall(2, 0, 450 * MS)])
    assert finding.message == "2 stalls, the longest 450 ms (broker 2, at 0.00 s)"


def test_nothing_acknowledged_is_inconclusive():
    assert_inconclusive("availability", "NothingAcknowledged", [timed_out(1)])
    assert_inconclusive("recording", "NothingAcknowledged", [timed_out(1)], [])


def test_a_whole_recording():
    assert_holds("recording", [ack(1, 0)], [1])
    assert_inconclusive("recording", "NoFinalRead", [ack(1, 0)])


@pytest.mark.parametrize(
    ("reason", "records"),
    [
        ("EmptyHistory", []),
        ("NoHeader", [ack(1, 0), Footer(1)]),
        ("HistoryCutOff", [HEADER, ack(1, 0)]),
        ("Aborted", [HEADER, ack(1, 0), Footer(1, aborted=True, reason="Ctrl-C")]),
    ],
)
def test_a_recording_that_proves_nothing(reason, records):
    findings = judge("recording", History(records))
    assert {f.verdict for f in findings} == {Verdict.INCONCLUSIVE}
    assert reason in {f.reason for f in findings}
