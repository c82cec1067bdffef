"""The page of the honesty matrix holds what it promises: a cell for every fault, world and lie, and no Pass."""

from __future__ import annotations

from itertools import product

from honesty_in_sim import LASTS
from honesty_matrix import PAGE, ROWS, WORLDS, cells_of, cells_of_world, document, fault, page
from lies import LIES, SENSELESS

from skerry.engine.needs import needed_features
from skerry.experiment import load_document
from skerry.faults.registry import FAULTS, features

REASONS = {"NotVerified", "FaultLost", "NotHealed"}
CELLS = cells_of(PAGE.read_text())


def test_every_fault_has_a_row_and_every_row_is_a_feature_of_its_fault():
    assert {kind for kind, _ in ROWS.values()} == set(FAULTS)
    assert set(ROWS) <= set(features())
    for row, (kind, _) in ROWS.items():
        needed = needed_features(load_document(document(fault("lie", row, LASTS)), "lie.yaml").spec)
        assert row in needed, f"the row is not about {row}"
        assert row in FAULTS[kind].features


def test_whatever_makes_no_sense_is_a_fault_or_a_row_and_a_lie():
    assert set(SENSELESS) <= set(product((*FAULTS, *ROWS), LIES))


def test_the_page_has_a_cell_for_every_lie_and_no_pass():
    assert set(CELLS) == {cell for world in WORLDS for cell in cells_of_world(world)}
    assert set(CELLS.values()) <= REASONS
    assert page(CELLS) == PAGE.read_text()


def test_a_world_has_a_row_of_every_fault_that_it_can_do():
    for world, can in WORLDS.items():
        kinds = {kind for kind, each in FAULTS.items() if can & set(each.features)}
        assert {kind for row, (kind, _) in ROWS.items() if row in can} == kinds, world
