"""What pydantic found -> a sentence a person can act on: what is there, what would be right."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from skerry.experiment.document import API_VERSION, KIND, Experiment
from skerry.experiment.target_checks import did_you_mean
from skerry.schema.base import alias_of
from skerry.targets import registry

Path = tuple[str | int, ...]

_TYPES = {
    "int_type": "must be a whole number",
    "string_type": "must be text",
    "bool_type": "must be `true` or `false`",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "int_from_float": "must be a whole number",
}

_PATTERNS = {
    "name": "lower-case letters, digits and `-`, beginning and ending with a letter or digit",
    "prometheusUrl": "an address that begins with http:// or https://",
    "statefulSet": "the name of a StatefulSet: lower-case letters, digits, `-` and `.`",
    **{f"{alias_of(w)}.{name}": said for w, each in registry.words().items() for name, said in each.patterns.items()},
}


def sentence_of(error: ValidationError, data: object) -> Iterator[tuple[Path, str]]:
    """(path, sentence) of every problem in ``error``; ``data`` is what was validated."""
    details = error.errors(include_url=False, include_context=True)
    inner = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
    for detail in details:
        path = tuple(part for part in detail["loc"] if part != "[key]")
        if detail["type"] == "too_short" and path in inner:
            continue  # pydantic drops wrong entries before it counts: the entry's own problem says it better
        yield path, _sentence(detail, path, _value_at(data, path))


def _sentence(detail: ErrorDetails, path: Path, value: object) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if path == ("apiVersion",) and kind == "literal_error":
        return f"must be `{API_VERSION}`, and is {_shown(value)}"
    if path == ("kind",) and kind == "literal_error":
        return f"must be `{KIND}`, and is {_shown(value)}"
    if kind == "missing":
        return f"is missing{_example(path)}"
    if kind == "extra_forbidden":
        known = _known_fields(path[:-1])
        hint = did_you_mean(str(path[-1]), known) or f"; known here: {', '.join(f'`{name}`' for name in known)}"
        return f"unknown field{hint}"
    if kind in ("enum", "literal_error"):
        words = _words(str(context.get("expected", "")))
        hint = did_you_mean(value, words) if isinstance(value, str) else ""
        return f"must be {_either(words)}, and is {_shown(value)}{hint}"
    if kind == "value_error":
        return str(context.get("error", detail["msg"]))
    if kind in _TYPES:
        return f"{_TYPES[kind]}, and is {_shown(value)}"
    if kind == "greater_than_equal":
        return f"must be at least {context['ge']}, and is {_shown(value)}"
    if kind == "less_than_equal":
        return f"must be at most {context['le']}, and is {_shown(value)}"
    if kind == "too_long":
        return f"must have at most {context['max_length']} entries, and has {context['actual_length']}"
    if kind == "too_short":
        least = context["min_length"]
        return f"must have at least {least} {'entry' if least == 1 else 'entries'}, and has {context['actual_length']}"
    if kind == "string_too_long":
        return f"must be at most {context['max_length']} characters long"
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "string_pattern_mismatch":
        field = ".".join(str(part) for part in path[-2:])
        rule = _PATTERNS.get(field) or _PATTERNS.get(str(path[-1]), f"text that matches {context['pattern']}")
        if len(path) > 2 and path[1] == "expect" and path[-1] == "name" and len(path) == 4:
            rule = "letters, digits, spaces and `_ . , -`, beginning with a letter or digit"
        return f"must be {rule}, and is {_shown(value)}"
    return f"{detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _shown(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str | int | float):
        text = str(value)
        text = text if len(text) <= 60 else text[:57] + "..."
        return f'the text "{text}"' if isinstance(value, str) and _looks_like_another_type(text) else f"`{text}`"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"`{value}` (put it in quotes)"


def _looks_like_another_type(text: str) -> bool:
    """Only the quotes make it text: without them it is a number, true or false, or nothing."""
    return not text or text.lstrip("-").isdigit() or text.casefold() in ("true", "false", "null", "~")


def _words(expected: str) -> list[str]:
    """`'A', 'B' or 'C'` as a list."""
    return [word.strip().strip("'") for word in expected.replace(" or ", ", ").split(",")]


def _either(words: list[str]) -> str:
    shown = [f"`{'true' if word == 'True' else word}`" for word in words]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _example(path: Path) -> str:
    return {
        "apiVersion": f"; write `apiVersion: {API_VERSION}`",
        "kind": f"; write `kind: {KIND}`",
        "hypothesis": "; say in one sentence what you believe",
        "how": "; say it, because a crash and a graceful stop test different things",
    }.get(str(path[-1]), "")


def _value_at(data: object, path: Path) -> object:
    for part in path:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def _known_fields(path: Path) -> list[str]:
    """The fields of the model at ``path`` as they are written, in their order."""
    model = _model_at(Experiment, path)
    return [_written(name, field) for name, field in model.model_fields.items()] if model else []


def _written(name: str, field: FieldInfo) -> str:
    return field.alias or alias_of(name)


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    kind: Any = model
    for part in path:
        if isinstance(part, int):
            kind = next((a for a in typing.get_args(kind) if a is not Ellipsis), None)
        else:
            found = next((f for n, f in kind.model_fields.items() if _written(n, f) == part), None)
            kind = found.annotation if found else None
        kind = _plain(kind)
        if kind is None:
            return None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _plain(kind: Any) -> Any:
    """Without `Annotated` and `| None`."""
    while True:
        origin = typing.get_origin(kind)
        if origin is typing.Annotated:
            kind = typing.get_args(kind)[0]
        elif origin in (typing.Union, types.UnionType):
            kind = next(arg for arg in typing.get_args(kind) if arg is not type(None))
        else:
            return kind
