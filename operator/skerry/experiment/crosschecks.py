"""The rules of a document that span several fields. Each yields (path, sentence); the loader adds file and line.

A rule here is one that the models cannot see because it needs two places of the document. The CRD repeats those that
CEL can say cheaply (`schema`).
"""

from __future__ import annotations

from collections.abc import Callable

from skerry.expectations.limits import longer_than_the_run
from skerry.expectations.registry import EXPECTATIONS
from skerry.experiment.document import Experiment, Fault
from skerry.experiment.places import Path, all_targets, at_most, named, partitions_of
from skerry.experiment.target_checks import (
    Found,
    allowances_of_the_target,
    did_you_mean,
    expectations_of_the_target,
    planes_of_the_target,
    roles_of_the_target,
    subjects_of_the_target,
    words_of_other_targets,
    words_of_the_target,
    workload_of_the_target,
)
from skerry.faults.port import ResolvedFault
from skerry.faults.registry import FAULTS
from skerry.schema.base import alias_of, format_duration
from skerry.schema.vocabulary import Role


def _unknown_fault(name: str, experiment: Experiment) -> str:
    known = [fault.name for fault in experiment.spec.faults]
    hint = did_you_mean(name, known) or f"; the faults are {', '.join(f'`{each}`' for each in known)}"
    return f"no fault is named `{name}`{hint}"


def unique_names(experiment: Experiment) -> Found:
    for field, names in (
        ("faults", [fault.name for fault in experiment.spec.faults]),
        ("expect", [expectation.name for expectation in experiment.spec.expect]),
    ):
        for index, name in enumerate(names):
            if name in names[:index]:
                yield ("spec", field, index, "name"), f"`{name}` is already the name of {field}[{names.index(name)}]"


def ordinals_and_partitions(experiment: Experiment) -> Found:
    """Every ordinal names a broker that exists, every partition one that there is; counts can be met."""
    brokers, (partitions, counted) = experiment.spec.cluster.brokers, partitions_of(experiment)
    for path, value in named(experiment, "ordinal"):
        if value >= brokers:
            yield path, f"there is no broker {value}: `cluster.brokers` is {brokers}, so ordinals are {_range(brokers)}"
    for path, value in named(experiment, "partition"):
        if value >= partitions:
            yield (
                path,
                f"there is no partition {value}: `{counted}` is {partitions}, so partitions are {_range(partitions)}",
            )
    for path, target in all_targets(experiment):
        available = at_most(target, experiment)
        if (target.count_max or 0) > available:
            yield path, f"{target.count_max} x {target.role} cannot be found: there are at most {available}"


def following(experiment: Experiment) -> Found:
    faults = {fault.name: fault for fault in experiment.spec.faults}
    for index, fault in enumerate(experiment.spec.faults):
        path: Path = ("spec", "faults", index, "following")
        if fault.following is None:
            continue
        if fault.following == fault.name:
            yield path, f"`{fault.name}` cannot follow itself"
        elif fault.following not in faults:
            yield path, _unknown_fault(fault.following, experiment)
        else:
            chain = [fault.name]
            while (next_name := faults[chain[-1]].following) in faults and next_name not in chain:
                assert next_name is not None
                chain.append(next_name)
            # Said once, at the fault of the cycle that comes first in the document.
            if next_name == fault.name and all(_index(experiment, name) >= index for name in chain):
                circle = " -> ".join(f"`{name}`" for name in [*chain, fault.name])
                yield path, f"the faults wait for each other ({circle}), so none would ever begin"


def ends_in_time(experiment: Experiment) -> Found:
    timeout_ns = experiment.spec.timeout_ns
    for index, fault in enumerate(experiment.spec.faults):
        end_ns = earliest_start_ns(experiment, fault) + fault.span_ns
        if end_ns >= timeout_ns:
            field = next(f for f in ("duration", fault.kind) if f != "duration" or fault.duration_ns is not None)
            yield (
                ("spec", "faults", index, field),
                f"`{fault.name}` ends {format_duration(end_ns)} after the steady state at the earliest, "
                f"and `timeout` is {format_duration(timeout_ns)}; shorten the fault or raise `timeout`",
            )


def earliest_start_ns(experiment: Experiment, fault: Fault) -> int:
    """After the steady state, if every fault before it takes effect at once. A cycle counts each fault once."""
    total, seen = 0, set[str]()
    current: Fault | None = fault
    while current is not None and current.name not in seen:
        seen.add(current.name)
        total += current.start_after_ns
        current = next((f for f in experiment.spec.faults if f.name == current.following), None) if current else None
    return total


def faults_of_expectations(experiment: Experiment) -> Found:
    for index, expectation in enumerate(experiment.spec.expect):
        path: Path = ("spec", "expect", index, expectation.rule)
        for attribute, name in expectation.body.faults_named():
            if all(fault.name != name for fault in experiment.spec.faults):
                yield (*path, alias_of(attribute)), _unknown_fault(name, experiment)
        for attribute, side in expectation.body.sides():
            if side.fault is None:
                continue
            named = [fault for fault in experiment.spec.faults if fault.name == side.fault]
            if not named:
                yield (*path, alias_of(attribute), "fault"), _unknown_fault(side.fault, experiment)
                continue
            groups = named[0].body.groups_count
            if groups is None:
                yield (
                    (*path, alias_of(attribute), "fault"),
                    f"`{side.fault}` cuts `links` and has no groups; name the side with `ordinal`",
                )
                continue
            if side.group_index >= groups:
                yield (
                    (*path, alias_of(attribute), "group"),
                    f"`{side.fault}` has {groups} group{'s' if groups > 1 else ''}, so `group` is {_range(groups)}",
                )


def expectations_can_hold(experiment: Experiment) -> Found:
    """What each expectation says of itself, and no limit is longer than the run."""
    for index, expectation in enumerate(experiment.spec.expect):
        if experiment.target.model not in EXPECTATIONS[expectation.rule].judges:
            continue  # it has no meaning as a whole
        said = list(expectation.body.problems(experiment.spec))
        for path, sentence in said or longer_than_the_run(experiment.spec, expectation.body):
            yield ("spec", "expect", index, expectation.rule, *path), sentence


def other_means_someone(experiment: Experiment) -> Found:
    """Faults that name every broker one by one leave nobody for `Other`."""
    for index, fault in enumerate(experiment.spec.faults):
        groups = fault.body.target_groups()
        targets = [target for group in groups for target in group]
        named = {target.ordinal for target in targets if target.ordinal is not None}
        roles = sum(
            min(target.count_max or 0, at_most(target, experiment))
            for target in targets
            if target.role not in (None, Role.OTHER)
        )
        if (
            any(target.role == Role.OTHER for target in targets)
            and len(named) + roles >= experiment.spec.cluster.brokers
        ):
            yield (
                ("spec", "faults", index, fault.kind),
                f"`Other` would be nobody: the other targets already name all {_brokers(experiment)}",
            )


def bodies(experiment: Experiment) -> Found:
    """What each fault says of itself."""
    for index, fault in enumerate(experiment.spec.faults):
        for path, sentence in fault.body.problems():
            yield ("spec", "faults", index, fault.kind, *path), sentence
        if sentence := fault.body.never_shows(fault.lasts_ns):
            yield ("spec", "faults", index, fault.kind), sentence


def nothing_held_twice(experiment: Experiment) -> Found:
    """No two faults hold one broker, or one link on one plane, at once; as far as ordinals alone show it."""
    known = [
        (index, fault, made)
        for index, fault in enumerate(experiment.spec.faults)
        if (made := _by_ordinal(fault)) is not None
    ]
    for position, (index, fault, made) in enumerate(known):
        for _, other, held in (*known[:position], *known[position + 1 :]):
            shared = made.holds & held.holds
            if shared and _begins_within(experiment, fault, other):
                yield (
                    ("spec", "faults", index, fault.kind),
                    f"`{other.name}` holds {min(shared)} when `{fault.name}` begins, and what each takes and gives "
                    "back could not be told apart; let one begin after the other has ended (`following`, `startAfter`)",
                )
                break


def _by_ordinal(fault: Fault) -> ResolvedFault | None:
    """What it comes to when it names brokers by their numbers only; None: it names roles."""
    targets = fault.body.target_groups()
    groups = tuple(tuple(target.ordinal for target in group if target.ordinal is not None) for group in targets)
    if any(len(named) < len(group) for named, group in zip(groups, targets, strict=True)):
        return None
    made: ResolvedFault = FAULTS[fault.kind].concrete(fault.body, groups)
    return made


def _begins_within(experiment: Experiment, fault: Fault, other: Fault) -> bool:
    """An occurrence of the one begins while one of the other lasts, if every fault takes effect at once."""
    begins, ends = _starts_ns(experiment, fault), _starts_ns(experiment, other)
    first = experiment.spec.faults.index(fault) < experiment.spec.faults.index(other)
    return any(
        start < begin < start + other.lasts_ns or (begin == start and not first and other.lasts_ns)
        for begin in begins
        for start in ends
    )


def _starts_ns(experiment: Experiment, fault: Fault) -> list[int]:
    first_ns = earliest_start_ns(experiment, fault)
    if fault.repeat is None:
        return [first_ns]
    return [first_ns + number * fault.repeat.every_ns for number in range(fault.repeat.count)]


RULES: tuple[Callable[[Experiment], Found], ...] = (
    unique_names,
    words_of_other_targets,
    workload_of_the_target,
    roles_of_the_target,
    planes_of_the_target,
    allowances_of_the_target,
    subjects_of_the_target,
    expectations_of_the_target,
    words_of_the_target,
    ordinals_and_partitions,
    following,
    ends_in_time,
    faults_of_expectations,
    expectations_can_hold,
    other_means_someone,
    bodies,
    nothing_held_twice,
)


def problems(experiment: Experiment) -> list[tuple[Path, str]]:
    """Everything that is wrong between the fields, in the order of the rules."""
    return [found for rule in RULES for found in rule(experiment)]


def _index(experiment: Experiment, name: str) -> int:
    return next(index for index, fault in enumerate(experiment.spec.faults) if fault.name == name)


def _range(count: int) -> str:
    return "0" if count == 1 else f"0 to {count - 1}"


def _brokers(experiment: Experiment) -> str:
    count = experiment.spec.cluster.brokers
    return "1 broker" if count == 1 else f"{count} brokers"
