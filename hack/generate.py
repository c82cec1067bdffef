"""Write the files that are generated: the CRD (twice), the reference page, the page of reasons, the page of
which document runs where.

Run it after a change of `skerry.experiment` or of `skerry.report.reasons`; `--check` writes nothing and exits 1 when a
file is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from skerry.cli import abilities
from skerry.experiment import Experiment, load_document
from skerry.experiment.reference import reference_text
from skerry.experiment.schema import crd_text
from skerry.report import reasons

ROOT = Path(__file__).resolve().parent.parent


def generated() -> dict[Path, str]:
    """Path -> what it must hold. The chart has a copy of the CRD, because a link does not survive every packaging."""
    return {
        ROOT / "crds" / "chaosexperiments.yaml": crd_text(),
        ROOT / "helm" / "skerry" / "crds" / "chaosexperiments.yaml": crd_text(),
        ROOT / "docs" / "experiment-reference.md": reference_text(),
        ROOT / "docs" / "inconclusive.md": reasons.page(),
        ROOT / "docs" / "experiments.md": abilities.page(documents()),
    }


def documents() -> list[tuple[str, Experiment]]:
    """(path, experiment) of every document that is shipped."""
    paths = sorted((ROOT / "experiments").rglob("*.yaml"))
    return [(path.relative_to(ROOT).as_posix(), load_document(path.read_text(), path.name)) for path in paths]


def main() -> int:
    stale = [(path, text) for path, text in generated().items() if not path.exists() or path.read_text() != text]
    for path, text in stale:
        print(f"{'out of date' if '--check' in sys.argv else 'wrote'}: {path.relative_to(ROOT)}")
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
