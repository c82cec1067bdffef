"""The two tables of evidence: the pair matrix over what could be measured, and the offset grid of a failure."""

from __future__ import annotations

import pytest

from skerry.checker import check
from skerry.experiment import load_document
from skerry.history import History
from skerry.history.records import (
    DumpedBatch,
    FaultEvent,
    FaultStep,
    Fetch,
    Footer,
    Header,
    LinkSample,
    Outcome,
    Produce,
    ReplicaDump,
)
from skerry.report.evidence import MATRICES_MAX, OFFSETS_MAX, offset_grids, pair_matrices
from skerry.schema.verdict import Verdict

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


# --- pairs ----------------------------------------------------------------------------------------------------------


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


def matrix(*records, experiment=EXPERIMENT):
    (found,) = pair_matrices(History([HEADER, *records]), 3, experiment)
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
    assert bool(pair_matrices(History([HEADER, *life(), sample]), 3, EXPERIMENT)) is counts


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
    assert len(pair_matrices(History([HEADER, *events, link(0, 1, 2000, False)]), 3, EXPERIMENT)) == MATRICES_MAX


# --- offsets --------------------------------------------------------------------------------------------------------


def v(n):
    return 1 << 40 | n


def ack(n, offset, at, epoch=0):
    return Produce(
        1, "t", 0, at * MS, (at + 1) * MS, Outcome.OK, "All", v(n), 1, base_offset=offset, leader=epoch,
        leader_epoch=epoch, idempotent=True,
    )  # fmt: skip


def run(acks, log):
    """Acknowledgements, and the log that the final read and three disks then show, as numbers of records."""
    values, end = tuple(v(n) for n in log), len(log)
    tail = Fetch(9, "t", 0, 901 * MS, 902 * MS, Outcome.OK, end, end, (), end, 1, 1, final=True)
    final = Fetch(9, "t", 0, 900 * MS, 901 * MS, Outcome.OK, 0, 0, values, end, 1, 1, final=True)
    batches = tuple(DumpedBatch(offset, 0, value, 1, 5) for offset, value in enumerate(values))
    dumps = [ReplicaDump("t", 0, broker, 0, end, end, batches) for broker in range(3)]
    return History([HEADER, *acks, final, tail, *dumps, Footer(1000 * MS)])


def grid_of(rule, history):
    """The first grid of this rule: its guilty offsets, and its rows with contradicting cells between brackets."""
    grid = next(
        grid
        for grid in offset_grids(history, check(history, EXPERIMENT))
        if rule in {name for name, _ in grid.findings}
    )
    rows = {
        row.label: " ".join(f"[{cell.text}]" if cell.odd_one else cell.text or "-" for cell in row.cells)
        for row in grid.rows
    }
    return grid.offsets, grid.guilty, rows


def test_a_lost_write_stands_against_final_read_and_disks():
    offsets, guilty, rows = grid_of("lost-write", run([ack(0, 0, 10), ack(1, 1, 20), ack(2, 2, 30)], [0, 1]))
    assert (offsets, guilty) == ((0, 1, 2, 3, 4, 5, 6), (2,))
    assert rows == {
        "0.010 s  write, broker 0 epoch 0": "1:0 - - - - - -",
        "0.020 s  write, broker 0 epoch 0": "- 1:1 - - - - -",
        "0.030 s  write, broker 0 epoch 0": "- - 1:2 - - - -",
        "0.900 s  final read": "1:0 1:1 - - - - -",
        "disk of broker 0": "1:0 1:1 - - - - -",
        "disk of broker 1": "1:0 1:1 - - - - -",
        "disk of broker 2": "1:0 1:1 - - - - -",
    }


def test_of_two_values_at_one_offset_the_one_that_did_not_survive_is_odd():
    _, guilty, rows = grid_of("inconsistent-offset", run([ack(0, 0, 10), ack(1, 1, 20), ack(2, 1, 40, 1)], [0, 2]))
    assert guilty == (1,)
    assert rows["0.020 s  write, broker 0 epoch 0"] == "- [1:1] - - - -"
    assert rows["0.040 s  write, broker 1 epoch 1"] == "- 1:2 - - - -"
    assert rows["0.900 s  final read"] == "1:0 1:2 - - - -"


def test_a_record_that_is_there_twice_is_odd_at_both_offsets():
    _, _, rows = grid_of("duplicate", run([ack(0, 0, 10), ack(1, 1, 20)], [0, 1, 0]))
    assert rows["0.900 s  final read"].startswith("[1:0] 1:1 [1:0]")


def test_a_healthy_run_has_no_grid():
    history = run([ack(0, 0, 10)], [0])
    findings = check(history, EXPERIMENT)
    assert not any(finding.verdict is Verdict.FAIL for finding in findings)
    assert offset_grids(history, findings) == []


def test_many_lost_writes_fit_on_a_page():
    acks = [ack(n, n, n) for n in range(300)]
    history = run(acks, range(200))
    for grid in offset_grids(history, check(history, EXPERIMENT)):
        assert len(grid.offsets) <= OFFSETS_MAX
        assert len(grid.rows) + grid.left_out >= len(grid.rows)
        assert any("disk of broker" in row.label for row in grid.rows)
