"""The shape of every model of the document, and its scalar types.

Models are frozen, refuse unknown fields, and are written in camelCase in YAML. A duration is a string there (`15s`) and
an integer of nanoseconds here: the field `within` is the attribute `within_ns`. There are no floats anywhere.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, Strict, WithJsonSchema
from pydantic.alias_generators import to_camel

_DURATION_PARTS = r"([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,8}s)?([0-9]{1,9}ms)?"  # the sum fits into 64 bits of ns
DURATION_PATTERN = f"^{_DURATION_PARTS}$"
NUMBER_PATTERN = r"^-?[0-9]{1,18}(\.[0-9]{1,9})?$"
NAME_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9 _.,-]*[A-Za-z0-9.])?$"
LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

_UNIT_NS = {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000}
_DURATION = re.compile(_DURATION_PARTS)
DURATION_MAX_NS = 24 * _UNIT_NS["h"]


def parse_duration(value: object) -> int:
    """``1m30s`` as nanoseconds. Units h, m, s, ms, in this order, each at most once; whole numbers.

    Raises ValueError with a sentence that shows what would be right.
    """
    if isinstance(value, bool) or not isinstance(value, str):
        shown = f"`{value}`" if isinstance(value, str | int | float) else "not a text"
        hint = f"; did you mean `{value}s`?" if isinstance(value, int) and not isinstance(value, bool) else ""
        raise ValueError(f"must be a duration such as `15s` or `500ms`, and is {shown}{hint}")
    match = _DURATION.fullmatch(value)
    if not value or match is None:
        raise ValueError(f"must be a duration such as `15s`, `500ms` or `1m30s` (whole numbers), and is `{value}`")
    parts = zip(match.groups(), _UNIT_NS, strict=True)
    total = sum(int(part.removesuffix(unit)) * _UNIT_NS[unit] for part, unit in parts if part)
    if total > DURATION_MAX_NS:
        raise ValueError(f"must be at most 24h, and is `{value}`")
    return total


def format_duration(ns: int) -> str:
    """The shortest exact writing: ``1m30s``, ``500ms``, ``0s``. Below a millisecond it is rounded down."""
    parts, rest = [], ns
    for unit, size in _UNIT_NS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _positive(ns: int) -> int:
    if ns <= 0:
        raise ValueError("must be longer than `0s`")
    return ns


def parse_number(value: object) -> Decimal:
    """A whole number, or a decimal written as text (`"0.25"`): floats cannot be compared across languages."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and re.fullmatch(NUMBER_PATTERN, value):
        return Decimal(value)
    raise ValueError(f'must be a whole number, or a decimal in quotes such as "0.25", and is `{value}`')


def _number_out(value: Decimal) -> int | str:
    return int(value) if value == value.to_integral_value() else str(value)


_DURATION_SCHEMA = {"type": "string", "pattern": DURATION_PATTERN, "minLength": 2, "maxLength": 24}
_A_DAY_AT_MOST = {"rule": "duration(self) <= duration('24h')", "message": "must be at most 24h"}
_SOME_TIME = {"rule": "duration(self) > duration('0s')", "message": "must be longer than `0s`"}

Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({**_DURATION_SCHEMA, "x-kubernetes-validations": [_A_DAY_AT_MOST]}),
]
"""Zero or more."""

PositiveDuration = Annotated[
    int,
    BeforeValidator(lambda value: _positive(parse_duration(value))),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({**_DURATION_SCHEMA, "x-kubernetes-validations": [_SOME_TIME, _A_DAY_AT_MOST]}),
]

Number = Annotated[
    Decimal,
    BeforeValidator(parse_number),
    PlainSerializer(_number_out),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": NUMBER_PATTERN, "maxLength": 29}),
]

Int = Annotated[int, Strict()]
Text = Annotated[str, Strict()]
Flag = Annotated[bool, Strict()]
Ordinal = Annotated[int, Strict(), Field(ge=0, le=98)]
PartitionIndex = Annotated[int, Strict(), Field(ge=0, le=998)]
Percent = Annotated[int, Strict(), Field(ge=0, le=100)]
FaultName = Annotated[str, Strict(), Field(pattern=LABEL_PATTERN, min_length=1, max_length=30)]
"""Part of the names of Kubernetes objects, hence a label."""


def alias_of(attribute: str) -> str:
    """`start_after_ns` is `startAfter` in YAML."""
    return to_camel(attribute.removesuffix("_ns"))


class Model(BaseModel):
    """``defer_build``: a validator is built when it is first used, so that none is built for the parts of a document,
    which are only used through the whole."""

    model_config = ConfigDict(
        defer_build=True,
        frozen=True,
        extra="forbid",
        alias_generator=alias_of,
        hide_input_in_errors=True,
        validate_default=False,
        serialize_by_alias=True,
    )


def exactly_one(model: Model, names: tuple[str, ...], what: str) -> str:
    """The one of ``names`` (attributes) that is set.

    Raises ValueError when none or several are.
    """
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) == 1:
        return given[0]
    listed = ", ".join(f"`{alias_of(name)}`" for name in names)
    if not given:
        raise ValueError(f"{what} is missing: give exactly one of {listed}")
    found = " and ".join(f"`{alias_of(name)}`" for name in given)
    raise ValueError(f"{what} is given more than once ({found}): give exactly one of {listed}")


def at_most_one(model: Model, names: tuple[str, ...], what: str) -> None:
    """Raises ValueError when several of ``names`` (attributes) are set."""
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) > 1:
        found = " and ".join(f"`{alias_of(name)}`" for name in given)
        raise ValueError(f"{what} is given more than once ({found}): give at most one of them")


JsonObject = dict[str, Any]
