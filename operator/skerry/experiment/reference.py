"""The page `docs/experiment-reference.md`, written from the models: fields, types, limits, defaults, meanings."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from skerry.expectations.registry import EXPECTATIONS
from skerry.experiment.descriptions import descriptions
from skerry.experiment.document import (
    API_VERSION,
    KIND,
    Cluster,
    Expectation,
    Fault,
    Repeat,
    Spec,
    Workload,
)
from skerry.experiment.schema import json_schema
from skerry.faults.registry import FAULTS
from skerry.schema.base import Model, alias_of, format_duration
from skerry.schema.selectors import Selector, Side
from skerry.targets import registry

_HEAD = f"""# Experiment reference

Generated from the models by `hack/generate.py`; do not edit. Every experiment is one YAML document:

```yaml
apiVersion: {API_VERSION}
kind: {KIND}
metadata: {{name: leader-isolation}}      # lower-case letters, digits, `-`
spec: ...
```

Durations are text such as `15s`, `500ms`, `1m30s`: whole numbers of h, m, s, ms in this order. There are no floats: a
number with a fraction is written in quotes (`"0.25"`). Enums are CamelCase. Unknown fields are errors. **Bold** fields
are required.
"""


def reference_text() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_sections()]).rstrip() + "\n"


def _sections() -> Iterator[str]:
    schema = json_schema()["$defs"]
    yield from _section("spec", Spec, schema, 2)
    yield from _section("cluster", Cluster, schema, 3)
    yield from _section("workload", Workload, schema, 3)
    for word, each in registry.words().items():
        yield from _section(alias_of(word), each.model, schema, 3)
        for title, model in each.documented:
            yield from _section(title, model, schema, 3)
    yield from _section("faults[]", Fault, schema, 2)
    yield from _section("repeat", Repeat, schema, 3)
    for name, fault in FAULTS.items():
        yield from _section(name, fault.body, schema, 3)
        for heading, own in fault.documented:
            yield from _section(heading, own, schema, 4)
    yield from _section("Targets", Selector, schema, 2)
    yield from _roles()
    yield from _planes_and_allowances()
    yield from _section("expect[]", Expectation, schema, 2, only=("name",))
    for name, expectation in EXPECTATIONS.items():
        yield from _section(name, expectation.body, schema, 3)
    yield from _section("by", Side, schema, 3)
    for heading, own in dict.fromkeys(each for one in EXPECTATIONS.values() for each in one.documented):
        yield from _section(heading, own, schema, 3)


def _roles() -> Iterator[str]:
    yield "| target | its roles | of a `partition` |"
    yield "|---|---|---|"
    for name in registry.names():
        target = registry.target(name)
        of_partition = [role for role in target.roles if target.of_partition(role)]
        yield f"| `{name}` | {_words(target.roles)} | {_words(of_partition) or 'none'} |"
    yield ""


def _planes_and_allowances() -> Iterator[str]:
    yield "| target | its `planes` | on which its nodes talk to each other | what can be `allow`ed |"
    yield "|---|---|---|---|"
    for name in registry.names():
        target = registry.target(name)
        cells = (target.planes_named, target.peer_planes, target.allowances)
        yield f"| `{name}` | {' | '.join(_words(each) for each in cells)} |"
    yield ""


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _section(
    title: str, model: type[Model], schema: dict[str, Any], level: int, only: tuple[str, ...] = ()
) -> Iterator[str]:
    yield f"{'#' * level} `{title}`\n"
    yield f"{' '.join((inspect.getdoc(model) or '').split())}\n"
    yield "| field | type | default | meaning |"
    yield "|---|---|---|---|"
    properties = schema[model.__name__]["properties"]
    meanings = descriptions(model)
    for attribute, field in model.model_fields.items():
        if only and attribute not in only:
            continue
        name = field.alias or alias_of(attribute)
        shown = f"**`{name}`**" if field.is_required() else f"`{name}`"
        meaning = " ".join(meanings.get(attribute, "").split())
        yield f"| {shown} | {_type(properties[name], attribute, schema)} | {_default(attribute, field)} | {meaning} |"
    yield ""


def _type(node: dict[str, Any], attribute: str, schema: dict[str, Any]) -> str:
    if "anyOf" in node:
        (node,) = [each for each in node["anyOf"] if each.get("type") != "null"]
    if attribute.endswith("_ns"):
        return "duration"
    if "x-kubernetes-int-or-string" in node:
        return "number"
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        return _type(schema[name], "", schema) if "enum" in schema[name] else "object"
    if "enum" in node:
        return " \\| ".join(f"`{word}`" for word in node["enum"])
    if "const" in node:
        return "`true`"
    kind = str(node.get("type", "any"))
    if kind == "array":
        return f"list of {_type(node['items'], '', schema)}" + _range(node, "minItems", "maxItems")
    if kind == "integer":
        return "integer" + _range(node, "minimum", "maximum")
    return {"string": "text", "boolean": "true or false", "object": "mapping"}.get(kind, kind)


def _range(node: dict[str, Any], low: str, high: str) -> str:
    if high not in node:
        return ""
    return f" ({node.get(low, 0)} to {node[high]})"


def _default(attribute: str, field: FieldInfo) -> str:
    if field.is_required() or field.default is None or field.default_factory is not None:
        return ""
    value = field.default
    if isinstance(value, BaseModel):
        return "as below"
    if attribute.endswith("_ns"):
        return f"`{format_duration(value)}`"
    if value == () and any(getattr(each, "min_length", 0) for each in field.metadata):
        return ""  # it stands for what nobody may write; the meaning says what that is
    if isinstance(value, tuple):
        return f"`[{', '.join(str(getattr(each, 'value', each)) for each in value)}]`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    return f"`{value}`" if isinstance(value, int | str | Decimal) else ""
