"""Where a document names brokers and partitions, and how many of them there can be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

from skerry.experiment.document import Experiment
from skerry.schema.base import Model, alias_of
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
    for word in experiment.target.declared:
        yield from _numbers(getattr(spec, word), attribute, ("spec", alias_of(word)))
    for index, expectation in enumerate(spec.expect):
        here: Path = ("spec", "expect", index, expectation.rule)
        for field, side in expectation.body.sides():
            if attribute == "ordinal" and side.ordinal is not None:
                yield (*here, alias_of(field), "ordinal"), side.ordinal
        if attribute == "partition":
            partition = getattr(expectation.body, "partition", None)
            if partition is not None:
                yield (*here, "partition"), partition


def _numbers(value: object, attribute: str, path: Path) -> Iterator[tuple[Path, int]]:
    """Every field of this name inside."""
    if isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from _numbers(each, attribute, (*path, index))
    elif isinstance(value, Model):
        for name, info in type(value).model_fields.items():
            here = (*path, info.alias or alias_of(name))
            found = getattr(value, name)
            if name == attribute and isinstance(found, int):
                yield here, found
            yield from _numbers(found, attribute, here)


def partitions_of(experiment: Experiment) -> tuple[int, str]:
    """(how many partitions there are, the field that says so); 1 and nothing of a system that is one group."""
    said = experiment.target.partitions.split(".") if experiment.target.partitioned else []
    count = reduce(getattr, said, experiment.spec) if said else 1
    assert isinstance(count, int)
    return count, ".".join(map(alias_of, said))


def all_targets(experiment: Experiment) -> Iterator[tuple[Path, Selector]]:
    for index, fault in enumerate(experiment.spec.faults):
        for path, target in fault.body.targets_named():
            yield ("spec", "faults", index, fault.kind, *path), target
    for index, expectation in enumerate(experiment.spec.expect):
        for field, target in expectation.body.targets():
            yield ("spec", "expect", index, expectation.rule, field), target


def at_most(target: Selector, experiment: Experiment) -> int:
    """How many brokers can have this role."""
    brokers, replicas = experiment.spec.cluster.brokers, experiment.target.owes.replicas(experiment.spec)
    match experiment.target.roles.get(target.role or ""):
        case RoleKind.FOLLOWER | RoleKind.IN_SYNC_FOLLOWER:
            return replicas - 1
        case RoleKind.NON_CONTROLLER:
            return brokers - 1
    return brokers
