"""The simulator runs the product's own machines: it neither subclasses nor patches what it drives."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import skerry.worlds.sim
from skerry.worlds.sim.chaos import run_plan
from skerry.worlds.sim.node_host import NodeHost
from skerry.worlds.sim.plan import draw_plan
from skerry_broker.core.client import Client
from skerry_broker.core.node import Node

MODULES = sorted(Path(skerry.worlds.sim.__file__).parent.rglob("*.py"))
DRIVEN = ("Node", "Client")


def offences(source: str) -> list[str]:
    """What a module does to the core that the real runtime could not do."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            bases = {ast.unparse(base).rsplit(".", 1)[-1] for base in node.bases}
            found += [f"line {node.lineno}: subclasses {base}" for base in sorted(bases.intersection(DRIVEN))]
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Attribute):
                    owner = ast.unparse(target.value)
                    if owner.rsplit(".", 1)[-1] in (*DRIVEN, "node", "machine"):
                        found.append(f"line {node.lineno}: sets {ast.unparse(target)}")
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("setattr", "object.__setattr__", "patch"):
            found.append(f"line {node.lineno}: calls {ast.unparse(node.func)}")
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            owner = ast.unparse(node.value)
            if owner.rsplit(".", 1)[-1] in ("node", "machine"):
                found.append(f"line {node.lineno}: reaches into {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_neither_subclasses_nor_patches_the_core(path: Path) -> None:
    assert offences(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "class Fast(Node): pass",
        "class Fast(core.client.Client): pass",
        "host.node.next_deadline = None",
        "Node.step = None",
        "setattr(thing, 'step', None)",
        "self.machine._wake = 1",
        "x = host.node._raft.term",
    ],
)
def test_the_scan_sees_what_it_should(source: str) -> None:
    assert offences(source)


def test_runs_the_very_classes() -> None:
    made: list[Node] = []

    def factory(*arguments: object) -> Node:
        made.append(Node(*arguments))  # type: ignore[arg-type]  # the host's own arguments
        return made[-1]

    assert run_plan.__defaults__ == (Node,)
    assert "Client(config" in Path(skerry.worlds.sim.__file__).with_name("clients.py").read_text()
    assert Client.__module__ == "skerry_broker.core.client"
    assert NodeHost.step.__qualname__ == "NodeHost.step"
    result = run_plan(draw_plan(0), factory)
    assert result.passed, result.story()
    assert {type(node) for node in made} == {Node}
