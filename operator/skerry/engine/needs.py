"""What a document needs of a world."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.engine.capabilities import ELSEWHERE, OTHER_PLANES, PREPARE
from skerry.expectations.registry import EXPECTATIONS
from skerry.experiment.document import Spec
from skerry.faults.port import Feature
from skerry.faults.registry import FAULTS
from skerry.targets.registry import rules_of, target


def needed_features(spec: Spec) -> frozenset[Feature]:
    """Everything that a run of this document will ask for."""
    return frozenset(_of_spec(spec))


def _of_spec(spec: Spec) -> Iterator[Feature]:
    between_nodes = set(target(spec.target).peer_planes)
    for fault in spec.faults:
        yield from FAULTS[fault.kind].needs(fault.body)
        if not between_nodes.issuperset(fault.body.planes_named):
            yield OTHER_PLANES
    rules = rules_of(spec)
    if rules.places:
        yield PREPARE
        if rules.misplaced(rules.assumed()):
            yield ELSEWHERE
    for expectation in spec.expect:
        yield from EXPECTATIONS[expectation.rule].needs
