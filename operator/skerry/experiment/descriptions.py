"""The docstring under each field of the models, as the field's description.

They are for those who read the schema, the CRD or the reference, and are looked up when one of these is made. Pydantic
would do it for every model that is defined (``use_attribute_docstrings``): finding and parsing the source of each was a
third of what it costs to import the document, in every process that reads one.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any, get_args

from skerry.schema.base import JsonObject, Model


def describe(schema: JsonObject, root: type[Model]) -> None:
    """Write into the JSON schema of ``root``, whose keys are in their order, what stands under the fields of all models
    in it."""
    nodes = {root.__name__: schema, **schema.get("$defs", {})}
    for model in dict.fromkeys(_models_of(root)):
        properties = nodes[model.__name__]["properties"]
        for name, text in descriptions(model).items():
            node = properties[model.model_fields[name].alias]
            properties[model.model_fields[name].alias] = dict(sorted({**node, "description": text}.items()))


def descriptions(model: type[Model]) -> dict[str, str]:
    """By attribute: what the field itself says, else what stands under it, here or where it is inherited from."""
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, Model):
            texts |= _docstrings(base)
    texts |= {name: field.description for name, field in model.model_fields.items() if field.description}
    return {name: text for name, text in texts.items() if name in model.model_fields}


def _models_of(root: Any) -> Iterator[type[Model]]:
    """``root`` and every model that its fields are made of; ``root`` may be any annotation."""
    if isinstance(root, type) and issubclass(root, Model):
        yield root
        for field in root.model_fields.values():
            yield from _models_of(field.annotation)
    for part in get_args(root):
        yield from _models_of(part)


@cache
def _docstrings(model: type[Model]) -> dict[str, str]:
    """What stands under the fields of this very class; of one that no source defines, nothing."""
    try:
        source = textwrap.dedent(inspect.getsource(model))
    except OSError:  # put together from parts: `create_model`
        return {}
    definition = ast.parse(source).body[0]
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
