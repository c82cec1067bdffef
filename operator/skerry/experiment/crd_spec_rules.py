"""The rules of a CRD that span the whole spec: what `crosschecks` says, as far as CEL can say it cheaply.

Left to the models are longer circles and chains of `following`, and which brokers `Other` would mean. Nothing here is
stricter than they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from skerry.expectations.bodies import FAULT_ATTRIBUTES
from skerry.expectations.registry import EXPECTATIONS
from skerry.experiment.document import TIMEOUT_DEFAULT_NS, Cluster, Expectation, Fault
from skerry.faults.registry import FAULTS
from skerry.schema.base import JsonObject, Model, alias_of, format_duration
from skerry.schema.cel import Test, everywhere, number_below, or_default, rule, rule_of_each, words
from skerry.schema.selectors import Selector, Side
from skerry.schema.vocabulary import Role
from skerry.targets import registry
from skerry.targets.port import RoleKind, Target

_WORDS = registry.words()


def _count(said: Callable[[Target], str]) -> tuple[str, str]:
    """(how many there are, the field) by the attribute with which a target says so; both empty: none does."""
    for name in registry.names():
        word, _, attribute = said(registry.target(name)).partition(".")
        if word:
            cel = or_default(_WORDS[word].model, attribute, f"self.?{alias_of(word)}")
            return cel, f"{alias_of(word)}.{alias_of(attribute)}"
    return "", ""


_GROUPS = {kind: fault.groups for kind, fault in FAULTS.items() if fault.groups}
_BROKERS = or_default(Cluster, "brokers", "self.?cluster")
_PARTITIONS, _PARTITIONS_FIELD = _count(lambda target: target.partitions)
_REPLICAS, _REPLICAS_FIELD = _count(lambda target: target.replicas)
_COUNTS = {"brokers": _BROKERS, "partitions": _PARTITIONS, "replicas": _REPLICAS}
_FOLLOWERS = sorted(
    registry.roles_that(lambda target, role: target.of_partition(role) and not target.roles[role].single)
)
_NON_CONTROLLERS = sorted(registry.roles_that(lambda target, role: target.roles[role] is RoleKind.NON_CONTROLLER))


def _names_a_fault(model: type[Model], variable: str) -> str:
    conditions = []
    for attribute, field in model.model_fields.items():
        if attribute in (*FAULT_ATTRIBUTES, "fault"):
            name = f"{variable}.{alias_of(attribute)}"
            known = f"self.faults.exists(f, f.name == {name})"
            conditions.append(known if field.is_required() else f"(!has({name}) || {known})")
    return " && ".join(conditions)


def _has_groups(model: type[Model], variable: str) -> str:
    """The named fault has groups at all."""
    if model is not Side:
        return ""
    named = f"f.name == {variable}.?fault.orValue('')"
    without = [f"has(f.{kind}) && {each.none.format(f'f.{kind}')}" for kind, each in _GROUPS.items()]
    return " && ".join(f"!self.faults.exists(f, {named} && {condition})" for condition in without)


def _group_exists(model: type[Model], variable: str) -> str:
    if model is not Side:
        return ""
    groups = "1"
    for kind, each in _GROUPS.items():
        groups = f"(has(f.{kind}) ? ({each.size.format(f'f.{kind}')}) : {groups})"
    return f"self.faults.all(f, f.name != {variable}.?fault.orValue('') || {variable}.?group.orValue(0) < {groups})"


def _can_be_found(model: type[Model], variable: str) -> str:
    if model is not Selector:
        return ""
    role = f"{variable}.role"
    asked = f"{variable}.?count.orValue({role} in {words(sorted(Role))} ? 0 : 1)"
    others = f"({role} in {words(_NON_CONTROLLERS)} ? {_BROKERS} - 1 : {_BROKERS})"
    return f"(!has({role}) || {asked} <= ({role} in {words(_FOLLOWERS)} ? {_REPLICAS} - 1 : {others}))"


# Of the fault `f`, in nanoseconds.
LASTS_NS = "int(duration({{0}}.?duration{}.orValue('0s')))".format(
    "".join(
        f".or({{0}}.?{kind}.?{fault.ending.field})"
        for kind, fault in FAULTS.items()
        if fault.ending and fault.ending.counts
    )
)
_START_NS = "int(duration({}.?startAfter.orValue('0s')))"
JITTER_NS = "int(duration({}.?repeat.?jitter.orValue('0s')))"
_EVERY_NS = "int(duration(f.repeat.every))"
_UNTIL_NS = "int(duration(f.repeat.?until.orValue('0s')))"
_AGAIN_NS = (
    f"(!has(f.repeat) || {_EVERY_NS} == 0 ? 0 : "
    f"has(f.repeat.times) ? (f.repeat.times - 1) * {_EVERY_NS} : {_UNTIL_NS} / {_EVERY_NS} * {_EVERY_NS})"
)
"""From the start of the first occurrence to the start of the last."""
_END_NS = f"{_START_NS.format('f')} + {_AGAIN_NS} + {JITTER_NS.format('f')} + {LASTS_NS.format('f')}"
_TIMEOUT_NS = f"int(duration(self.?timeout.orValue('{format_duration(TIMEOUT_DEFAULT_NS)}')))"

_NO_BROKER = "there is no broker with this `ordinal`: ordinals are 0 to `cluster.brokers` - 1"
_NO_PARTITION = f"there is no partition with this number: partitions are 0 to `{_PARTITIONS_FIELD}` - 1"
_NOT_FOUND = (
    f"so many brokers with this role cannot be found: at most `{_REPLICAS_FIELD}` - 1 follow, "
    "and one of `cluster.brokers` is the controller"
)


def _of_faults(test: Test, message: str) -> JsonObject:
    return rule_of_each("faults", "f", everywhere(Fault, "f", test), message)


def _of_expectations(test: Test, message: str) -> JsonObject:
    return rule_of_each("expect", "e", everywhere(Expectation, "e", test), message)


def _of_words() -> Iterator[JsonObject]:
    """What the words that targets declare say of themselves and the spec, and the numbers in them."""
    for attribute, word in _WORDS.items():
        name = alias_of(attribute)
        for condition, message in word.in_spec:
            yield rule(condition.format(**_COUNTS), message, name)
        for limited, limit, message in (
            ("ordinal", _BROKERS, _NO_BROKER),
            ("partition", _PARTITIONS, _NO_PARTITION),
        ):
            inside = everywhere(word.model, f"self.{name}", number_below(limited, limit))
            if inside:
                yield rule(f"!has(self.{name}) || {inside}", message, name)


def _own_rules() -> Iterator[JsonObject]:
    """What single expectations say of themselves and the spec; what several say alike is one rule."""
    conditions: dict[str, list[str]] = {}
    for word, each in EXPECTATIONS.items():
        for condition, message in each.in_spec:
            body = condition.format(f"e.{word}", **_COUNTS)
            conditions.setdefault(message, []).append(f"!has(e.{word}) || {body}")
    for message, found in conditions.items():
        yield rule_of_each("expect", "e", found[0] if len(found) == 1 else f"({') && ('.join(found)})", message)


SPEC_RULES = (
    rule("self == oldSelf", "the spec is immutable: an experiment is a record; create a new one"),
    *_of_words(),
    _of_faults(number_below("ordinal", _BROKERS), _NO_BROKER),
    _of_faults(number_below("partition", _PARTITIONS), _NO_PARTITION),
    _of_faults(_can_be_found, _NOT_FOUND),
    rule_of_each(
        "faults",
        "f",
        "!has(f.following) || self.faults.exists(g, g.name == f.following)",
        "no fault is named as `following` says",
    ),
    rule_of_each("faults", "f", "f.?following.orValue('') != f.name", "a fault cannot follow itself"),
    rule(
        # Every circle of two, and any circle when nobody is outside of it.
        "self.faults.exists(f, !has(f.following)) && self.faults.all(f, !has(f.following) || "
        "!self.faults.exists(g, g.name == f.following && g.name != f.name && g.?following.orValue('') == f.name))",
        "the faults wait for each other, so none would ever begin",
        "faults",
    ),
    rule_of_each(
        "faults",
        "f",
        # What it follows begins later, too; what that one follows is left to the models.
        f"{_END_NS} < {_TIMEOUT_NS} && (!has(f.following) || self.faults.all(g, "
        f"g.name != f.following || {_START_NS.format('g')} + {_END_NS} < {_TIMEOUT_NS}))",
        "the fault does not end before `timeout`; shorten the fault or raise `timeout`",
    ),
    _of_expectations(number_below("ordinal", _BROKERS), _NO_BROKER),
    _of_expectations(number_below("partition", _PARTITIONS), _NO_PARTITION),
    _of_expectations(_can_be_found, _NOT_FOUND),
    _of_expectations(
        _names_a_fault,
        "no fault is named as this says (`of`, `during`, `after`, `afterHealOf` or `by.fault`)",
    ),
    _of_expectations(
        _has_groups,
        "`by.fault` names a fault that cuts `links` and has no groups; name the side with `ordinal`",
    ),
    _of_expectations(
        _group_exists,
        "`by.group` is none of the fault's groups: the first is 0, and what is no partition has only that one",
    ),
    *_own_rules(),
)
