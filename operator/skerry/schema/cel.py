"""Small pieces of CEL: the rules of a CRD are put together from them (`crd_rules`).

CEL is the expression language that the API server evaluates when an object is created or changed. `everywhere` is what
makes the rules complete: it walks the models, so that a new fault with a target is found by itself.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from skerry.schema.base import JsonObject, Model, alias_of

NO_TIME = "duration('0s')"


class SpecRule(NamedTuple):
    """What the API server checks of a part of the document and the spec that it stands in."""

    condition: str
    """CEL over the spec ``self``; ``{brokers}``, ``{partitions}`` and ``{replicas}`` are how many there are."""
    message: str


Test = Callable[[type[Model], str], str]
"""(model, variable that holds it) -> a condition in CEL, or "" where there is nothing to test."""


def rule(condition: str, message: str, field: str = "") -> JsonObject:
    """An entry of `x-kubernetes-validations`; ``self`` is the value it stands at, ``field`` what it complains of."""
    entry = {"rule": condition, "message": message}
    return {**entry, "fieldPath": f".{field}"} if field else entry


def rule_of_each(field: str, variable: str, condition: str, message: str) -> JsonObject:
    """A rule for every entry of a list. The list as a whole is blamed: which entry it is would have to be said by a
    ``messageExpression``, whose cost the API server cannot bound."""
    return rule(f"!has(self.{field}) || self.{field}.all({variable}, {condition})", message, field)


def exactly_one(what: str, names: Iterable[str]) -> JsonObject:
    return rule(f"{_given(names)}.exists_one(x, x)", f"{what}: give exactly one of {listed(names)}")


def at_most_one(what: str, names: Iterable[str]) -> JsonObject:
    return rule(f"{_given(names)}.filter(x, x).size() <= 1", f"{what}: give at most one of {listed(names)}")


def listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def words(values: Iterable[str]) -> str:
    """A list of texts."""
    quoted = ", ".join(f"'{value}'" for value in values)
    return f"[{quoted}]"


def any_flag(variable: str, names: Iterable[str]) -> str:
    """One of these optional booleans is true."""
    return f"({' || '.join(f'{variable}.?{name}.orValue(false)' for name in names)})"


def or_default(model: type[Model], attribute: str, variable: str) -> str:
    """The value of an optional field, or the model's default."""
    default = model.model_fields[attribute].default
    text = (
        str(default).lower() if isinstance(default, bool) else f"'{default}'" if isinstance(default, str) else default
    )
    return f"{variable}.?{alias_of(attribute)}.orValue({text})"


PLANES_ONCE = rule(
    "!has(self.planes) || self.planes.all(p, self.planes.exists_one(q, q == p))",
    "`planes` names one plane twice; name each once",
)


def everywhere(model: type[Model], variable: str, test: Test, depth: int = 0) -> str:
    """A condition that holds when ``test`` holds for ``variable``, which is a ``model``, and for every model inside.

    Empty when nothing in the model is tested. The variables it introduces are v0, v1 ...
    """
    conditions = [test(model, variable)]
    for attribute, field in model.model_fields.items():
        name = f"{variable}.{field.alias or alias_of(attribute)}"
        inner = _inside(field.annotation, name, test, depth)
        conditions.append(f"(!has({name}) || {inner})" if inner and not field.is_required() else inner)
    found = [condition for condition in conditions if condition]
    return f"({' && '.join(found)})" if len(found) > 1 else "".join(found)


def _inside(annotation: Any, variable: str, test: Test, depth: int) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _inside(arguments[0], variable, test, depth)
    if origin in (typing.Union, types.UnionType):
        (present,) = [each for each in arguments if each is not type(None)]
        return _inside(present, variable, test, depth)
    if origin is tuple:
        inner = _inside(arguments[0], f"v{depth}", test, depth + 1)
        return f"{variable}.all(v{depth}, {inner})" if inner else ""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return everywhere(annotation, variable, test, depth)
    return ""


def number_below(attribute: str, limit: str) -> Test:
    """Wherever a model has this attribute as a whole number, it is below ``limit``."""

    def test(model: type[Model], variable: str) -> str:
        field = model.model_fields.get(attribute)
        if field is None or not _is_number(field.annotation):
            return ""
        bound = f"{variable}.{attribute} < {limit}"
        return bound if field.is_required() else f"(!has({variable}.{attribute}) || {bound})"

    return test


def _is_number(annotation: Any) -> bool:
    return annotation is int or any(_is_number(each) for each in typing.get_args(annotation))


def _given(names: Iterable[str]) -> str:
    return f"[{', '.join(f'has(self.{name})' for name in names)}]"
