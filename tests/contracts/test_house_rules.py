"""House rules that a machine can check: sizes, docstrings, nothing left for later, no cycle of files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from statements import statements

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("broker/**/*.py"), *ROOT.glob("operator/**/*.py")])
NAMES = [str(path.relative_to(ROOT)) for path in SOURCES]
TESTS = {str(path.relative_to(ROOT)): path for path in sorted(ROOT.glob("tests/**/*.py"))}

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50

LONG_MODULES = {}
"""Those that are longer than they may be, and how long. An entry may shrink or go; none is added."""
LONG_FUNCTIONS = {
    "broker/skerry_broker/broker.py start": 68,
    "broker/skerry_broker/storage/storage.py open": 90,
    "operator/skerry/worlds/kubernetes/workload.py job_manifest": 55,
    "operator/skerry/worlds/kubernetes/world.py __init__": 66,
    "operator/skerry/worlds/sim/cluster.py __init__": 60,
    "operator/skerry/worlds/sim/node_host.py __init__": 70,
    "operator/skerry/worlds/sim/plan.py _draw_fault": 90,
}
"""The same of functions, with their docstrings."""


def too_long(found: dict[str, int], limit: int, allowed: dict[str, int]) -> list[str]:
    """A sentence for each that is longer than it may be, and for each exception that is none any more."""
    wrong = [
        f"{name} has {lines} lines, {allowed.get(name, limit)} are allowed: split it"
        for name, lines in found.items()
        if lines > allowed.get(name, limit)
    ]
    return wrong + [
        f"{name} is short enough now: take it off the list" for name in allowed if found.get(name, 0) <= limit
    ]


def module_lengths() -> dict[str, int]:
    modules = {**dict(zip(NAMES, SOURCES, strict=True)), **TESTS}
    return {name: path.read_text().count("\n") for name, path in modules.items()}


def function_lengths() -> dict[str, int]:
    """The longest of a name in a file."""
    found: dict[str, int] = {}
    for name, path in zip(NAMES, SOURCES, strict=True):
        for node in statements(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                found[f"{name} {node.name}"] = max(lines, found.get(f"{name} {node.name}", 0))
    return found


def test_there_are_sources() -> None:
    assert len(SOURCES) > 50


def test_modules_stay_small() -> None:
    wrong = too_long(module_lengths(), MODULE_LINES_MAX, LONG_MODULES)
    assert wrong == [], "\n" + "\n".join(wrong)


def test_functions_stay_small() -> None:
    wrong = too_long(function_lengths(), FUNCTION_LINES_MAX, LONG_FUNCTIONS)
    assert wrong == [], "\n" + "\n".join(wrong)


def test_a_length_is_found_wrong_in_both_directions() -> None:
    assert too_long({"a": 401, "b": 450, "c": 400}, 400, {"b": 440, "c": 410}) == [
        "a has 401 lines, 400 are allowed: split it",
        "b has 450 lines, 440 are allowed: split it",
        "c is short enough now: take it off the list",
    ]


def test_a_module_explains_itself() -> None:
    silent = [name for name, path in zip(NAMES, SOURCES, strict=True) if not path.read_text().startswith('"""')]
    assert silent == [], "a module opens with what it is for"


def test_nothing_is_left_to_do_later() -> None:
    pattern = re.compile(r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError")
    found = [
        f"{name}:{number}"
        for name, path in zip(NAMES, SOURCES, strict=True)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


# --- no cycle of files ------------------------------------------------------------------------------------------


def imported(module: ast.AST, known: frozenset[str]) -> Iterator[str]:
    """The files that one imports, also inside its functions; not what it imports for the type checker alone."""
    for node in ast.iter_child_nodes(module):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for other in node.orelse:
                yield from imported(other, known)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in known else node.module
        yield from imported(node, known)


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """Names that lead back to the first one; empty: there is no cycle."""
    done: set[str] = set()
    for start in graph:
        stack: list[tuple[str, Iterator[str]]] = [(start, iter(sorted(graph[start])))]
        on_path = {start: 0}
        while stack and start not in done:
            name, rest = stack[-1]
            following = next((other for other in rest if other in graph and other not in done), None)
            if following is None:
                stack.pop()
                on_path.pop(name)
                done.add(name)
            elif following in on_path:
                return [*(name for name, _ in stack[on_path[following] :]), following]
            else:
                on_path[following] = len(stack)
                stack.append((following, iter(sorted(graph[following]))))
    return []


def test_no_files_import_each_other_in_a_circle() -> None:
    modules = {}
    for path in SOURCES:
        parts = path.relative_to(ROOT).with_suffix("").parts[1:]
        modules[".".join(parts).removesuffix(".__init__")] = path
    known = frozenset(modules)
    graph = {name: set(imported(ast.parse(path.read_text()), known)) - {name} for name, path in modules.items()}
    assert sum(map(len, graph.values())) > 500, "imports are not seen"
    assert cycle(graph) == []


def test_a_circle_is_found() -> None:
    assert cycle({"a": {"b"}, "b": {"c", "d"}, "c": {"d"}, "d": set()}) == []
    assert cycle({"a": {"b"}, "b": {"c", "d"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]
    known = frozenset({"a", "a.b", "c"})
    source = (
        "import c\nfrom a import b\nfrom a import x\nif TYPE_CHECKING:\n    import z\ndef f():\n    from c import y\n"
    )
    assert list(imported(ast.parse(source), known)) == ["c", "a.b", "a", "c"]
