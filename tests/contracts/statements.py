"""The statements of a module without its expressions: a twelfth of its nodes, and what most of the rules are about."""

from __future__ import annotations

import ast
from collections.abc import Iterator

BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")
"""Where other statements stand in one, and the handlers and cases that hold some."""


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Those below ``node``, however deep."""
    for block in BLOCKS:
        for child in getattr(node, block, ()):
            yield child
            yield from statements(child)
