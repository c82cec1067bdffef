"""The model of registers: clients put values under keys and get them back.

* ``keys`` puts together, per key, what the answers say of it, revision by revision. All of them must agree, because
  what a revision wrote never changes.
* ``order`` decides whether one order of the operations of a key agrees with real time; exactly, in one pass.
* Every other file is one property.

A put cannot ask for less than another: its row in the table of its system is that of every put.
"""

from __future__ import annotations

from skerry.checker.common import clock, faults, processes, recording, stalls
from skerry.checker.model import Model
from skerry.checker.models.register import (
    accounting,
    availability,
    counted,
    failed_put,
    linearizable,
    lost_put,
    revision_back,
    revision_conflict,
    unwritten_value,
)
from skerry.checker.models.register.evidence import Evidence
from skerry.checker.property import Property
from skerry.expectations.registry import judges_of
from skerry.targets.port import DataModel

PROPERTIES: tuple[Property, ...] = (
    recording.PROPERTY,
    clock.PROPERTY,
    faults.PROPERTY,
    processes.PROPERTY,
    accounting.PROPERTY,
    lost_put.PROPERTY,
    counted.PROPERTY,
    unwritten_value.PROPERTY,
    failed_put.PROPERTY,
    revision_conflict.PROPERTY,
    linearizable.PROPERTY,
    revision_back.PROPERTY,
    availability.PROPERTY,
    stalls.PROPERTY,
)
"""In the order of the report: what is worst to break comes first."""


MODEL = Model(DataModel.REGISTER, Evidence, PROPERTIES, judges_of(DataModel.REGISTER))
