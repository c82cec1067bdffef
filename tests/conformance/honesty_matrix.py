"""The honesty matrix of the simulated world: every lie on every fault, and what becomes of it.

``python tests/conformance/honesty_matrix.py`` asks every lie again and writes the page; a test compares each cell.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from lies import LIES, SENSELESS

from skerry.experiment import Verdict, load_document
from skerry.faults.registry import FAULTS
from skerry.worlds.sim.faults.registry import HANDLERS
from skerry.worlds.sim.world import run_simulated

PAGE = Path(__file__).parents[2] / "docs" / "honesty-matrix.md"
VICTIM = {"target": {"ordinal": 2}}
BODIES = {
    "partition": {"groups": [[{"ordinal": 2}], [{"ordinal": 0}]]},
    "slow": {"between": [[{"ordinal": 2}], [{"ordinal": 0}]], "latency": "100ms"},
    "kill": VICTIM | {"how": "Process", "downFor": "4s"},
    "restart": {"targets": [{"ordinal": 2}], "how": "Kill"},
    "pause": VICTIM,
    "wipe": VICTIM | {"downFor": "4s"},
    "disk": VICTIM | {"slowBy": "300ms"},
    "clock": VICTIM | {"jump": "1s"},
}
"""One fault of each kind; a kind without a line here is refused by a test."""
HEAD = """# What becomes of a fault layer that lies

Written by `tests/conformance/honesty_matrix.py`; a test compares every cell. Each row is a fault of the simulated
world, each column a layer that reports the fault as done and does something else (`tests/conformance/lies.py`). A cell
is the reason of the Inconclusive verdict; none is a Pass. On Kubernetes the same is shown for partitions and deleted
pods, against a lying cluster (`tests/skerry/kubernetes/test_honesty.py`). The local world has no such table yet.

"""


def document(kind: str) -> str:
    """The smallest experiment with this fault, as text."""
    body = FAULTS[kind].body.model_validate(BODIES[kind])
    fault = {"name": "lie", "startAfter": "1s", kind: BODIES[kind]}
    spec = {
        "hypothesis": "The layer that carries the fault out lies.",
        "workload": {"producers": 1, "consumers": 0, "ratePerSecond": 20},
        "timeout": "3m",
        "allow": ["BelowMinIsr"],
        "faults": [fault if body.lasts_ns() is not None else fault | {"duration": "4s"}],
    }
    head = {"apiVersion": "skerry.dev/v1alpha1", "kind": "ChaosExperiment", "metadata": {"name": "lie"}}
    return json.dumps(head | {"spec": spec})


def verdict(kind: str, directory: Path) -> tuple[Verdict, str, str]:
    """Run it, by whatever handlers there are: verdict, reason, message."""
    text = document(kind)
    finish = run_simulated(load_document(text, "lie.yaml"), text, 7, directory, "test").finish
    return finish.verdict, finish.reason, finish.message


def page(cells: dict[tuple[str, str], str]) -> str:
    """The whole page; a pair without a cell makes no sense, and a list below the table says why."""
    lines = [f"| fault | {' | '.join(LIES)} |", "|---" * (len(LIES) + 1) + "|"]
    for kind in BODIES:
        row = [f"`{cells[kind, lie]}`" if (kind, lie) in cells else "-" for lie in LIES]
        lines.append(f"| `{kind}` | {' | '.join(row)} |")
    lines += ["", "Where there is a dash the lie makes no sense:", ""]
    lines += [f"- `{kind}`, {lie}: {why}." for (kind, lie), why in sorted(SENSELESS.items())]
    return HEAD + "\n".join(lines) + "\n"


def cells_of(text: str) -> dict[tuple[str, str], str]:
    """The cells of a page."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {
        (kind.strip("`"), lie): cell.strip("`")
        for kind, *cells in rows
        for lie, cell in zip(LIES, cells, strict=True)
        if cell != "-"
    }


def main() -> None:
    """Ask every lie, print what became of it, and write the page."""
    found = {}
    for kind in BODIES:
        honest = HANDLERS[kind]
        for lie, told in LIES.items():
            if (kind, lie) in SENSELESS:
                continue
            HANDLERS[kind] = told(honest)
            with TemporaryDirectory() as directory:
                said, reason, message = verdict(kind, Path(directory))
            found[kind, lie] = reason
            sys.stdout.write(f"{kind:10} {lie:15} {said:13} {reason:12} {message}\n")
        HANDLERS[kind] = honest
    PAGE.write_text(page(found))


if __name__ == "__main__":
    main()
