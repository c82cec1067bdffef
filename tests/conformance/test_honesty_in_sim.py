"""No verdict is a Pass where the fault layer lies: every lie on every fault, in the simulated world."""

from __future__ import annotations

from itertools import product

import pytest
from honesty_matrix import BODIES, PAGE, cells_of, page, verdict
from lies import LIES, SENSELESS

from skerry.experiment import Verdict
from skerry.faults.registry import FAULTS
from skerry.worlds.sim.faults.registry import HANDLERS

REASONS = {"NotVerified", "FaultLost", "NotHealed"}
CELLS = cells_of(PAGE.read_text())


def test_every_fault_is_asked_every_lie():
    assert set(BODIES) == set(FAULTS)
    assert {(kind, lie) for kind, lie in SENSELESS} <= set(product(FAULTS, LIES))


def test_the_page_has_a_cell_for_every_lie_and_no_pass():
    assert set(CELLS) == set(product(FAULTS, LIES)) - set(SENSELESS)
    assert set(CELLS.values()) <= REASONS
    assert page(CELLS) == PAGE.read_text()


@pytest.mark.parametrize("kind", list(BODIES))
def test_an_honest_layer_passes(kind, tmp_path):
    assert verdict(kind, tmp_path)[0] is Verdict.PASS


@pytest.mark.parametrize(
    ("kind", "lie"),
    [pair for pair in product(BODIES, LIES) if pair not in SENSELESS],
    ids=lambda value: value,
)
def test_a_lie_is_never_a_pass(kind, lie, tmp_path, monkeypatch):
    monkeypatch.setitem(HANDLERS, kind, LIES[lie](HANDLERS[kind]))
    found, reason, message = verdict(kind, tmp_path)
    assert found is Verdict.INCONCLUSIVE, message
    assert reason == CELLS[kind, lie], f"the page is old, run tests/conformance/honesty_matrix.py: {message}"
