"""The engine speaks no word of a system under test, nor do the faults, nor does an expectation that is not of one model
alone, nor do the packages that judge, record, watch and command, nor the worlds that drive processes and pods: what
they want to know they ask of the target's port. What clients of a log do and what must then hold of it, `workload/log`
and `checker/models/log`, is said in the words of logs.

The rule, to the letter: the text of every file of theirs (of `expectations`: directly in it), docstrings, comments and
messages included, is cut into words where anything but letters stands, and where a small letter meets a capital
(``minIsr``, ``in_sync``, ``TopicCreate``). Without regard to case, and in singular or plural, none of them is in
`WORDS`, and no two of them that follow each other are in `PAIRS`. There are no exceptions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from skerry.targets import registry

ROOT = Path(__file__).parents[2]
LABORATORY = ROOT / "operator/skerry"
ENGINE = sorted([*(LABORATORY / "engine").glob("**/*.py"), *(LABORATORY / "expectations").glob("*.py")])
OF_LOGS = (LABORATORY / "checker" / "models" / "log", LABORATORY / "workload" / "log")
OTHERS = sorted(
    path
    for package in ("faults", "checker", "controller", "runner", "observe", "workload", "cli")
    for path in (LABORATORY / package).glob("**/*.py")
    if not any(path.is_relative_to(folder) for folder in OF_LOGS)
)
DRIVERS = sorted(path for world in ("local", "kubernetes") for path in (LABORATORY / "worlds" / world).glob("**/*.py"))

WORDS = frozenset({"isr", "elr", "topic", "raft", "kafka", "watermark"}) | set(registry.BUILT_IN) - {"skerry"}
"""`skerry` is the name of the laboratory, too."""
PAIRS = frozenset({("in", "sync")})

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def words(line: str) -> list[str]:
    return [word.lower() for word in WORD.findall(line)]


def foreign(text: str) -> Iterator[str]:
    """Line and word of everything that does not belong into the engine."""
    for number, line in enumerate(text.splitlines(), 1):
        said = words(line)
        yield from (f"line {number}: {word}" for word in said if {word, word.removesuffix("s")} & WORDS)
        yield from (f"line {number}: {' '.join(pair)}" for pair in pairwise(said) if pair in PAIRS)


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_engine_speaks_no_word_of_a_system(path: Path) -> None:
    assert list(foreign(path.read_text())) == []


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(LABORATORY)))
def test_what_breaks_judges_records_or_tells_speaks_none_either(path: Path) -> None:
    assert list(foreign(path.read_text())) == []


@pytest.mark.parametrize("path", DRIVERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_world_of_real_nodes_speaks_none_either(path: Path) -> None:
    assert list(foreign(path.read_text())) == []


def test_there_are_such_files() -> None:
    assert {path.parent.name for path in ENGINE} >= {"engine", "expectations"}
    assert len(ENGINE) > 20
    assert len(OTHERS) > 60
    assert len(DRIVERS) > 40


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("least = spec.topic.min_in_sync_replicas", ["topic", "in sync"]),
        ("class TopicCreate:", ["topic"]),
        ('"""A full ISR, and all topics."""', ["isr", "topics"]),
        ('if Allowance.BELOW_MIN_ISR or "BelowMinIsr"', ["isr", "isr"]),
        ("view.raft_role, InSyncFollower, RAFT_PLANE", ["raft", "in sync", "raft"]),
        ("from skerry.targets.etcd.target import TARGET", ["etcd"]),
        ("a rafter in synchrony disrupts israel", []),
        ("from skerry.targets.port import RoleKind", []),
    ],
)
def test_a_word_is_found_however_it_is_written(line: str, found: list[str]) -> None:
    assert sorted(each.partition(": ")[2] for each in foreign(line)) == sorted(found)
