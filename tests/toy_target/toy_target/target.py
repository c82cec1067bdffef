"""What the toy is, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, Strict

from skerry.schema.base import Model
from skerry.targets.guarantees import Guarantee, GuaranteeTable, Row
from skerry.targets.port import Addresses, AnyRules, DataModel, PlanePort, RoleKind, System, Target

if TYPE_CHECKING:
    from skerry.experiment.document import Experiment, Spec


class Toy(Model):
    """The toy's own part of the document."""

    keys: Annotated[int, Strict(), Field(ge=1, le=9)] = 3
    """How many registers are written."""


def _rules(spec: Spec) -> AnyRules:
    from skerry.targets.group import GroupRules

    return GroupRules(spec)


def _connect(addresses: Addresses, experiment: Experiment) -> System:
    raise ConnectionError("the toy has no nodes")


TARGET = Target(
    name="toy",
    title="a toy for tests",
    model=DataModel.REGISTER,
    planes=(PlanePort("Door", between_nodes=True),),
    roles={"Leader": RoleKind.LEADER, "All": RoleKind.ALL},
    rules=_rules,
    connect=_connect,
    owes=GuaranteeTable((Row("a put", frozenset(Guarantee)),), copies=lambda spec: 1, replicas=lambda spec: 1),
    part=Toy,
)
