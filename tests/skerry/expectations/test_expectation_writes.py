"""`writesRefused`, `writesAccepted`, `topicCreateRefused`: who accepts writes."""

from __future__ import annotations

import pytest
from expectation_kit import FAIL, INCONCLUSIVE, MS, PASS, assert_judged, judge, status, write

from skerry.history.records import Outcome, Stall, TopicCreate


def probe(start, to=0, outcome=Outcome.FAILED, **more):
    return write(start, directed_to=to, outcome=outcome, leader=to, **more)


REFUSED = "writesRefused: {by: {fault: cut, group: 0}, within: 1500ms}"


def test_writes_refused():
    probes = [probe(5500, outcome=Outcome.OK), probe(7000), probe(9000, outcome=Outcome.UNKNOWN)]
    finding = assert_judged(PASS, REFUSED, probes, "broker 0 refused all of 2 acks=All writes")
    assert finding.measured == "0 of 2 acknowledged"
    accepted = [*probes, probe(8000, outcome=Outcome.OK)]
    finding = assert_judged(FAIL, REFUSED, accepted, "acknowledged 1 of 3", reason="WriteAccepted")
    assert finding.witness == (9,)


def test_writes_refused_judges_only_the_certain_window():
    edges = [probe(6509, outcome=Outcome.OK), probe(14_990, 15_050, outcome=Outcome.OK)]
    assert judge(REFUSED, [*edges, probe(8000)]).verdict is PASS


@pytest.mark.parametrize(
    "probes",
    [[], [probe(1000), probe(16_000)], [probe(8000, to=1)], [probe(8000, acks="Leader")], [write(8000)]],
)
def test_writes_refused_needs_probes(probes):
    assert_judged(INCONCLUSIVE, REFUSED, probes, reason="NotProbed")


def test_writes_refused_for_every_acks():
    rule = "writesRefused: {by: {fault: cut, group: 0}, within: 1500ms, acks: Leader}"
    assert judge(rule, [probe(8000, acks="Leader")]).verdict is PASS
    assert judge(rule, [probe(8000, acks="Leader", outcome=Outcome.OK)]).verdict is FAIL


def test_writes_refused_by_a_broker():
    rule = "writesRefused: {by: {ordinal: 0}, within: 1500ms}"
    assert judge(rule, [probe(8000)]).verdict is PASS
    assert judge(rule, [probe(8000, outcome=Outcome.OK)]).verdict is FAIL


def test_a_stall_voids_a_refusal():
    probes = [probe(8000), probe(9000)]
    stall = Stall(-1, 8000 * MS, 8300 * MS)
    assert_judged(INCONCLUSIVE, REFUSED, [*probes, stall], reason="Stalled")
    assert judge(REFUSED, [probe(8500, outcome=Outcome.OK), stall]).verdict is FAIL


ACCEPTED = "writesAccepted: {by: {fault: cut, group: 1}, within: 3s}"


def test_writes_accepted():
    assert_judged(PASS, ACCEPTED, [write(6800, leader=2, epoch=2)], "broker 2 acknowledged a write 1.79-1.80 s after")
    assert_judged(FAIL, ACCEPTED, [write(8003, leader=2, epoch=2), status(1, 9000)], reason="TooLate")
    too_late = [write(6800, outcome=Outcome.UNKNOWN), write(8100, leader=2, epoch=2)]
    assert_judged(FAIL, ACCEPTED, too_late, reason="NothingAccepted")
    assert_judged(FAIL, ACCEPTED, [write(6800, leader=0), status(1, 9000)], reason="NothingAccepted")
    assert_judged(INCONCLUSIVE, ACCEPTED, [write(1000)], reason="NotTried")


TOPICS = "topicCreateRefused: {by: {fault: cut, group: 0}}"


def creation(start, outcome, to=0):
    return TopicCreate(5, f"probe-{start}", start * MS, (start + 5) * MS, outcome, directed_to=to)


def test_topic_create_refused():
    refusals = [creation(8000, Outcome.FAILED), creation(9000, Outcome.UNKNOWN), creation(9000, Outcome.OK, to=1)]
    assert_judged(PASS, TOPICS, refusals, "0 of 2 topic creations succeeded")
    assert_judged(FAIL, TOPICS, [*refusals, creation(9500, Outcome.OK)], reason="TopicCreated")
    assert_judged(INCONCLUSIVE, TOPICS, [creation(6000, Outcome.OK)], reason="NotProbed")
