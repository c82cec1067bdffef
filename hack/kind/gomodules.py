"""Text of the small Go modules that pin one program's dependencies each. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_BLOCK = re.compile(r"^replace \(\n(.*?)^\)", re.MULTILINE | re.DOTALL)
_SINGLE = re.compile(r"^replace ([^(\n]+)$", re.MULTILINE)


def replacements(go_mod: str) -> dict[str, str]:
    """Left side -> right side of every `replace` in a go.mod. Go ignores a dependency's: they are repeated."""
    lines = [line for block in _BLOCK.findall(go_mod) for line in block.splitlines()] + _SINGLE.findall(go_mod)
    found = {}
    for line in lines:
        left, arrow, right = line.split("//")[0].partition("=>")
        if arrow:
            found[left.strip()] = right.strip()
    return found


def staging(go_mod: str, version: str) -> dict[str, str]:
    """Kubernetes' own libraries, replaced by folders in its repository, as published modules of one release."""
    return {left: f"{left} {version}" for left, right in replacements(go_mod).items() if right.startswith("./staging/")}


def go_mod(name: str, go: str, requires: dict[str, str], replaces: dict[str, str], lines: Iterable[str] = ()) -> str:
    """The text of a go.mod. `replaces` maps a path, or a path and version, to a path and version."""
    out = [f"module {name}", "", f"go {go}", "", *lines, ""]
    out += [f"require {path} {version}" for path, version in requires.items()]
    if replaces:
        out += ["", "replace (", *(f"\t{left} => {right}" for left, right in replaces.items()), ")"]
    return "\n".join(out) + "\n"
