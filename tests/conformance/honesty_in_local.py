"""Asks the local world: on one cluster of real processes many lies, one after the other, after an honest fault.

Each is a fault of the document, and its name says which lie its handler tells. What is found of one fault keeps a run
from being a Pass whatever the others do, so that each is judged by the findings that name it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
from honesty_matrix import BOUNDS, ROWS, Cell, JsonObject, Told, cells_of_world, document, fault
from lies import ANOTHER, EARLY, ENDLESS, HALF, LATE, NOTHING
from lies_in_local import lying, told_by_name

from skerry.engine.conductor import Conductor
from skerry.experiment import Verdict, load_document
from skerry.worlds.local.faults.registry import HANDLERS
from skerry.worlds.local.world import CAPABILITIES, LocalWorld, RunResult

FAULTS_MAX = 16
HEAL_NS = 20_000_000_000
"""A broker that was kept away until its deadline, and starts on a busy machine, is back by then."""
EACH = 2
LASTS_MS = 1500
SHORTENED_MS = 2500
LONG_MS = 3000
"""What begins 2 s late has to begin while it lasts; a broker that comes back early has to have come back."""
PAUSE_MS = 1500
"""More than what lies between the two edges of a beginning: the next one counts from the early edge, the heal from the
late one, and two at once would collide."""
ROLLING_MS = 12_000
"""A restart is over when its victim has registered; the next fault would collide with it."""
BOUNDS_HERE = msgspec.structs.replace(BOUNDS, heal_ns=HEAL_NS)
STARTS = ("kill", "wipe", "restart")
"""Their victims are back when they have started; what did nothing to them is waited for until the heal is given up."""


class Outcome(NamedTuple):
    verdict: Verdict
    told: dict[Cell, Told]
    """Every cell that was asked, with the reason why it is no Pass; the reason is empty where nothing was found."""
    events: str
    """For a failing test."""


def name_of(cell: Cell) -> str:
    """Unlike any other of the matrix, and short enough for a document."""
    row = cell.row.rpartition(", ")[2].removeprefix("how: ")
    return re.sub(r"[^a-z0-9]+", "-", f"{row} {cell.lie or 'honest'}".lower())


def with_honest(cells: Iterable[Cell]) -> list[Cell]:
    """An honest fault before the lies about each."""
    found: list[Cell] = []
    for cell in cells:
        honest = cell._replace(lie="")
        if honest not in found:
            found.append(honest)
        found.append(cell)
    return found


def chain(cells: Sequence[Cell]) -> str:
    """One fault for each, every one when the one before is over."""
    faults: list[JsonObject] = []
    after_ms, before = PAUSE_MS, None
    for cell in cells:
        lasts_ms = _lasts_ms(cell)
        when = {"startAfter": f"{after_ms}ms"} | ({"following": name_of(before)} if before is not None else {})
        faults.append(fault(name_of(cell), cell.row, f"{lasts_ms}ms") | when)
        after_ms, before = (ROLLING_MS if ROWS[cell.row][0] == "restart" else lasts_ms) + PAUSE_MS, cell
        if cell.lie == ENDLESS:  # a fault of one end of a link would excuse it from being seen to be healed
            after_ms += BOUNDS.deadline_margin_ns // 1_000_000
    return document(*faults)


def _lasts_ms(cell: Cell) -> int:
    if cell.lie == LATE or (cell.lie == EARLY and ROWS[cell.row][0] in STARTS):
        return LONG_MS
    return SHORTENED_MS if cell.lie == EARLY else LASTS_MS


async def run(cells: Sequence[Cell], directory: Path) -> Outcome:
    """``directory`` is new. While it runs the handlers lie, in the whole process."""
    text = chain(cells)
    experiment = load_document(text, "lies.yaml")
    world = LocalWorld(experiment, text, seed=7, directory=directory, version="test")
    result = await world.run(Conductor(experiment, 7, CAPABILITIES, bounds=BOUNDS_HERE))
    return Outcome(result.finish.verdict, {cell: _told(result, cell) for cell in cells}, _story(result))


def _told(result: RunResult, cell: Cell) -> Told:
    found = [each for each in result.finish.findings if each.fault == name_of(cell) and each.verdict != Verdict.PASS]
    return Told(found[0].reason, found[0].message) if found else Told("", "")


def _story(result: RunResult) -> str:
    """What happened to each fault, and what was found."""
    lines = [
        f"{event.before_ns / 1e9:.2f} {event.fault} {event.step}: {event.detail}" for event in result.history.faults
    ]
    lines += [f"{each.verdict} {each.reason} {each.message}" for each in result.finish.findings]
    return "\n".join(lines)


async def ask(*chains: Sequence[Cell], directory: Path) -> list[Outcome]:
    """Each on a cluster of its own, all at once: most of a run is waiting."""
    honest = dict(HANDLERS)
    tellers: dict[str, dict[str, object]] = {}
    for cell in (cell for cells in chains for cell in cells):
        kind = ROWS[cell.row][0]
        tellers.setdefault(kind, {})[name_of(cell)] = lying(kind, cell.lie, honest)
    folders = [directory / str(number) for number in range(len(chains))]
    for folder in folders:
        folder.mkdir()
    try:
        HANDLERS.update({kind: told_by_name(honest[kind], names) for kind, names in tellers.items()})
        return list(await asyncio.gather(*(run(cells, folder) for cells, folder in zip(chains, folders, strict=True))))
    finally:
        HANDLERS.update(honest)


def chains_of(cells: Sequence[Cell]) -> list[list[Cell]]:
    """As few documents as hold them all, the rows of one beside each other."""
    found: list[list[Cell]] = [[]]
    for row in dict.fromkeys(cell.row for cell in cells):
        asked = with_honest(cell for cell in cells if cell.row == row)
        if len(found[-1]) + len(asked) > FAULTS_MAX:
            found.append([])
        found[-1] += asked
    return found


def core() -> list[Cell]:
    """Cells that ask of each fault at least two lies, and each lie of at least two; those are chosen first that serve
    both, and of these the cheapest. Restarts, which the next one would have to wait for, come last."""
    left, chosen = list(cells_of_world("local")), []
    wanted = {what: EACH for cell in left for what in (ROWS[cell.row][0], cell.lie)}

    def serves(cell: Cell) -> int:
        return sum(wanted[what] > 0 for what in (ROWS[cell.row][0], cell.lie))

    while any(number > 0 for number in wanted.values()):
        best = min(left, key=lambda cell: (-serves(cell), cost_s(cell)))
        left.remove(best)
        chosen.append(best)
        for what in (ROWS[best.row][0], best.lie):
            wanted[what] -= 1
    order = list(cells_of_world("local"))
    return sorted(chosen, key=lambda cell: (ROWS[cell.row][0] == "restart", order.index(cell)))


def cost_s(cell: Cell) -> float:
    """About how long a cell takes."""
    starts = ROWS[cell.row][0] in STARTS
    if starts and (cell.lie in (NOTHING, ANOTHER) or (cell.lie == HALF and ROWS[cell.row][0] == "wipe")):
        return HEAL_NS / 1e9  # it is not back until nobody waits for it any more
    return 2 + 2 * starts + {LATE: 1.5, EARLY: 1, ENDLESS: 3}.get(cell.lie, 0)


def ask_all() -> dict[Cell, Told]:
    """Two documents at a time."""
    chains = chains_of(list(cells_of_world("local")))
    found: dict[Cell, Told] = {}
    for first in range(0, len(chains), 2):
        with TemporaryDirectory() as directory:
            for outcome in asyncio.run(ask(*chains[first : first + 2], directory=Path(directory))):
                found |= outcome.told
    return {cell: told for cell, told in found.items() if cell.lie}
