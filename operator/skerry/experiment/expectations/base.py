"""What all expectations have in common: how they name partitions, faults and windows of time.

Wherever an expectation names a fault that repeats, it is about every occurrence of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from skerry.schema.base import FaultName, Int, Model, Number, PartitionIndex, at_most_one, exactly_one
from skerry.schema.selectors import Selector, Side


class Probed(StrEnum):
    """What a side of a fault is asked to take, so that it is seen whether it does."""

    WRITES = "writes"
    METADATA = "metadata"
    """Something that every node of the cluster must come to know."""


class ExpectationBody(Model):
    """The rule of an expectation: what must be true, and its limits."""

    probed: ClassVar[Probed | None] = None
    """What its `sides` are asked to take while their fault is in effect; None: nothing."""

    def faults_named(self) -> Iterator[tuple[str, str]]:
        """(attribute, name) of every fault that it refers to directly."""
        for attribute in ("of", "during", "after", "after_heal_of"):
            name = getattr(self, attribute, None)
            if isinstance(name, str):
                yield attribute, name

    def sides(self) -> Iterator[tuple[str, Side]]:
        """(attribute, side) of every side of a fault that it refers to."""
        side = getattr(self, "by", None)
        if isinstance(side, Side):
            yield "by", side

    def targets(self) -> Iterator[tuple[str, Selector]]:
        target = getattr(self, "target", None)
        if isinstance(target, Selector):
            yield "target", target


class OfPartitionOrController(ExpectationBody):
    """About the leader of one partition, about the controller, or about the leader of a system that has one group."""

    partition: PartitionIndex | None = None
    """The leader of this partition."""
    controller: Literal[True] | None = None
    """`true`: the controller, whose epoch is the term."""
    leader: Literal[True] | None = None
    """`true`: the leader of a system whose nodes form one group, whose epoch is the term."""

    @model_validator(mode="after")
    def _one_subject(self) -> OfPartitionOrController:
        exactly_one(self, ("partition", "controller", "leader"), "whose epoch is meant")
        return self


class Windowed(ExpectationBody):
    """About a stretch of time. Without any of the fields: from the first fault's effect to the end of the workload."""

    during: FaultName | None = None
    """While this fault is in effect."""
    after_heal_of: FaultName | None = None
    """From the end of this fault to the end of the workload."""

    @model_validator(mode="after")
    def _one_window(self) -> Windowed:
        at_most_one(self, ("during", "after_heal_of"), "the window")
        return self


class Comparison(ExpectationBody):
    """A measured number and its limit."""

    at_most: Number | None = None
    """The measured value is this or less."""
    at_least: Number | None = None
    """The measured value is this or more."""
    equals: Number | None = None
    """The measured value is exactly this."""

    @model_validator(mode="after")
    def _limits(self) -> Comparison:
        if self.equals is not None and (self.at_most is not None or self.at_least is not None):
            raise ValueError("`equals` cannot be combined with `atMost` or `atLeast`")
        if self.equals is None and self.at_most is None and self.at_least is None:
            raise ValueError("the limit is missing: give `equals`, or `atMost` and/or `atLeast`")
        if self.at_most is not None and self.at_least is not None and self.at_least > self.at_most:
            raise ValueError(f"can never hold: `atLeast` ({self.at_least}) is above `atMost` ({self.at_most})")
        return self


Count = Annotated[Int, Field(ge=0, le=1_000_000)]
