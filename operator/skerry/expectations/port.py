"""What an expectation is to everybody who does not know it by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic.alias_generators import to_snake

from skerry.expectations.bodies import ExpectationBody
from skerry.expectations.judged import Judged
from skerry.faults.port import Feature
from skerry.schema.base import JsonObject, Model
from skerry.schema.cel import SpecRule
from skerry.targets.port import DataModel

METRICS = Feature("metric expectations")
"""The world samples the metrics that a body names."""
PROMQL = Feature("promql expectations")
"""The world asks Prometheus what a body wants to know."""
Judge = Callable[[Any, Any], Iterable[Judged]]
"""(body, the facts of the run as its model knows them) -> one judgement for each occurrence of the fault, or for each
partition."""


class Column(NamedTuple):
    """Where the status of an experiment shows the longest time that was measured."""

    field: str
    """Its field of the status."""
    title: str
    """Its head in `kubectl get skx`."""
    meaning: str
    """What the schema says of it."""


FAILOVER = Column("failover", "Failover", "The longest measured time from a fault to a new leader, such as 1.21s.")


class Advice(NamedTuple):
    """Reasons of its own for which it is Inconclusive."""

    names: str
    """Each in CamelCase, with a space between them."""
    happened: str
    """What happened, as a sentence without its full stop."""
    todo: str
    """What to do about it, in the same form."""


@dataclass(frozen=True)
class ExpectationType:
    """An expectation, as the registry knows it."""

    word: str
    """The field of the document: `leaderChange`."""
    body: type[ExpectationBody]
    definition: str
    """When it holds, as its page has it: the docstring of its module."""
    judges: Mapping[DataModel, Judge]
    """How it is found in a recording, by what the clients of the system can do; of others it cannot be asked."""
    needs: tuple[Feature, ...] = ()
    """What a world must be able to do."""
    column: Column | None = None
    stamped: bool = False
    """The nodes' own stamps say what it measures: that is shown in the column, and not what samples say of the same."""
    reasons: tuple[Advice, ...] = ()
    rules: Mapping[str, tuple[JsonObject, ...]] = field(default_factory=dict)
    """Name of a model -> what the API server checks wherever one stands."""
    in_spec: tuple[SpecRule, ...] = ()
    """What it checks of the body ``{0}`` and the spec."""
    documented: tuple[tuple[str, type[Model]], ...] = ()
    """Further models of its own for the reference page, with their titles."""

    @property
    def attribute(self) -> str:
        """The field of the model: `leader_change`."""
        return to_snake(self.word)
