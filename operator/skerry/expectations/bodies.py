"""What all expectations have in common: how they name partitions, faults and windows of time.

Wherever an expectation names a fault that repeats, it is about every occurrence of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from skerry.faults.port import Path
from skerry.schema.base import FaultName, Int, Model, Number, PartitionIndex, at_most_one, exactly_one
from skerry.schema.cel import at_most_one as at_most_one_of
from skerry.schema.cel import exactly_one as one_of
from skerry.schema.cel import rule
from skerry.schema.selectors import Selector, Side
from skerry.schema.vocabulary import MetricSource

if TYPE_CHECKING:
    from skerry.experiment.document import Spec

FAULT_ATTRIBUTES = ("of", "during", "after", "after_heal_of")
"""The attributes of a body that name a fault."""


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
        for attribute in FAULT_ATTRIBUTES:
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

    @property
    def longest_ns(self) -> int:
        """The longest time that it allows for anything."""
        return max(getattr(self, attribute, 0) for attribute in ("within_ns", "at_most_ns"))

    def metrics(self) -> Iterator[tuple[str, MetricSource]]:
        """The metrics that must be sampled for it."""
        yield from ()

    def queries(self) -> Iterator[str]:
        """What Prometheus must be asked for it after the run."""
        yield from ()

    def relabelled(self, label: str, old: str, new: str) -> ExpectationBody:
        """The same, of series whose ``label`` is ``new`` where it says ``old``."""
        return self

    def problems(self, spec: Spec) -> Iterator[tuple[Path, str]]:
        """Why it can never hold in this document, or makes no sense there: where in the body, and a sentence."""
        yield from ()


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


SUBJECT_RULES = (one_of("whose epoch is meant", ("partition", "controller", "leader")),)


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


WINDOW_RULES = (at_most_one_of("the window", ("during", "afterHealOf")),)


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

    def holds(self, value: float) -> bool:
        """Whether the measured value is within the limits."""
        exact = Decimal(repr(value))
        return (
            (self.equals is None or exact == self.equals)
            and (self.at_most is None or exact <= self.at_most)
            and (self.at_least is None or exact >= self.at_least)
        )

    @property
    def limits(self) -> str:
        """As they are shown: ``>= 1, <= 3``."""
        named = (("=", self.equals), (">=", self.at_least), ("<=", self.at_most))
        return ", ".join(f"{sign} {limit}" for sign, limit in named if limit is not None)


COMPARISON_RULES = (
    rule(
        "!has(self.equals) || !(has(self.atMost) || has(self.atLeast))",
        "`equals` cannot be combined with `atMost` or `atLeast`",
    ),
    rule(
        "has(self.equals) || has(self.atMost) || has(self.atLeast)",
        "the limit is missing: give `equals`, or `atMost` and/or `atLeast`",
    ),
    rule(
        "!has(self.atMost) || !has(self.atLeast) || double(self.atLeast) <= double(self.atMost)",
        "the limit can never hold: `atLeast` is above `atMost`",
    ),
)


Count = Annotated[Int, Field(ge=0, le=1_000_000)]
