"""What everybody says of the offsets that a finding convicts: one table a partition."""

from __future__ import annotations

from skerry.checker import check
from skerry.experiment import load_document
from skerry.history import History
from skerry.history.records import (
    DumpedBatch,
    Fetch,
    Footer,
    Header,
    Outcome,
    Produce,
    ReplicaDump,
)
from skerry.report.offsets import OFFSETS_MAX, offset_grids
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
    """The first grid of this rule: its convicted offsets, and its rows with contradicting cells between brackets."""
    grid = next(
        grid
        for grid in offset_grids(history, check(history, EXPERIMENT))
        if rule in {name for name, _ in grid.findings}
    )
    rows = {
        row.label: " ".join(f"[{cell.text}]" if cell.odd_one else cell.text or "-" for cell in row.cells)
        for row in grid.rows
    }
    return grid.offsets, grid.convicted, rows


def test_a_lost_write_stands_against_final_read_and_disks():
    offsets, convicted, rows = grid_of("lost-write", run([ack(0, 0, 10), ack(1, 1, 20), ack(2, 2, 30)], [0, 1]))
    assert (offsets, convicted) == ((0, 1, 2, 3, 4, 5), (2,))
    assert rows == {
        "0.010 s  write, broker 0 epoch 0": "1:0 - - - - -",
        "0.020 s  write, broker 0 epoch 0": "- 1:1 - - - -",
        "0.030 s  write, broker 0 epoch 0": "- - 1:2 - - -",
        "0.900 s  final read": "1:0 1:1 - - - -",
        "disk of broker 0": "1:0 1:1 - - - -",
        "disk of broker 1": "1:0 1:1 - - - -",
        "disk of broker 2": "1:0 1:1 - - - -",
    }


def test_of_two_values_at_one_offset_the_one_that_did_not_survive_is_odd():
    _, convicted, rows = grid_of("inconsistent-offset", run([ack(0, 0, 10), ack(1, 1, 20), ack(2, 1, 40, 1)], [0, 2]))
    assert convicted == (1,)
    assert rows["0.020 s  write, broker 0 epoch 0"] == "- [1:1] - - -"
    assert rows["0.040 s  write, broker 1 epoch 1"] == "- 1:2 - - -"
    assert rows["0.900 s  final read"] == "1:0 1:2 - - -"


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


def test_one_table_a_partition_whatever_is_found_there():
    """A lost write breaks several rules, and each of them names the same place."""
    history = run([ack(0, 0, 10), ack(1, 1, 20), ack(2, 1, 40, 1)], [0, 2])
    (grid,) = offset_grids(history, check(history, EXPERIMENT))
    assert {"lost-write", "inconsistent-offset"} <= {name for name, _ in grid.findings}
