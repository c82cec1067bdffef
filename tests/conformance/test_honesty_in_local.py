"""No fault is proven where its layer lies, on real processes. All of it takes minutes; a part is always asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from honesty_in_local import EACH, Outcome, ask, chains_of, core, name_of
from honesty_matrix import PAGE, ROWS, WORLDS, Cell, cells_of, cells_of_world
from lies import LIES

from skerry.experiment import Verdict

pytestmark = [pytest.mark.local, pytest.mark.timeout(200)]

CELLS = cells_of(PAGE.read_text())
CHAINS = chains_of(list(cells_of_world("local")))


def judge(outcome: Outcome) -> None:
    """As the page has it, and nothing is found of a fault whose layer is honest."""
    assert outcome.verdict is Verdict.INCONCLUSIVE, outcome.events
    reasons = {cell: told.reason for cell, told in outcome.told.items()}
    assert reasons == {cell: CELLS.get(cell, "") for cell in outcome.told}, outcome.events
    for cell, told in outcome.told.items():
        assert not cell.lie or f"`{name_of(cell)}" in told.sentence, "it names the fault"


def test_a_lie_is_never_proven(tmp_path: Path) -> None:
    """The core of the matrix, on two clusters at once."""
    cells = core()
    for outcome in asyncio.run(ask(cells[::2], cells[1::2], directory=tmp_path)):
        judge(outcome)


@pytest.mark.long
@pytest.mark.timeout(500)
@pytest.mark.parametrize("cells", CHAINS, ids=lambda cells: f"{cells[0].row} and more")
def test_no_lie_is_proven(cells: list[Cell], tmp_path: Path) -> None:
    (outcome,) = asyncio.run(ask(cells, directory=tmp_path))
    judge(outcome)


def test_the_core_asks_every_fault_and_every_lie_twice() -> None:
    cells = core()
    for kind in {ROWS[row][0] for row in ROWS if row in WORLDS["local"]}:
        assert sum(ROWS[cell.row][0] == kind for cell in cells) >= EACH, kind
    for lie in LIES:
        assert sum(cell.lie == lie for cell in cells) >= EACH, lie
    assert len(cells) == len(set(cells)) < len(list(cells_of_world("local"))) / 3


def test_the_whole_holds_every_cell_and_an_honest_fault_of_every_row() -> None:
    asked = [cell for cells in CHAINS for cell in cells]
    assert {cell for cell in asked if cell.lie} == set(cells_of_world("local"))
    assert {cell.row for cell in asked if not cell.lie} == {row for row in ROWS if row in WORLDS["local"]}
    assert len({name_of(cell) for cell in asked}) == len(asked)
