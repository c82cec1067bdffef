"""The honesty matrix: every fault, in every world that can do it, by a layer that lies, and what becomes of it.

``python tests/conformance/honesty_matrix.py [sim] [local] [kubernetes]`` asks these worlds (none named: all) every lie
again and writes the page; tests compare each cell.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from lies import LIES, SENSELESS

from skerry.engine.bounds import Bounds
from skerry.faults.port import Feature
from skerry.faults.registry import FAULTS
from skerry.worlds.kubernetes.faults.registry import HANDLERS as KUBERNETES
from skerry.worlds.kubernetes.opt_ins import OptIns
from skerry.worlds.local.faults.registry import HANDLERS as LOCAL
from skerry.worlds.sim.faults.registry import HANDLERS as SIM

JsonObject = dict[str, Any]
PAGE = Path(__file__).parents[2] / "docs" / "honesty-matrix.md"
TWO = [[{"ordinal": 2}], [{"ordinal": 0}]]
VICTIM = {"target": {"ordinal": 2}}
ROWS: dict[str, tuple[str, JsonObject]] = {
    "partition": ("partition", {"groups": TWO}),
    "partition, one way": ("partition", {"links": [{"from": {"ordinal": 2}, "to": {"ordinal": 0}}]}),
    "slow": ("slow", {"between": TWO, "latency": "100ms"}),
    "kill, how: Process": ("kill", VICTIM | {"how": "Process"}),
    "kill, how: PodDelete": ("kill", VICTIM | {"how": "PodDelete", "gracePeriod": "2s"}),
    "restart, how: Kill": ("restart", {"targets": [{"ordinal": 2}], "how": "Kill"}),
    "restart, how: Graceful": ("restart", {"targets": [{"ordinal": 2}], "how": "Graceful"}),
    "pause": ("pause", VICTIM),
    "wipe": ("wipe", VICTIM),
    "disk, slowBy": ("disk", VICTIM | {"slowBy": "300ms"}),
    "clock, jump": ("clock", VICTIM | {"jump": "1s"}),
    "clock, driftPpm": ("clock", VICTIM | {"driftPpm": 20_000}),
}
"""Feature -> (fault, body); every fault of the registry has at least one, and a test refuses one that has none."""
EVERYTHING = OptIns(grant=True, label=True, hold=True, namespace="skerry")
WORLDS: dict[str, frozenset[Feature]] = {
    "sim": frozenset().union(*(handler.can for handler in SIM.values())),
    "local": frozenset().union(*(handler.can for handler in LOCAL.values())),
    "kubernetes": frozenset().union(*(handler.can(EVERYTHING) for handler in KUBERNETES.values())),
}
S = 1_000_000_000
BOUNDS = Bounds(
    steady_hold_ns=S // 2,
    recover_hold_ns=S // 2,
    verify_ns=3 * S,
    heal_ns=8 * S,
    heal_retry_ns=3 * S,
    deadline_margin_ns=3 * S,
)
"""Short: what is judged does not depend on them."""
HEAD = """# What becomes of a fault layer that lies

Written by `tests/conformance/honesty_matrix.py`; tests compare every cell. Each row is a fault in a world that can do
it, each column a layer that reports the fault as done and does something else (`tests/conformance/lies.py`). A cell is
the reason of the Inconclusive verdict; none is a Pass. What a world cannot do is not in it: it is refused before the
run, as `UnsupportedFault`. On Kubernetes the same is shown for partitions and deleted pods, against a lying cluster
(`tests/skerry/kubernetes/test_honesty.py`). The local world has no rows yet.

"""


class Cell(NamedTuple):
    row: str
    world: str
    lie: str


class Told(NamedTuple):
    reason: str
    sentence: str


def senseless(row: str, lie: str) -> str:
    """Why the lie cannot be told of this fault; empty: it can."""
    return SENSELESS.get((row, lie)) or SENSELESS.get((ROWS[row][0], lie), "")


def cells_of_world(world: str) -> Iterator[Cell]:
    """Every lie that this world can tell, fault by fault."""
    for row, lie in product(ROWS, LIES):
        if row in WORLDS[world] and not senseless(row, lie):
            yield Cell(row, world, lie)


def fault(name: str, row: str, lasts: str) -> JsonObject:
    """As it stands in a document; ``lasts`` by the fault's own field or by `duration`."""
    kind, body = ROWS[row]
    ending = FAULTS[kind].ending
    own = FAULTS[kind].body.model_validate(body).lasts_ns() is not None
    if not own:
        return {"name": name, kind: body, "duration": lasts}
    return {"name": name, kind: body | ({ending.field: lasts} if ending is not None and ending.counts else {})}


def document(*faults: JsonObject) -> str:
    """The smallest experiment with these faults, as text."""
    spec = {
        "hypothesis": "The layer that carries the fault out lies.",
        "topic": {"name": "orders", "partitions": 1, "replicationFactor": 3, "minInSyncReplicas": 2},
        "workload": {"producers": 1, "consumers": 0, "ratePerSecond": 20},
        "timeout": "3m",
        "allow": ["BelowMinIsr", "QuorumLoss"],
        "faults": list(faults),
    }
    head = {"apiVersion": "skerry.dev/v1alpha1", "kind": "ChaosExperiment", "metadata": {"name": "lie"}}
    return json.dumps(head | {"spec": spec})


# --- the page ---------------------------------------------------------------------------------------------


def page(cells: Mapping[Cell, str]) -> str:
    """The whole page; a pair without a cell makes no sense, and a list below the table says why."""
    lines = [f"| fault | world | {' | '.join(LIES)} |", "|---" * (len(LIES) + 2) + "|"]
    for row in ROWS:
        for world in WORLDS:
            if any(cell.row == row and cell.world == world for cell in cells):
                found = [cells.get(Cell(row, world, lie), "") for lie in LIES]
                lines.append(f"| {row} | {world} | {' | '.join(f'`{each}`' if each else '-' for each in found)} |")
    lines += ["", "Where there is a dash the lie makes no sense:", ""]
    lines += [f"- `{what}`, {lie}: {why}." for (what, lie), why in sorted(SENSELESS.items())]
    return HEAD + "\n".join(lines) + "\n"


def cells_of(text: str) -> dict[Cell, str]:
    """The cells of a page."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    return {
        Cell(row, world, lie): cell.strip("`")
        for row, world, *cells in rows
        for lie, cell in zip(LIES, cells, strict=True)
        if cell != "-"
    }


def main(*worlds: str) -> None:
    """Ask every lie, print what became of it, and write the page."""
    cells = cells_of(PAGE.read_text())
    for world in worlds or _asking():
        for cell, told in _asking()[world]().items():
            cells[cell] = told.reason
            sys.stdout.write(f"{' · '.join(cell)}: {told.reason}: {told.sentence}\n")
    PAGE.write_text(page(cells))


def _asking() -> dict[str, Callable[[], dict[Cell, Told]]]:
    import honesty_in_sim

    return {"sim": honesty_in_sim.ask_all}


if __name__ == "__main__":
    main(*sys.argv[1:])
