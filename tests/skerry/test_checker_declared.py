"""A recording is of what its own document says, fault by fault."""

from __future__ import annotations

import pytest
from fault_records import whole
from msgspec.structs import replace

from skerry.checker import check
from skerry.checker.declared import contradictions
from skerry.experiment import load_document
from skerry.history import History
from skerry.history.records import (
    FaultStep,
    FindingSeen,
    Footer,
    Header,
    LinkSample,
    Outcome,
    PhaseEvent,
    Produce,
    StatusSample,
)
from skerry.schema.verdict import Finding, FindingKind, Verdict

S = 1_000_000_000
DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: several}
spec:
  hypothesis: A recording says what was tried.
  topic: {name: t, partitions: 1}
  faults:
  - {name: cut, startAfter: 5s, duration: 4s, partition: {groups: [[{ordinal: 0}], [{role: Other}]], planes: [Raft]}}
  - {name: stop, startAfter: 3s, following: cut, duration: 1s, repeat: {every: 10s, until: 11s},
     pause: {target: {role: PartitionLeader, partition: 0}}}
"""
EXPERIMENT = load_document(DOCUMENT, source_name="several")
HEADER = Header(1, "several", DOCUMENT, "local", 7, 0, "test", 3)
SIDES = ((0,), (1, 2))
LINKS = tuple((a, b) for a, b in ((0, 1), (0, 2), (1, 0), (2, 0)))
STEADY = PhaseEvent("SteadyState", 2 * S)
END = Footer(99 * S)


def link(at, *, plane="Raft", ok=False, connection="new", pair=(0, 1)):
    return LinkSample(*pair, plane, connection, int(at * S), int(at * S) + 1, ok)


def cut(at=8, until=12, *, kind="partition", sides=SIDES, links=LINKS, seen=None, **more):
    samples = [link((at + until) / 2)] if seen is None else seen
    return samples + whole("cut", kind, *sides, at=at * S, until=until * S, links=links, **more)


def stop(number, at, until, victims=(1,), **more):
    return whole("stop", "pause", victims, at=at * S, until=until * S, number=number, **more)


CUT, FIRST, SECOND = cut(), stop(0, 12, 13), stop(1, 22, 23)


def told(*records, header=HEADER):
    return [(found.reason, found.fault) for found in said(*records, header=header)]


def said(*records, header=HEADER):
    found = contradictions(History([header, STEADY, *records, END]), EXPERIMENT)
    assert all((each.kind, each.verdict) == (FindingKind.RUN, Verdict.INCONCLUSIVE) for each in found)
    return found


def test_a_recording_of_what_its_document_says():
    assert told(*CUT, *FIRST, *SECOND) == []


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], ["`cut` was never injected", "`stop` was never injected"]),
        ([*CUT], ["`stop` was never injected"]),
        ([*CUT, *SECOND], ["1 of 2 occurrences of `stop` were never injected"]),
    ],
)
def test_a_fault_that_was_never_tried(records, expected):
    for footer in (END, Footer(99 * S, aborted=True)):
        found = contradictions(History([HEADER, STEADY, *records, footer]), EXPERIMENT)
        assert [each.message for each in found] == expected
        assert {each.reason for each in found} == {"NotInjected"}


@pytest.mark.parametrize(
    ("records", "words"),
    [
        (cut(kind="kill"), "it is recorded as `kill`, and the document says `partition`"),
        (cut(kind=""), "it is recorded as ``, and the document says `partition`"),
        (cut(sides=((1,), (0, 2))), "it names 1, and the document broker 0"),
        (cut(sides=((0,), (1,))), "it names 0 | 1, and the document leaves out none of the 3 brokers"),
        (cut(sides=((0,), (1, 2, 3))), "it names 0 | 1, 2, 3, and there are 3 brokers"),
        (cut(sides=((0,), (0, 1, 2))), "it names one broker twice (0 | 0, 1, 2)"),
        (cut(sides=((0, 1, 2),)), "it names 1 groups of brokers, and the document 2"),
        (cut(sides=()), "it names 0 groups of brokers, and the document 2"),
        (cut(links=LINKS[:1]), "the links that are recorded are not those between 0 | 1, 2"),
        (cut(at=6), "it is recorded as injecting at 6.00 s, and was due 5s after the steady state began (2.00 s)"),
        (cut(until=10), "it was healed 2.00 s after it was recorded as injecting, and the document says 4s"),
        (cut(without=["injecting"]), "nobody recorded that it was injected"),
        (cut(number=1), "the recording holds occurrence 2 of `cut`, and its document has 1"),
        (cut(number=-1), "the recording holds occurrence 0 of `cut`, and its document has 1"),
    ],
)
def test_another_fault_than_the_documents(records, words):
    (found,) = said(*records, *FIRST, *SECOND)
    assert (found.reason, found.fault) == ("FaultContradicts", "cut")
    assert words in found.message


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([*stop(0, 10, 12), *SECOND], "was due 3s after `cut` took effect (8.00 s) at the earliest"),
        ([*FIRST, *stop(1, 20, 21)], "was due 13s after `cut` took effect"),
        ([*stop(0, 12, 13, victims=(1, 2)), *SECOND], "it names 1, 2, and the document PartitionLeader of partition 0"),
        ([*FIRST, *stop(1, 22, 23)[:-1], replace(SECOND[-1], groups=((2,),))], "its steps name different brokers"),
    ],
)
def test_what_follows_and_repeats(records, words):
    (found,) = said(*CUT, *records)
    assert (found.reason, found.fault) == ("FaultContradicts", "stop")
    assert words in found.message


def test_a_fault_that_the_document_does_not_name():
    strange = whole("other", "kill", (1,), at=30 * S, until=31 * S)
    (found,) = said(*CUT, *FIRST, *SECOND, *strange)
    assert (found.reason, found.fault) == ("FaultContradicts", "other")
    assert found.message == "the recording holds a fault `other`, and its document has none of that name"


@pytest.mark.parametrize(
    "records",
    [
        [*cut(at=9, until=40), *stop(0, 50, 60), *stop(1, 61, 62)],  # late, and longer: a busy machine
        [*CUT, *stop(0, 12, 13, victims=(2,)), *stop(1, 22, 23, victims=(0,))],  # a role may have moved
    ],
)
def test_what_may_be_is_no_contradiction(records):
    assert told(*records) == []


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ([], "no sample shows any of its 4 links failing on Raft"),
        ([link(9, ok=True)], "no sample shows any of its 4 links failing on Raft"),
        ([link(7), link(13)], "no sample shows any of its 4 links failing on Raft"),
        ([link(9, plane="Replication")], "no sample shows any of its 4 links failing on Raft"),
        ([link(9, pair=(1, 2))], "no sample shows any of its 4 links failing on Raft"),
        ([link(9), link(10, ok=True)], "a new connection 0 -> 1 on Raft succeeded at 10.00 s, while it was in effect"),
    ],
)
def test_links_that_say_otherwise(seen, words):
    (found,) = said(*cut(seen=seen), *FIRST, *SECOND)
    assert found.reason == "FaultContradicts"
    assert words in found.message


@pytest.mark.parametrize(
    "seen",
    [
        link(10, ok=True, plane="Replication"),
        link(10, ok=True, pair=(1, 2)),
        link(10, ok=True, connection="kept"),  # kept open connections may be spared
        link(8.5, ok=True),
        link(11.5, ok=True),
    ],
)
def test_links_that_may_be_whole(seen):
    assert told(*cut(seen=[link(9), seen]), *FIRST, *SECOND) == []


@pytest.mark.parametrize(
    ("broker", "at", "reachable", "contradicts"),
    [
        (1, 13.5, True, True),
        (1, 13.5, False, False),
        (2, 13.5, True, False),
        (1, 12.5, True, False),  # it may have been asked before
        (1, 14.5, True, False),  # it may have answered later
    ],
)
def test_who_is_away_answers_nobody(broker, at, reachable, contradicts):
    status = StatusSample(broker, int(at * S), int(at * S) + 1, reachable)
    found = said(*CUT, *stop(0, 12, 15), *SECOND, status)
    assert [each.message.partition(": ")[2] for each in found] == (
        ["broker 1 answered at 13.50 s, when it was to be away"] if contradicts else []
    )


def test_the_clocks_error_is_allowed_for():
    early = [*cut(at=6), *FIRST, *SECOND]
    assert told(*early) == [("FaultContradicts", "cut")]
    assert told(*early, header=replace(HEADER, clock_error_ns=S)) == []


def test_one_that_was_lost_or_broken_off_may_be_short():
    short = cut(until=10)
    lost = replace(short[-1], step=FaultStep.LOST, before_ns=9 * S, after_ns=9 * S)
    assert told(*short, lost, *FIRST, *SECOND) == []
    broken_off = History([HEADER, STEADY, *short, *FIRST, *SECOND, Footer(99 * S, aborted=True)])
    assert contradictions(broken_off, EXPERIMENT) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"brokers": 5}, "the header of the recording says brokers 5, and its document means 3"),
        ({"target": "etcd"}, "the header of the recording says target etcd, and its document means skerry"),
        ({"model": "register"}, "the header of the recording says model register, and its document means log"),
    ],
)
def test_a_header_of_another_run(change, words):
    (found,) = said(*CUT, *FIRST, *SECOND, header=replace(HEADER, **change))
    assert (found.reason, found.message) == ("HeaderContradicts", words)


def write(partition=0, **more):
    asked = {"acks": "All", "idempotent": True} | more
    return Produce(1, "t", partition, S, 2 * S, Outcome.OK, first_value=1 << 40, count=1, base_offset=0, **asked)


@pytest.mark.parametrize(
    ("writes", "reason", "words"),
    [
        ([write()], "", ""),
        ([write(), write(acks="Leader", idempotent=False, directed_to=1)], "", ""),  # a probe asks for what it likes
        (
            [write(), write(acks="Leader")],
            "WorkloadContradicts",
            "with acks=Leader, idempotent, and its document means",
        ),
        ([write(acks="None", idempotent=False)], "WorkloadContradicts", "wrote with acks=None, and its document means"),
        (
            [write(idempotent=False)],
            "WorkloadContradicts",
            "with acks=All, and its document means acks=All, idempotent",
        ),
        ([write(partition=1)], "NotTried", "never wrote to 1 partition of `topic.partitions` (1), the first is 0"),
        ([write(partition=1), write(directed_to=2)], "NotTried", "never wrote to 1 partition"),
    ],
)
def test_a_workload_that_was_not_the_documents(writes, reason, words):
    found = said(*CUT, *FIRST, *SECOND, *writes)
    assert [each.reason for each in found] == ([reason] if reason else [])
    assert all(words in each.message for each in found)


def test_no_expectation_is_judged_by_a_fault_that_was_not_the_documents():
    """Neither side of it may be blamed for what it did, nor is it proof of anything."""
    document = DOCUMENT + "  expect:\n  - {name: x, writesRefused: {by: {fault: cut}, within: 1s}}\n"
    for sides, reason in ((SIDES, "NotProbed"), (((1, 2), (0,)), "FaultContradicts")):
        records = [*cut(sides=sides), *FIRST, *SECOND, write(), END]
        found = check(History([replace(HEADER, document=document), STEADY, *records]))
        assert [each.reason for each in found if each.name == "x"] == [reason]


def test_what_the_run_said_itself_is_not_said_again():
    why = Finding(FindingKind.RUN, "run", Verdict.INCONCLUSIVE, "the run was over", reason="Timeout")
    assert told(FindingSeen(3 * S, why)) == []
