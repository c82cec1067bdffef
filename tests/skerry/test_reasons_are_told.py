"""Every reason of an Inconclusive run is explained, with what to do: a word that nobody explains helps nobody."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from skerry.report.reasons import SECTIONS, page, todo

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "operator" / "skerry"
CAMEL = re.compile(r"([A-Z][a-z]+){2,}|Aborted|Interrupted|Timeout|Stalled|Unresolved")
SAYS_WHY = {"_end", "_finish_now", "inconclusive", "_fail", "_give_up", "unknown", "undecided"}
"""What is called with the reason of an Inconclusive finding."""


def reasons() -> Iterator[str]:
    for path in (path for folder in ("engine", "checker", "expectations") for path in (PACKAGE / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _name(node.func) in SAYS_WHY:
                yield from (each for each in _texts(node.args) if CAMEL.fullmatch(each))
            elif isinstance(node, ast.Call) and _says_inconclusive(node):
                yield from _texts([each.value for each in node.keywords if each.arg == "reason"])
            elif (
                isinstance(node, ast.Yield)
                and isinstance(node.value, ast.Tuple)
                and path.stem in ("recording", "evidence")
            ):
                yield from (each for each in _texts(node.value.elts) if CAMEL.fullmatch(each))


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _says_inconclusive(call: ast.Call) -> bool:
    return any(each.arg == "verdict" and _name(each.value) == "INCONCLUSIVE" for each in call.keywords)


def _texts(nodes: list[ast.expr]) -> Iterator[str]:
    return (each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str))


def test_every_reason_is_explained() -> None:
    found = set(reasons())
    assert {"InjectionFailed", "NoSteadyState", "HistoryCutOff", "NeverShrank", "RunEnded", "Stalled"} <= found, (
        "the search still finds them"
    )
    told = {name for section in SECTIONS for row in section.reasons for name in row.names}
    assert sorted(found - told) == []


def test_every_reason_says_what_to_do() -> None:
    rows = [row for section in SECTIONS for row in section.reasons]
    assert [row.names for row in rows if not row.happened or not row.todo] == []
    assert todo("NoSteadyState") != todo("NoSteadyState", expectation=True), "it means two things"
    assert todo("Timeout", expectation=True) == todo("Timeout")
    assert todo("NobodySaysSo") == ""
    assert all(todo(name).endswith((".", "?")) for row in rows for name in row.names)


def test_the_page_is_the_table() -> None:
    assert (ROOT / "docs" / "inconclusive.md").read_text() == page(), "run hack/generate.py"
