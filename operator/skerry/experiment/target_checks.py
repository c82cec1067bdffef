"""The rules of a document that its target decides: which words, roles and expectations mean something to it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from skerry.expectations.registry import EXPECTATIONS, judges_of
from skerry.experiment.document import Experiment, Workload
from skerry.experiment.places import Path, all_targets
from skerry.schema.base import alias_of
from skerry.schema.selectors import Selector
from skerry.targets import registry
from skerry.targets.port import DataModel, RoleKind, Target

Found = Iterator[tuple[Path, str]]
WORKLOAD_OF_A_REGISTER = frozenset({"producers", "rate_per_second"})
"""Fields of `workload` that say something of a register's clients: each puts and gets, and waits for every answer."""


def did_you_mean(word: str, known: list[str]) -> str:
    """``; did you mean `x`?``, or nothing."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if not close:
        folded = [name for name in known if name.casefold() == word.casefold()]
        close = folded[:1]
    return f"; did you mean `{close[0]}`?" if close else ""


def words_of_other_targets(experiment: Experiment) -> Found:
    """A field that means something to one target only is not written for another."""
    spec = experiment.spec
    own = experiment.target.declared.keys()
    for name in registry.names():
        other = registry.target(name)
        for word in sorted((other.declared.keys() - own) & spec.model_fields_set):
            yield (
                ("spec", alias_of(word)),
                f"`{alias_of(word)}` is a word of the target `{name}`, and this document is for `{spec.target}`: "
                "remove it, or change `target`",
            )


def workload_of_others(target: Target) -> frozenset[str]:
    """The attributes of the workload that mean nothing to the target's clients."""
    if target.model is not DataModel.REGISTER:
        return frozenset()
    return frozenset(Workload.model_fields) - WORKLOAD_OF_A_REGISTER


def workload_of_the_target(experiment: Experiment) -> Found:
    """What is written and read is said in words that mean something to the target's clients."""
    target = experiment.target
    for attribute in sorted(experiment.spec.workload.model_fields_set & workload_of_others(target)):
        name = alias_of(attribute)
        yield (
            ("spec", "workload", name),
            f"`{name}` has no meaning for the target `{target.name}`, whose clients put and get; remove it",
        )


def words_of_the_target(experiment: Experiment) -> Found:
    """What each word of the target says of itself."""
    for attribute in experiment.target.declared:
        problems = getattr(getattr(experiment.spec, attribute), "problems", None)
        for path, sentence in problems(experiment.spec) if problems is not None else ():
            yield ("spec", alias_of(attribute), *path), sentence


def roles_of_the_target(experiment: Experiment) -> Found:
    """Every role is one that the target has, with what it needs."""
    for path, selector in all_targets(experiment):
        if selector.role is not None:
            yield from _of_role(selector.role, selector, path, experiment.target)


def _of_role(role: str, selector: Selector, path: Path, target: Target) -> Found:
    if role not in target.roles:
        roles, hint = ", ".join(target.roles), did_you_mean(role, list(target.roles))
        yield (*path, "role"), f"`{role}` is no role of the target `{target.name}`; its roles are {roles}{hint}"
    elif target.of_partition(role) and selector.partition is None:
        yield path, f"role {role} needs `partition`: the leader of which partition is meant?"
    elif selector.partition is not None and not target.of_partition(role):
        yield path, f"`partition` has no meaning for {role}; remove it"
    elif selector.count is not None and target.roles[role].single:
        yield path, f"`count` has no meaning for {role}: there is one; remove it"


def planes_of_the_target(experiment: Experiment) -> Found:
    """Every plane is one that the target has, and that a fault may take."""
    target = experiment.target
    known = ", ".join(target.planes_named)
    for index, fault in enumerate(experiment.spec.faults):
        for place, plane in enumerate(fault.body.planes_named):
            if plane not in target.planes_named:
                hint = did_you_mean(plane, list(target.planes_named))
                yield (
                    ("spec", "faults", index, fault.kind, "planes", place),
                    f"`{plane}` is no plane of the target `{target.name}`; its planes are {known}{hint}",
                )


def allowances_of_the_target(experiment: Experiment) -> Found:
    """What is allowed is something that a plan for the target could do."""
    target = experiment.target
    for index, word in enumerate(experiment.spec.allow):
        if word not in target.allowances:
            known, hint = ", ".join(target.allowances) or "nothing", did_you_mean(word, list(target.allowances))
            yield (
                ("spec", "allow", index),
                f"`{word}` is nothing that can be allowed for the target `{target.name}`, only {known}{hint}",
            )


def subjects_of_the_target(experiment: Experiment) -> Found:
    """Whose leader an expectation is about is something that the target has."""
    target = experiment.target
    kinds = target.roles.values()
    missing = {
        "partition": "" if target.partitioned else "whose nodes form one group",
        "controller": "" if RoleKind.CONTROLLER in kinds else "which has no controller",
        "leader": "whose leaders are those of one partition" if target.partitioned else "",
    }
    for index, expectation in enumerate(experiment.spec.expect):
        if target.model not in EXPECTATIONS[expectation.rule].judges:
            continue  # it has no meaning as a whole
        for attribute, why in missing.items():
            if why and getattr(expectation.body, attribute, None) is not None:
                yield (
                    ("spec", "expect", index, expectation.rule, attribute),
                    f"`{attribute}` has no meaning for the target `{target.name}`, {why}",
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
