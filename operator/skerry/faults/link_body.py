"""The part of a document that every fault of links has: on which planes."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, Strict, model_validator

from skerry.faults.port import FaultBody
from skerry.schema.target_words import WordOfSomeTarget
from skerry.targets import registry


class LinkFaultBody(FaultBody):
    """A fault of the links between nodes."""

    planes: Annotated[
        tuple[Annotated[str, Strict(), WordOfSomeTarget(registry.planes)], ...], Field(min_length=1, max_length=8)
    ] = ()
    """Which of the nodes' networks; the target of the document says which there are. Default: all on which its nodes
    talk to each other, so that clients still reach every node."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.planes)) != len(self.planes):
            raise ValueError("`planes` names one plane twice; name each once")
        return self

    @property
    def planes_named(self) -> tuple[str, ...]:
        return self.planes

    def on_planes(self, planes: tuple[str, ...]) -> Self:
        return self if self.planes else self.model_copy(update={"planes": planes})
