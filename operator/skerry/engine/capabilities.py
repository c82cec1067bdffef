"""What a world can do. A world that lacks a feature says so, with a sentence, before the run: never a silent skip."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

import msgspec

from skerry.expectations import registry as expectations
from skerry.faults.port import Feature, Relies
from skerry.faults.registry import FAULTS, features
from skerry.targets import registry
from skerry.targets.port import Target

PREPARE = Feature("prepare")
ELSEWHERE = Feature("prepare, of a role where an empty cluster leaves nobody to play it")
EMPTY_AT_FIRST = "its cluster is empty when a run begins, and then nobody whom `prepare` wants can play that role."
"""Why a world cannot do that."""
OTHER_PLANES = Feature("a fault of links on a plane on which nodes do not talk to each other")
NOTHING_THERE = "there is nothing on it between nodes that could be taken; leave `planes` out, or name others."
"""Why no world can do that."""
OTHER_FEATURES = (PREPARE, ELSEWHERE, OTHER_PLANES, *expectations.features())
"""What a document can need beside its faults."""


def all_features() -> frozenset[Feature]:
    """Everything that a document can need."""
    return frozenset((*features(), *OTHER_FEATURES))


class Handles(Protocol):
    """What a world says of one fault: which of its features it can do, and why not the others."""

    @property
    def can(self) -> Collection[Feature]: ...

    @property
    def cannot(self) -> Mapping[Feature, str]: ...


class Capabilities(msgspec.Struct, frozen=True):
    """``features`` it has; for some of those it lacks, ``reasons`` says why and what would help."""

    world: str
    features: frozenset[Feature]
    targets: frozenset[str]
    """The systems that it can have under test."""
    reasons: dict[Feature, str] = {}
    clock_error_ns: int = 0
    """How far two readings of its clocks may disagree."""
    injecting_ns: int = 0
    """How long an injection may be on its way here. A fault's own end counts from the decision: it is so much later, or
    a slow injection would be cut short by it."""

    def target_lacking(self, target: str) -> str:
        """A sentence, when the system is none that this world can have under test; else empty."""
        if target in self.targets:
            return ""
        return f"The {self.world} world cannot have `{target}` under test, only {', '.join(sorted(self.targets))}."

    def refusal(self, target: str, needed: frozenset[Feature]) -> tuple[str, str]:
        """Why a run is not begun: the reason and its sentences; both empty: it can be."""
        reason = "UnsupportedTarget" if self.target_lacking(target) else "UnsupportedFault"
        lacking = " ".join(self.all_lacking(target, needed))
        return (reason, lacking) if lacking else ("", "")

    def all_lacking(self, target: str, needed: frozenset[Feature]) -> list[str]:
        """Every reason why a document cannot be run, as sentences: the system itself, else the features."""
        unsupported = self.target_lacking(target)
        return [unsupported] if unsupported else self.lacking(needed)

    def lacking(self, needed: frozenset[Feature]) -> list[str]:
        """One sentence for each feature that is needed and missing, in a fixed order; empty when all are there."""
        return [
            f"The {self.world} world cannot do `{feature}`"
            + (f": {self.reasons[feature]}" if feature in self.reasons else ".")
            for feature in sorted(needed - self.features)
        ]


def capabilities_from(
    world: str,
    handlers: Iterable[Handles],
    others: Collection[Feature],
    reasons: Mapping[Feature, str],
    *,
    under_test: Callable[[Target], bool],
    clock_error_ns: int = 0,
    injecting_ns: int = 0,
) -> Capabilities:
    """What a world can do, by its handlers.

    ``others``: which of `OTHER_FEATURES` it has.
    ``reasons``: why it lacks the rest of those.
    ``under_test``: whether it can have that system under test, by what the system says of itself.
    """
    can, cannot = set(others), {OTHER_PLANES: NOTHING_THERE, **reasons}
    for handler in handlers:
        can |= set(handler.can)
        cannot |= handler.cannot
    targets = frozenset(name for name in registry.names() if under_test(registry.target(name)))
    return Capabilities(world, frozenset(can), targets, cannot, clock_error_ns, injecting_ns)


def capabilities_for(found: Capabilities, target: Target) -> Capabilities:
    """What can be done to this system: all that the world can do, but for the faults that the system could not show, or
    not undo."""
    lacks: dict[Relies, str] = {}
    if not target.reports_links:
        lacks[Relies.LINK_REPORTS] = (
            f"the nodes of `{target.name}` do not report on their links, so that it could not be verified."
        )
    if not target.rejoins_empty:
        lacks[Relies.EMPTY_REJOIN] = f"a node of `{target.name}` does not come back by itself without its data."
    reasons = {
        feature: lacks[need]
        for each in FAULTS.values()
        for need in each.relies & lacks.keys()
        for feature in each.features
    }
    return msgspec.structs.replace(
        found, features=found.features - reasons.keys(), reasons={**found.reasons, **reasons}
    )
