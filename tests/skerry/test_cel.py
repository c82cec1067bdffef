"""The walk that puts the CRD's rules together reaches everything that is written in a model."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from skerry.experiment.document import Cluster, Workload
from skerry.schema.base import Model, Ordinal
from skerry.schema.cel import at_most_one, everywhere, exactly_one, number_below, or_default


class Leaf(Model):
    ordinal: Ordinal


class Maybe(Model):
    ordinal: Ordinal | None = None


class Other(Model):
    ordinal: Literal[True] | None = None
    colour: str = ""


class Twig(Model):
    leaf: Leaf
    from_: Annotated[Maybe, Field(alias="from")]


class Tree(Model):
    other: Other
    twigs: Annotated[tuple[Twig, ...], Field(max_length=3)]
    sides: tuple[Annotated[tuple[Leaf, ...], Field(min_length=1)], ...] | None = None


BELOW = number_below("ordinal", "9")


@pytest.mark.parametrize(
    ("model", "condition"),
    [
        (Leaf, "self.ordinal < 9"),
        (Maybe, "(!has(self.ordinal) || self.ordinal < 9)"),
        (Other, ""),
        (Twig, "(self.leaf.ordinal < 9 && (!has(self.from.ordinal) || self.from.ordinal < 9))"),
        (
            Tree,
            "(self.twigs.all(v0, (v0.leaf.ordinal < 9 && (!has(v0.from.ordinal) || v0.from.ordinal < 9))) && "
            "(!has(self.sides) || self.sides.all(v0, v0.all(v1, v1.ordinal < 9))))",
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_every_place_is_tested(model, condition):
    assert everywhere(model, "self", BELOW) == condition


def test_a_default_is_the_models_own():
    assert or_default(Cluster, "brokers", "self.?cluster") == "self.?cluster.?brokers.orValue(3)"
    assert or_default(Workload, "acks", "self") == "self.?acks.orValue('All')"
    assert or_default(Workload, "idempotent", "self") == "self.?idempotent.orValue(true)"


def test_one_of_several():
    assert exactly_one("the broker", ("role", "ordinal")) == {
        "rule": "[has(self.role), has(self.ordinal)].exists_one(x, x)",
        "message": "the broker: give exactly one of `role`, `ordinal`",
    }
    assert (
        at_most_one("the window", ("of", "after"))["rule"] == "[has(self.of), has(self.after)].filter(x, x).size() <= 1"
    )
