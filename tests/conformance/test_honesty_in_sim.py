"""No verdict is a Pass where the fault layer lies: every lie on every fault, in the simulated world."""

from __future__ import annotations

import pytest
from honesty_in_sim import verdict
from honesty_matrix import PAGE, ROWS, WORLDS, Cell, cells_of, cells_of_world

from skerry.experiment import Verdict

CELLS = cells_of(PAGE.read_text())


@pytest.mark.parametrize("row", [row for row in ROWS if row in WORLDS["sim"]])
def test_an_honest_layer_passes(row, tmp_path):
    found, told = verdict(row, "", tmp_path)
    assert found is Verdict.PASS, told.sentence


@pytest.mark.parametrize("cell", list(cells_of_world("sim")), ids=lambda cell: f"{cell.row}-{cell.lie}")
def test_a_lie_is_never_a_pass(cell: Cell, tmp_path):
    found, told = verdict(cell.row, cell.lie, tmp_path)
    assert found is Verdict.INCONCLUSIVE, told.sentence
    assert told.reason == CELLS[cell], f"the page is old, run tests/conformance/honesty_matrix.py: {told.sentence}"
    assert "`lie" in told.sentence, "it names the fault"
