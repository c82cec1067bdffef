"""Every experiment of the repository can be read, is meant, and would not be refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from skerry.engine.plan import make_plan
from skerry.experiment import Experiment, load_document
from skerry.targets import registry

OURS = registry.target(registry.DEFAULT)
ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "experiments").rglob("*.y*ml"))


def load(path: Path) -> Experiment:
    return load_document(path.read_text(encoding="utf-8"), source_name=path.name)


def test_every_scenario_is_there() -> None:
    numbers = {path.relative_to(ROOT / "experiments").parts[0][:2] for path in FILES if load(path).target is OURS}
    assert numbers == {f"{number:02}" for number in range(1, 16)}


def test_systems_of_others_have_a_folder_of_their_name() -> None:
    others = [path for path in FILES if load(path).target is not OURS]
    assert [path.parent.name for path in others] == [load(path).target.name for path in others]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_plans_without_a_refusal_and_expects_something(path: Path) -> None:
    experiment = load(path)
    plan = make_plan(experiment, seed=1)
    assert plan.refusals == ()
    assert plan.occurrences, "nothing would happen"
    assert all(occurrence.groups for occurrence in plan.occurrences), "a fault would meet nobody"
    assert experiment.spec.expect, "nothing is expected"
    assert experiment.spec.seed is not None, "a replay needs a seed"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_begins_with_what_it_proves(path: Path) -> None:
    comment = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.removeprefix("#").strip())
    text = " ".join(comment)
    assert len(text) >= 60, "say in a sentence or two what it proves"
    assert text.endswith((".", ")")), "a whole sentence"


def test_no_two_have_one_name() -> None:
    """The name is the object's name in a cluster, and the directory of its runs."""
    names = Counter(load(path).name for path in FILES)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_named_after_its_experiment(path: Path) -> None:
    assert path.stem.split("-", 1)[1] in load(path).name
