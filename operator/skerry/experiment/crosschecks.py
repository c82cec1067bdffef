"""The rules of a document that span several fields. Each yields (path, sentence); the loader adds file and line.

A rule here is one that the models cannot see because it needs two places of the document. The CRD repeats those that
CEL can say cheaply (`schema`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator

from skerry.expectations.registry import EXPECTATIONS, judges_of
from skerry.experiment.document import Experiment, Fault
from skerry.faults.port import ResolvedFault
from skerry.faults.registry import FAULTS
from skerry.schema.base import alias_of, format_duration
from skerry.schema.selectors import Selector
from skerry.schema.vocabulary import Role
from skerry.targets import registry

Path = tuple[str | int, ...]
Found = Iterator[tuple[Path, str]]


def did_you_mean(word: str, known: list[str]) -> str:
    """``; did you mean `x`?``, or nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if not close:
        folded = [name for name in known if name.casefold() == word.casefold()]
        close = folded[:1]
    return f"; did you mean `{close[0]}`?" if close else ""


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


def words_of_other_targets(experiment: Experiment) -> Found:
    """A field that means something to one target only is not written for another."""
    spec = experiment.spec
    own = experiment.target.all_words
    for name in registry.names():
        other = registry.target(name)
        for word in sorted((other.all_words - own) & spec.model_fields_set):
            yield (
                ("spec", alias_of(word)),
                f"`{alias_of(word)}` is a word of the target `{name}`, and this document is for `{spec.target}`: "
                "remove it, or change `target`",
            )


def roles_of_the_target(experiment: Experiment) -> Found:
    """Every role is one that the target has; whose leader changes, too."""
    target = experiment.target
    known = ", ".join(target.roles)
    for index, fault in enumerate(experiment.spec.faults):
        for path, named in fault.body.targets_named():
            if named.role is not None and named.role not in target.roles:
                where = ("spec", "faults", index, fault.kind, *path, "role")
                yield where, f"`{named.role}` is no role of the target `{target.name}`; its roles are {known}"
    for index, expectation in enumerate(experiment.spec.expect):
        body = expectation.body
        if target.model not in EXPECTATIONS[expectation.rule].judges:
            continue  # it has no meaning as a whole
        for attribute, role in (
            ("partition", Role.PARTITION_LEADER),
            ("controller", Role.CONTROLLER),
            ("leader", Role.LEADER),
        ):
            if getattr(body, attribute, None) is not None and role not in target.roles:
                yield (
                    ("spec", "expect", index, expectation.rule, attribute),
                    f"`{attribute}` has no meaning for the target `{target.name}`, which has no {role}",
                )


def expectations_of_the_target(experiment: Experiment) -> Found:
    """Every expectation is one that can be judged of what the target's clients do."""
    target = experiment.target
    known = ", ".join(f"`{word}`" for word in judges_of(target.model))
    for index, expectation in enumerate(experiment.spec.expect):
        judges = EXPECTATIONS[expectation.rule].judges
        if target.model not in judges:
            yield (
                ("spec", "expect", index, expectation.rule),
                f"`{expectation.rule}` has no meaning for the target `{target.name}`: it is about a "
                f"{' or '.join(judges)}, and this is a {target.model}; of that can be expected {known}",
            )


def replication(experiment: Experiment) -> Found:
    spec = experiment.spec
    if spec.topic.replication_factor > spec.cluster.brokers:
        yield (
            ("spec", "topic", "replicationFactor"),
            f"{spec.topic.replication_factor} replicas do not fit on {_brokers(experiment)}; "
            "lower `replicationFactor` or raise `cluster.brokers`",
        )
    if spec.topic.min_in_sync_replicas > spec.topic.replication_factor:
        yield (
            ("spec", "topic", "minInSyncReplicas"),
            f"{spec.topic.min_in_sync_replicas} in-sync replicas are more than the {spec.topic.replication_factor} of "
            "`replicationFactor`: no write could ever be acknowledged; lower it",
        )


def ordinals_and_partitions(experiment: Experiment) -> Found:
    """Every ordinal names a broker that exists, every partition one of the topic; counts can be met."""
    brokers, partitions = experiment.spec.cluster.brokers, experiment.spec.topic.partitions
    for path, value in _named(experiment, "ordinal"):
        if value >= brokers:
            yield path, f"there is no broker {value}: `cluster.brokers` is {brokers}, so ordinals are {_range(brokers)}"
    for path, value in _named(experiment, "partition"):
        if value >= partitions:
            yield (
                path,
                f"there is no partition {value}: `topic.partitions` is {partitions}, "
                f"so partitions are {_range(partitions)}",
            )
    for path, target in _all_targets(experiment):
        available = _at_most(target, experiment)
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
    """What each expectation says of itself."""
    for index, expectation in enumerate(experiment.spec.expect):
        for path, sentence in expectation.body.problems(experiment.spec):
            yield ("spec", "expect", index, expectation.rule, *path), sentence


def placement(experiment: Experiment) -> Found:
    spec = experiment.spec
    if spec.prepare is None:
        return
    seen: dict[int, int] = {}
    for index, leader in enumerate(spec.prepare.leaders):
        path: Path = ("spec", "prepare", "leaders", index)
        if leader.partition in seen:
            yield path, f"partition {leader.partition} already has a leader in leaders[{seen[leader.partition]}]"
        seen.setdefault(leader.partition, index)


def other_means_someone(experiment: Experiment) -> Found:
    """Faults that name every broker one by one leave nobody for `Other`."""
    for index, fault in enumerate(experiment.spec.faults):
        groups = fault.body.target_groups()
        targets = [target for group in groups for target in group]
        named = {target.ordinal for target in targets if target.ordinal is not None}
        roles = sum(
            min(target.count_max or 0, _at_most(target, experiment))
            for target in targets
            if target.role not in (None, Role.OTHER)
        )
        if (
            any(target.role is Role.OTHER for target in targets)
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
    roles_of_the_target,
    expectations_of_the_target,
    replication,
    ordinals_and_partitions,
    following,
    ends_in_time,
    faults_of_expectations,
    expectations_can_hold,
    placement,
    other_means_someone,
    bodies,
    nothing_held_twice,
)


def problems(experiment: Experiment) -> list[tuple[Path, str]]:
    """Everything that is wrong between the fields, in the order of the rules."""
    return [found for rule in RULES for found in rule(experiment)]


def _named(experiment: Experiment, attribute: str) -> Iterator[tuple[Path, int]]:
    """Every `ordinal` (or `partition`) of the document that was given, with its path."""
    spec = experiment.spec
    for path, target in _all_targets(experiment):
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


def _all_targets(experiment: Experiment) -> Iterator[tuple[Path, Selector]]:
    for index, fault in enumerate(experiment.spec.faults):
        for path, target in fault.body.targets_named():
            yield ("spec", "faults", index, fault.kind, *path), target
    for index, expectation in enumerate(experiment.spec.expect):
        for field, target in expectation.body.targets():
            yield ("spec", "expect", index, expectation.rule, field), target


def _at_most(target: Selector, experiment: Experiment) -> int:
    """How many brokers can have this role."""
    brokers, followers = experiment.spec.cluster.brokers, experiment.spec.topic.replication_factor - 1
    return {
        Role.PARTITION_FOLLOWER: followers,
        Role.IN_SYNC_FOLLOWER: followers,
        Role.NON_CONTROLLER: brokers - 1,
    }.get(target.role or Role.ALL, brokers)


def _index(experiment: Experiment, name: str) -> int:
    return next(index for index, fault in enumerate(experiment.spec.faults) if fault.name == name)


def _range(count: int) -> str:
    return "0" if count == 1 else f"0 to {count - 1}"


def _brokers(experiment: Experiment) -> str:
    count = experiment.spec.cluster.brokers
    return "1 broker" if count == 1 else f"{count} brokers"
