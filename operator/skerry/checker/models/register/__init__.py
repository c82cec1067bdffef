"""The model of registers: clients put values under keys and get them back.

* ``keys`` puts together, per key, what the answers say of it, revision by revision. All of them must agree, because
  what a revision wrote never changes.
* ``order`` decides whether one order of the operations of a key agrees with real time; exactly, in one pass.
* ``leaders`` says who led, and when each of them began to, as far as asking again and again can tell.
* ``leader_change``, ``max_write_gap`` are expectations; every other file is one property.

A put cannot ask for less than another: its row in the table of its system is that of every put.
"""

from __future__ import annotations

from skerry.checker.common import clock, processes, recording, stalls
from skerry.checker.expectations import metric
from skerry.checker.expectations.base import Rule
from skerry.checker.model import Model
from skerry.checker.models.register import (
    accounting,
    availability,
    counted,
    failed_put,
    leader_change,
    linearizable,
    lost_put,
    max_write_gap,
    revision_back,
    revision_conflict,
    unwritten_value,
)
from skerry.checker.models.register.evidence import Evidence
from skerry.checker.property import Property

PROPERTIES: tuple[Property, ...] = (
    recording.PROPERTY,
    clock.PROPERTY,
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


EXPECTATIONS: dict[str, Rule] = {rule.name: rule for rule in (leader_change.RULE, max_write_gap.RULE, metric.RULE)}
"""By the field of the document."""

MODEL = Model("register", Evidence, PROPERTIES, EXPECTATIONS)
