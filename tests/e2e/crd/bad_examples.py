"""The bad examples beside this file: experiments that nobody may create, and who says what about them.

A file in `bad/` begins with two comments: where the API server finds the mistake and what it says, and what the models
say. A file in `bad-update/` may not replace an experiment that exists; its second comment names the file of that one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.yaml"))

JsonObject = dict[str, Any]


class BadExample(NamedTuple):
    """One file."""

    file: Path
    text: str
    path: str
    """`spec.faults[0].kill`; empty: the object cannot even be decoded."""
    words: str
    """What the API server says there: a part of it."""
    models: str
    """What the models say: a part of it. Of an update: the experiment that exists."""

    def is_refused_in(self, output: str) -> bool:
        """One line of what kubectl printed has path and words."""
        start = f"{self.path}: " if self.path else ""
        return any(start in line and self.words in line[line.index(start) :] for line in output.splitlines())


class Rule(NamedTuple):
    """One rule of the CRD, wherever it stands."""

    condition: str
    message: str
    field: str

    @property
    def on_update_only(self) -> bool:
        return "oldSelf" in self.condition


def read(file: Path) -> BadExample:
    """Raises ValueError: the file does not begin with its two comments."""
    text = file.read_text(encoding="utf-8")
    head = re.match(r"# (?:((?:spec|metadata)[\w.\[\]]*): )?(.+)\n# (?:models|before): (.+)\n", text)
    if head is None:
        raise ValueError(f"{file.name} must begin with `# path: words of the API server` and `# models: their words`")
    return BadExample(file, text, head[1] or "", head[2], head[3])


BAD = [read(file) for file in sorted((HERE / "bad").glob("*.yaml"))]
BAD_UPDATES = [read(file) for file in sorted((HERE / "bad-update").glob("*.yaml"))]


def schema_nodes(node: JsonObject, path: str = "") -> Iterable[tuple[str, JsonObject]]:
    """Every node of a structural schema with its path: `spec.faults[].kill`."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from schema_nodes(child, f"{path}.{name}".removeprefix("."))
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from schema_nodes(node[key], f"{path}[]")


def rules_by_path(schema: JsonObject) -> dict[str, list[Rule]]:
    """Where a rule's complaint is found -> the rules that complain there."""
    found: dict[str, list[Rule]] = {}
    for path, node in schema_nodes(schema):
        for rule in node.get("x-kubernetes-validations", []):
            field = rule.get("fieldPath", "")
            where = f"{path}{field}".removeprefix(".")
            found.setdefault(where, []).append(Rule(rule["rule"], rule["message"], field))
    return found


def rules_hit_by(example: BadExample, rules: dict[str, list[Rule]]) -> list[Rule]:
    """The rules whose message stands at the example's path: one, or none when it breaks a bound, an enum, a type."""
    where = re.sub(r"\[\d+\]", "[]", example.path)
    return [rule for rule in rules.get(where, []) if example.words in rule.message]


def rules_without_example(schema: JsonObject, examples: list[BadExample], updates: list[BadExample]) -> set[Rule]:
    """The rules that no example breaks; those about updates need an example that is one."""
    rules = rules_by_path(schema)
    every = {rule for found in rules.values() for rule in found}
    hit = {rule for example in examples for rule in rules_hit_by(example, rules) if not rule.on_update_only}
    hit |= {rule for example in updates for rule in rules_hit_by(example, rules) if rule.on_update_only}
    return every - hit
