"""The reference page of what is checked, from the docstrings that define it: ``python -m skerry.checker.catalogue``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from skerry.checker.models import register
from skerry.checker.models.log import PROPERTIES
from skerry.checker.models.log.evidence import ALWAYS
from skerry.expectations.registry import EXPECTATIONS
from skerry.targets import registry
from skerry.targets.guarantees import Guarantee, GuaranteeTable

_GUARANTEES = {
    Guarantee.DURABLE: "there for ever",
    Guarantee.LINEARIZABLE: "linearizable",
    Guarantee.ONCE: "once",
    Guarantee.ORDERED: "in order, whole batches",
}


def markdown() -> str:
    """`docs/properties.md`, whole."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# What is checked"
    yield ""
    yield "Generated from the docstrings of `skerry.checker`: change them there, then run"
    yield "`python -m skerry.checker.catalogue > docs/properties.md`."
    yield ""
    yield "Whether a fault was there at all is judged beside these: [the honesty matrix](honesty-matrix.md) shows what"
    yield "becomes of a layer that lies about one."
    yield ""
    yield "## What is owed"
    yield ""
    yield "To every write to a log, whatever was asked for: " + ALWAYS + "."
    yield ""
    yield "Beyond that, by what the write asked for, as the system under test says it. Every finding names its row."
    for name in registry.BUILT_IN:
        yield from _owed(name, registry.target(name).owes)
    yield ""
    yield "## Properties"
    yield ""
    yield "Always checked; no field of a document turns one off."
    for rule in PROPERTIES:
        yield from _entry(rule.name, rule.definition)
    yield ""
    yield "## Properties of registers"
    yield ""
    yield "Always checked of a system whose clients put and get values under keys. `recording` and `stalls` as above."
    for rule in register.PROPERTIES:
        if rule not in PROPERTIES:
            yield from _entry(rule.name, rule.definition)
    yield ""
    yield "## Expectations"
    yield ""
    yield "Checked when a document asks. When a fault began and ended is known to two edges each. Upper bounds are"
    yield "judged on the widest window that these allow, lower bounds and what must not happen on the narrowest; where"
    yield "a bracket is wider than a tenth of the limit, and decides, the answer is Inconclusive (`BracketTooWide`). An"
    yield "expectation of a fault that was not verified is Inconclusive; of one that ended by itself, what was settled"
    yield "before stands."
    for name, expectation in EXPECTATIONS.items():
        yield from _entry(name, expectation.definition)


def _owed(target: str, table: GuaranteeTable) -> Iterator[str]:
    yield ""
    yield f"By `{target}`." + (f" *Within budget*: {table.budget}." if table.budget else "")
    yield ""
    yield "| row | " + " | ".join(_GUARANTEES.values()) + " |"
    yield "|---" * (len(_GUARANTEES) + 1) + "|"
    for row in table.rows:
        yield f"| {row.name} | " + " | ".join("yes" if g in row.guarantees else "" for g in _GUARANTEES) + " |"


def _entry(name: str, definition: str) -> Iterator[str]:
    yield ""
    yield f"### {name}"
    yield ""
    yield definition.strip()


if __name__ == "__main__":
    sys.stdout.write(markdown())
