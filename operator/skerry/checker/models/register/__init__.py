"""The model of registers: clients put values under keys and get them back.

* ``keys`` puts together, per key, what the answers say of it, revision by revision. All of them must agree, because
  what a revision wrote never changes.
* ``order`` decides whether one order of the operations of a key agrees with real time; exactly, in one pass.
* Every other file is one property.

What is guaranteed does not depend on how a put was asked for: a store of registers promises one thing.
"""

from __future__ import annotations

from skerry.checker.common import clock, processes, recording, stalls
from skerry.checker.model import Model
from skerry.checker.models.register import (
    availability,
    counted,
    failed_put,
    linearizable,
    lost_put,
    revision_back,
    revision_conflict,
    unwritten_value,
)
from skerry.checker.models.register.evidence import GUARANTEE, Evidence
from skerry.checker.property import Property
from skerry.experiment import Experiment
from skerry.history import History

PROPERTIES: tuple[Property, ...] = (
    recording.PROPERTY,
    clock.PROPERTY,
    processes.PROPERTY,
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


def prepare(history: History, experiment: Experiment | None) -> tuple[Evidence, str]:
    return Evidence(history), GUARANTEE


MODEL = Model("register", prepare, PROPERTIES, {})
