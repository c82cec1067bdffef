"""What was measured of a fault: the matrix of pairs over what could be measured, and the interval in which it held."""

from __future__ import annotations

import pytest

from skerry.experiment import load_document
from skerry.history import History
from skerry.history.records import FaultEvent, FaultStep, Header, LinkSample
from skerry.report.pairs import FAULTS_MAX, MATRICES_MAX, measured_faults

MS = 1_000_000
DOCUMENT = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: cut}
spec:
  hypothesis: Nothing is lost.
  topic: {name: t, partitions: 1}
  faults:
  - {name: cut, duration: 5s, partition: {groups: [[{ordinal: 0}], [{role: Other}]], planes: [Raft, Replication]}}
"""
EXPERIMENT = load_document(DOCUMENT, source_name="cut")
HEADER = Header(1, "cut", DOCUMENT, "local", 7, 0, "test", 3)


def fault(step, before, after, number=0, kind="partition"):
    groups, links = ((0,), (1, 2)), ((0, 1), (0, 2), (1, 0), (2, 0))
    if kind != "partition":
        groups, links = ((0,),), ()
    return FaultEvent("cut", number, step, before * MS, after * MS, 0, kind, groups, links)


def life(number=0, kind="partition"):
    steps = ((FaultStep.EFFECTIVE, 1000, 1010), (FaultStep.VERIFIED, 1000, 1400), (FaultStep.HEALING, 5000, 5010))
    return [fault(*step, number=number, kind=kind) for step in steps]


def link(source, target, at, ok, connection="kept", plane="Raft", rtt_ms=-1):
    return LinkSample(source, target, plane, connection, at * MS, (at + 10) * MS, ok, rtt_ns=rtt_ms * MS)


def measured(*records, experiment=EXPERIMENT):
    """The one fault that took effect."""
    (found,) = measured_faults(History([HEADER, *records]), 3, experiment)
    return found


def matrix(*records):
    (found,) = measured(*records).matrices
    return [[(cell.word, cell.css) for cell in row] for row in found.cells]


NOTHING, CUT, OK = ("", "none"), ("cut", "cut"), ("ok", "ok")


def test_a_cut_pair_is_as_asked_and_one_that_answers_is_a_leak():
    assert matrix(
        *life(),
        link(0, 1, 2000, False),
        link(1, 0, 2000, True),
        link(1, 2, 2000, True),
        link(2, 1, 2000, False),
        link(2, 0, 2000, False),
        link(2, 0, 3000, True),
    ) == [
        [NOTHING, CUT, NOTHING],
        [("ok", "leak"), NOTHING, OK],
        [("1 of 2", "leak"), ("cut", "leak"), NOTHING],
    ]


@pytest.mark.parametrize(
    ("sample", "counts"),
    [
        (link(0, 1, 900, False), False),  # before it took effect
        (link(0, 1, 1100, True), False),  # a kept connection is silent for 300 ms before it has failed
        (link(0, 1, 1100, True, "new"), True),  # a new one cannot be opened at once
        (link(0, 1, 1311, True), True),
        (link(0, 1, 4989, True), True),
        (link(0, 1, 4995, True), False),  # answered after the heal was sent
        (link(0, 1, 5100, True), False),
    ],
)
def test_only_what_was_measured_while_the_cut_could_be_measured_counts(sample, counts):
    assert bool(measured(*life(), sample).matrices) is counts


def test_a_plane_that_nobody_cut_is_not_meant_to_fail():
    assert matrix(*life(), link(0, 1, 2000, True, plane="Client"))[0][1] == OK
    assert matrix(*life(), link(0, 1, 2000, False, plane="Client"))[0][1] == ("cut", "leak")


def test_nobody_reaches_a_broker_that_was_killed():
    assert matrix(*life(kind="kill"), link(1, 0, 2000, False), link(1, 2, 2000, True))[1] == [CUT, NOTHING, OK]


def test_a_slow_network_shows_its_round_trip():
    samples = [link(0, 1, 2000 + n, True, rtt_ms=rtt) for n, rtt in enumerate((200, 210, 900))]
    assert matrix(*life(kind="slow"), *samples)[0][1] == ("210 ms", "ok")


def test_a_fault_that_repeats_for_ever_does_not_fill_the_page():
    events = [event for number in range(100) for event in life(number)]
    samples = [link(0, 1, 2000, False, plane=plane) for plane in ("Raft", "Replication", "Client")]
    found = measured_faults(History([HEADER, *events, *samples]), 3, EXPERIMENT)
    assert (len(found), sum(len(each.matrices) for each in found)) == (FAULTS_MAX, MATRICES_MAX)


# --- since when, until when -----------------------------------------------------------------------------------------


def sampled(source, target, down_from, down_to, until=6000, connection="kept"):
    """A sample every 200 ms, failing from one moment to another (ms)."""
    return [link(source, target, at, not down_from <= at < down_to, connection) for at in range(0, until, 200)]


def test_a_fault_lasts_from_when_its_last_wire_failed_to_when_its_first_pair_answered():
    found = measured(*life(), *sampled(0, 1, 1000, 5200), *sampled(1, 0, 1400, 4400))
    assert (str(found.interval.began), str(found.interval.ended)) == ("1.20-1.41 s", "4.20-4.41 s")
    assert (
        found.interval.sentence == "in effect from 1.20-1.41 s to 4.20-4.41 s: at least 2.79 s of the 5.00 s asked for"
    )


def test_a_pair_that_answers_in_the_middle_ends_it_there():
    leaky = [each for each in sampled(0, 1, 1000, 5200) if each.before_ns != 3000 * MS]
    found = measured(*life(), *leaky, link(0, 1, 3000, True))
    assert str(found.interval.ended) == "2.80-3.01 s"


def test_a_new_connection_that_was_asked_once_does_not_shorten_what_kept_ones_show():
    once = [link(0, 1, 900, True, "new"), link(0, 1, 1300, False, "new"), link(0, 1, 5100, True, "new")]
    assert str(measured(*life(), *sampled(0, 1, 1000, 5200), *once).interval.ended) == "5.00 s"


def test_a_cut_that_never_cut_was_never_in_effect():
    steps = [fault(FaultStep.EFFECTIVE, 1000, 1010), fault(FaultStep.UNVERIFIED, 4000, 4000)]
    assert measured(*steps, *sampled(0, 1, 0, 0)).interval.sentence == "never seen in effect"


def test_what_the_engine_measured_stands_where_the_samples_do_not_contradict_it():
    told = "in effect from 1.00-1.01 s to 5.00 s: at least 3.99 s of the 5.00 s asked for"
    assert measured(*life(kind="wipe")).interval.sentence == told
    rarely = [link(0, 1, at, not 1000 <= at < 5000) for at in range(0, 8000, 900)]
    assert measured(*life(), *rarely).interval.sentence == told


def test_occurrences_of_a_fault_do_not_borrow_from_each_other():
    def steps(number, at):
        return [
            fault(FaultStep.EFFECTIVE, at, at + 10, number),
            fault(FaultStep.VERIFIED, at, at + 400, number),
            fault(FaultStep.HEALING, at + 1000, at + 1010, number),
        ]

    samples = [
        link(0, 1, at, not (1000 <= at < 2000 or 4000 <= at < 5000)) for at in range(0, 6000, 200)
    ]  # fmt: skip
    first, second = measured_faults(History([HEADER, *steps(0, 1000), *steps(1, 4000), *samples]), 3, EXPERIMENT)
    assert (str(first.interval.began), str(first.interval.ended)) == ("1.00-1.01 s", "2.00 s")
    assert (str(second.interval.began), str(second.interval.ended)) == ("4.00-4.01 s", "5.00 s")
