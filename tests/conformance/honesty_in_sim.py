"""Asks the simulated world: one run for each lie, in virtual time."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from honesty_matrix import BOUNDS, ROWS, Cell, Told, cells_of_world, document, fault
from lies_in_sim import lying

from skerry.engine.conductor import Conductor
from skerry.experiment import Verdict, load_document
from skerry.worlds.sim.faults.registry import HANDLERS
from skerry.worlds.sim.world import CAPABILITIES, SimWorld

LASTS = "3s"


def verdict(row: str, lie: str, directory: Path) -> tuple[Verdict, Told]:
    """Run it, with the layer that tells this lie; empty: with the honest one."""
    kind = ROWS[row][0]
    text = document(fault("lie", row, LASTS) | {"startAfter": "500ms"})
    experiment = load_document(text, "lie.yaml")
    honest = dict(HANDLERS)
    try:
        if lie:
            HANDLERS[kind] = lying(kind, lie, honest)
        world = SimWorld(experiment, text, 7, directory, "test")
        finish = world.run(Conductor(experiment, 7, CAPABILITIES, bounds=BOUNDS)).finish
    finally:
        HANDLERS.update(honest)
    return finish.verdict, Told(finish.reason, finish.message)


def ask_all() -> dict[Cell, Told]:
    found = {}
    for cell in cells_of_world("sim"):
        with TemporaryDirectory() as directory:
            found[cell] = verdict(cell.row, cell.lie, Path(directory))[1]
    return found
