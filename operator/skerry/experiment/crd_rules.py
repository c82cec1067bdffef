"""What the models check, once more in CEL, so that the API server refuses at once what the operator would refuse.

One table from model to rules; `schema` attaches them wherever the model occurs. The messages use the words of the
models. A rule is never stricter than the models.

The rules use optional types (`self.?cluster`), hence Kubernetes 1.29 or newer. Every list, map and text that they walk
is bounded: the API server adds up the worst case and refuses a CRD that is too dear.
"""

from __future__ import annotations

from collections.abc import Callable

from skerry.expectations.registry import EXPECTATIONS
from skerry.experiment.crd_spec_rules import JITTER_NS, LASTS_NS, SPEC_RULES
from skerry.experiment.document import OCCURRENCES_MAX, Workload
from skerry.faults.port import AnyFaultType
from skerry.faults.registry import FAULTS
from skerry.schema.base import LABEL_PATTERN, JsonObject
from skerry.schema.cel import exactly_one, or_default, rule, words
from skerry.targets import registry
from skerry.targets.port import Target


def _duration_is_required(fault: AnyFaultType) -> str:
    return fault.lasting or ("" if fault.ending else f"has(self.{fault.kind})")


def _ends_by_itself(fault: AnyFaultType) -> str:
    return (fault.ending.when or f"has(self.{fault.kind})") if fault.ending else ""


def _any_of(test: Callable[[AnyFaultType], str]) -> str:
    return " || ".join(condition for fault in FAULTS.values() if (condition := test(fault)))


_ENDINGS = [fault.ending for fault in FAULTS.values() if fault.ending]
_OWN_FIELDS = ", ".join(dict.fromkeys(f"`{ending.field}`" for ending in _ENDINGS))
_FAULT = (
    exactly_one("the fault", tuple(FAULTS)),
    rule(
        f"has(self.duration) || !({_any_of(_duration_is_required)})",
        "`duration` is missing: how long does the fault last?",
    ),
    rule(
        f"!has(self.duration) || !({_any_of(_ends_by_itself)})",
        f"`duration` has no meaning for {' and '.join((', '.join(e.what for e in _ENDINGS[:-1]), _ENDINGS[-1].what))}; "
        f"their own field ({_OWN_FIELDS}) says how long",
    ),
    rule(
        "!has(self.repeat) || "
        f"int(duration(self.repeat.every)) >= {LASTS_NS.format('self')} + {JITTER_NS.format('self')}",
        "`repeat.every` is shorter than the fault lasts (with its jitter): occurrences would overlap; raise it",
    ),
)

_OF_PARTITION = sorted(registry.roles_that(Target.of_partition))
_WITHOUT_PARTITION = sorted(registry.roles_that(lambda target, role: not target.of_partition(role)))
_SINGLE = sorted(registry.roles_that(lambda target, role: target.roles[role].single))

ROOT_RULES = (
    rule(
        "self.metadata.name.size() <= 50",
        "must be at most 50 characters long: it is part of other objects' names",
        "metadata.name",
    ),
    rule(
        f"self.metadata.name.matches('{LABEL_PATTERN}')",
        "must be lower-case letters, digits and `-`, beginning and ending with a letter or digit",
        "metadata.name",
    ),
)

RULES: dict[str, tuple[JsonObject, ...]] = {
    "Spec": SPEC_RULES,
    "Workload": (
        rule(
            f"{or_default(Workload, 'acks', 'self')} == 'All' || !{or_default(Workload, 'idempotent', 'self')}",
            "`idempotent: true` needs `acks: All`; change one of them (idempotent is true unless it is said)",
        ),
    ),
    "Repeat": (
        exactly_one("how long it repeats", ("times", "until")),
        rule(
            "!has(self.until) || int(duration(self.every)) == 0 || "
            f"int(duration(self.until)) / int(duration(self.every)) < {OCCURRENCES_MAX}",
            f"it would happen more than {OCCURRENCES_MAX} times; raise `every` or lower `until`",
        ),
    ),
    "Selector": (
        exactly_one("the broker", ("role", "ordinal")),
        rule(
            f"!(self.?role.orValue('') in {words(_OF_PARTITION)}) || has(self.partition)",
            "the role needs `partition`: the leader or follower of which partition is meant?",
        ),
        rule(
            f"!has(self.partition) || has(self.role) && !(self.role in {words(_WITHOUT_PARTITION)})",
            "`partition` has no meaning for this role, or an ordinal; remove it",
        ),
        rule(
            f"!has(self.count) || has(self.role) && !(self.role in {words(_SINGLE)})",
            "`count` has no meaning for this role, or an ordinal: there is one; remove it",
        ),
    ),
    "Side": (
        exactly_one("the side", ("fault", "ordinal")),
        rule("!has(self.group) || has(self.fault)", "`group` needs `fault`: the group of which fault is meant?"),
    ),
    **{name: rules for word in registry.words().values() for name, rules in word.rules.items()},
    "Fault": _FAULT,
    **{name: rules for fault in FAULTS.values() for name, rules in fault.rules.items()},
    "Expectation": (exactly_one("the rule", tuple(EXPECTATIONS)),),
    **{name: rules for each in EXPECTATIONS.values() for name, rules in each.rules.items()},
}
"""The name of a model -> what the API server checks wherever one stands."""
