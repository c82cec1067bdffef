"""Where a document names brokers and partitions, and how many of them there can be."""

from __future__ import annotations

from collections.abc import Iterator

from skerry.experiment.document import Experiment
from skerry.schema.base import alias_of
from skerry.schema.selectors import Selector
from skerry.targets.port import RoleKind

Path = tuple[str | int, ...]


def named(experiment: Experiment, attribute: str) -> Iterator[tuple[Path, int]]:
    """Every `ordinal` (or `partition`) of the document that was given, with its path."""
    spec = experiment.spec
    for path, target in all_targets(experiment):
        value = getattr(target, attribute)
        if value is not None:
            yield (*path, attribute), value
    if spec.prepare is not None:
        if attribute == "ordinal" and spec.prepare.controller is not None:
            yield ("spec", "prepare", "controller", "ordinal"), spec.prepare.controller.ordinal
        for index, leader in enumerate(spec.prepare.leaders):
            yield ("spec", "prepare", "leaders", index, attribute), getattr(leader, attribute)
    for index, expectation in enumerate(spec.expect):
        here: Path = ("spec", "expect", index, expectation.rule)
        for field, side in expectation.body.sides():
            if attribute == "ordinal" and side.ordinal is not None:
                yield (*here, alias_of(field), "ordinal"), side.ordinal
        if attribute == "partition":
            partition = getattr(expectation.body, "partition", None)
            if partition is not None:
                yield (*here, "partition"), partition


def all_targets(experiment: Experiment) -> Iterator[tuple[Path, Selector]]:
    for index, fault in enumerate(experiment.spec.faults):
        for path, target in fault.body.targets_named():
            yield ("spec", "faults", index, fault.kind, *path), target
    for index, expectation in enumerate(experiment.spec.expect):
        for field, target in expectation.body.targets():
            yield ("spec", "expect", index, expectation.rule, field), target


def at_most(target: Selector, experiment: Experiment) -> int:
    """How many brokers can have this role."""
    brokers, replicas = experiment.spec.cluster.brokers, experiment.spec.topic.replication_factor
    match experiment.target.roles.get(target.role or ""):
        case RoleKind.FOLLOWER | RoleKind.IN_SYNC_FOLLOWER:
            return replicas - 1
        case RoleKind.NON_CONTROLLER:
            return brokers - 1
    return brokers
