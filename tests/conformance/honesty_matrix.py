"""The honesty matrix: every fault, in every world that can do it, by a layer that lies, and what becomes of it.

``python tests/conformance/honesty_matrix.py [sim] [local] [kubernetes]`` asks these worlds (none named: all) every lie
again and writes the page; tests compare each cell.
"""

from __future__ import annotations

import importlib
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
    heal_retry_ns=4 * S,
    deadline_margin_ns=4 * S,
)
"""Short; but a heal that did nothing shows only when the deadline comes more than 2 s after it."""
HEAD = """# What becomes of a fault layer that lies

Written by `tests/conformance/honesty_matrix.py`; tests compare every cell. Each row is a fault in a world that can do
it, each column a layer that reports the fault as done and does something else (`tests/conformance/lies.py`). A cell is
the reason of the Inconclusive verdict; none is a Pass. What a world cannot do is not in it: it is refused before the
run, as `UnsupportedFault`.

- `sim`: a handler lies. One run for each cell.
- `local`: a handler lies, on the real proxy and real broker processes. Many lies are told one after the other on one
  cluster, and a cell is what was found of that fault. `make test` asks a part: each fault at least two lies, each lie
  at least twice (`tests/conformance/honesty_in_local.py` chooses them); `make honesty` asks all of them, and shows that
  nothing is found of an honest layer in between.
- `kubernetes`: the cluster lies, and the operator is as it is: the network plugin about policies, kubelet and injector
  about processes, each against an API server in the test's own process (`tests/skerry/kubernetes/lying_cluster.py`).
  One run for each cell. On a real cluster the plugin is stopped, and policies and pods are changed by others
  (`tests/e2e/kubernetes/test_honesty.py`); those are stories, and not in the table.

Not found: a power cut of a disk that loses less than it was to lose, because nothing that is looked at shows it.

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
        "timeout": "6m",
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
            if row in WORLDS[world]:
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
    for world in worlds or WORLDS:
        found = _asking(world)()
        for cell, told in found.items():
            sys.stdout.write(f"{' · '.join(cell)}: {told.reason}: {told.sentence}\n")
        sys.stdout.flush()
        PAGE.write_text(page(cells_of(PAGE.read_text()) | {cell: told.reason for cell, told in found.items()}))


def _asking(world: str) -> Callable[[], dict[Cell, Told]]:
    """Who asks this world every lie."""
    tests = Path(__file__).parents[1]
    sys.path.append(str(tests / "skerry" / "kubernetes"))
    name = {"sim": "honesty_in_sim", "local": "honesty_in_local", "kubernetes": "test_honesty"}[world]
    asking: Callable[[], dict[Cell, Told]] = importlib.import_module(name).ask_all
    return asking


if __name__ == "__main__":
    main(*sys.argv[1:])
