"""The brokers that a fault or an expectation means: a role, resolved from the brokers' own status, or an ordinal."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict, model_validator

from skerry.schema.base import FaultName, Model, Ordinal, PartitionIndex, exactly_one
from skerry.schema.target_words import WordOfSomeTarget
from skerry.schema.vocabulary import Role
from skerry.targets import registry


class Selector(Model):
    """Brokers by role or by ordinal."""

    role: Annotated[str, Strict(), WordOfSomeTarget(registry.roles)] | None = None
    """What the broker is when the fault begins; looked up at that moment, and again when it moved in between. The
    target of the document says which roles there are."""
    ordinal: Ordinal | None = None
    """One broker by its number, 0 is the first."""
    partition: PartitionIndex | None = None
    """The partition of which it is the leader or a follower; required for such a role, and for no other."""
    count: Annotated[int, Strict(), Field(ge=1, le=99)] | None = None
    """How many of those that have the role, lowest ordinals first. Default: 1; everyone for Other and All."""

    @model_validator(mode="after")
    def _consistent(self) -> Selector:
        exactly_one(self, ("role", "ordinal"), "the broker")
        if self.role is None and self.partition is not None:
            raise ValueError("`partition` has no meaning for an ordinal; remove it")
        if self.role is None and self.count is not None:
            raise ValueError("`count` has no meaning for an ordinal: there is one; remove it")
        return self

    @property
    def count_max(self) -> int | None:
        """How many to take at most; None: everyone with the role."""
        if self.count is not None:
            return self.count
        return None if self.role in tuple(Role) else 1

    def __str__(self) -> str:
        if self.ordinal is not None:
            return f"broker {self.ordinal}"
        of = "" if self.partition is None else f" of partition {self.partition}"
        return f"{'' if self.count is None else f'{self.count} x '}{self.role}{of}"


class Side(Model):
    """One side of a fault, or one broker: where a probe writes to."""

    fault: FaultName | None = None
    """Brokers of this fault's `group`, as they were resolved when it began."""
    group: Annotated[int, Strict(), Field(ge=0, le=7)] | None = None
    """Which of the fault's groups, the first is 0; default 0. The victims of other faults are group 0."""
    ordinal: Ordinal | None = None
    """One broker by its number, instead of `fault`."""

    @model_validator(mode="after")
    def _consistent(self) -> Side:
        exactly_one(self, ("fault", "ordinal"), "the side")
        if self.group is not None and self.fault is None:
            raise ValueError("`group` needs `fault`: the group of which fault is meant?")
        return self

    @property
    def group_index(self) -> int:
        return self.group or 0
