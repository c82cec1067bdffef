"""What a property is: a name, a definition in words, a function. And what becomes of one that crashes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from skerry.checker.findings import undecided
from skerry.checker.guarantees import Guarantees
from skerry.schema.verdict import Finding, FindingKind

CheckFunction = Callable[[Any, Guarantees], Iterable[Finding]]
"""(a model's evidence, the guarantees of the run) -> findings. The model pairs it with what it can read."""


@dataclass(frozen=True)
class Property:
    """One thing that must hold of every run.

    ``definition`` is the docstring of its module, and the text of ``docs/properties.md``.
    ``check`` yields a finding for each way in which it did not hold, or one Pass with numbers.
    """

    name: str
    definition: str
    check: CheckFunction
    kind: FindingKind = FindingKind.SAFETY
    timed: bool = False
    """It compares moments of the run's clock, so it says nothing when that went back (``common.clock``)."""


def run_property(rule: Property, evidence: object, guarantees: Guarantees) -> list[Finding]:
    """A property that crashes, or says nothing, has proved nothing: Inconclusive, never a Pass."""
    try:
        findings = list(rule.check(evidence, guarantees))
    except Exception as error:
        what = f"the check of {rule.name} crashed ({type(error).__name__}: {error}); nothing is known about it"
        return [undecided(rule.name, "CheckerCrashed", what, kind=rule.kind)]
    if not findings:
        return [undecided(rule.name, "CheckerSilent", f"the check of {rule.name} said nothing", kind=rule.kind)]
    return findings
