"""A word of a target: a field of `spec` that means something to it, and to no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skerry.schema.base import JsonObject, Model
    from skerry.schema.cel import SpecRule


@dataclass(frozen=True)
class Word:
    """A field of `spec` that a target declares. Its model may have ``problems(spec)``, as bodies of expectations do."""

    model: type[Model]
    meaning: str = ""
    """What the schema says of the field; empty: what the model says of itself."""
    always: bool = False
    """Where a document does not say it, it is there with its defaults."""
    rules: Mapping[str, tuple[JsonObject, ...]] = field(default_factory=dict)
    """Name of a model -> what the API server checks wherever one stands."""
    in_spec: tuple[SpecRule, ...] = ()
    patterns: Mapping[str, str] = field(default_factory=dict)
    """Its field -> what a text there must be, as words."""
    documented: tuple[tuple[str, type[Model]], ...] = ()
    """Further models of its own for the reference page, with their titles."""
