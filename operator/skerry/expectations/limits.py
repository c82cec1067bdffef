"""Limits that mean nothing in their document: nothing that could happen would break them, or nobody could be asked.

Every limit is compared as it counts: scaled by `cluster.timing`, and with the longest stretch of time in which it could
be broken. What is not certain is not refused: a victim that was away comes back some time after it was released, so how
long its fault lasts in all, nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from skerry.faults.port import Absence, Path
from skerry.faults.registry import absence
from skerry.schema.base import format_duration

if TYPE_CHECKING:
    from skerry.expectations.bodies import ExpectationBody
    from skerry.experiment.document import Fault, Spec

LIMITS = {"within_ns": "within", "at_most_ns": "atMost"}
"""The attributes of a body that are limits of time, and how they are written."""


def never_broken(spec: Spec, during: str | None, limit_ns: int, where: str) -> Iterator[tuple[Path, str]]:
    """The problem of a longest wait while a fault is in effect that is no shorter than the fault."""
    fault = _named(spec, during)
    if fault is not None and absence(fault.kind, fault.body) is Absence.NEVER:
        yield from _too_long(spec, fault, limit_ns, where, "no wait inside it could ever break this")


def never_asked(spec: Spec, by: str | None, limit_ns: int, where: str) -> Iterator[tuple[Path, str]]:
    """The problem of a time after which something is asked while a fault is in effect: its heal begins after its
    `duration`, or after its own `downFor`."""
    fault = _named(spec, by)
    if fault is not None and absence(fault.kind, fault.body) is not Absence.AT_TIMES:
        yield from _too_long(spec, fault, limit_ns, where, "nobody could be asked before it ends")


def longer_than_the_run(spec: Spec, body: ExpectationBody) -> Iterator[tuple[Path, str]]:
    """A run that is not over within `timeout` is Inconclusive whatever it was."""
    for attribute, where in LIMITS.items():
        limit_ns = _scaled(spec, getattr(body, attribute, 0))
        if limit_ns >= spec.timeout_ns:
            timeout = format_duration(spec.timeout_ns)
            said = f"{_as_it_counts(spec, limit_ns)} is no shorter than `timeout` ({timeout}), and a run that takes"
            yield (where,), f"{said} longer is broken off, so nothing could ever break this; change one of them"


def _too_long(spec: Spec, fault: Fault, limit_ns: int, where: str, why: str) -> Iterator[tuple[Path, str]]:
    scaled_ns = _scaled(spec, limit_ns)
    if 0 < fault.lasts_ns <= scaled_ns:
        lasts, limit = format_duration(fault.lasts_ns), _as_it_counts(spec, scaled_ns)
        yield (where,), f"{limit} is no shorter than `{fault.name}` lasts ({lasts}), so {why}; change one of them"


def _named(spec: Spec, name: str | None) -> Fault | None:
    return next((each for each in spec.faults if each.name == name), None)


def _scaled(spec: Spec, limit_ns: int) -> int:
    return limit_ns * spec.cluster.timing.factor


def _as_it_counts(spec: Spec, scaled_ns: int) -> str:
    factor = spec.cluster.timing.factor
    said = format_duration(scaled_ns // factor)
    return said if factor == 1 else f"{said}, which is {format_duration(scaled_ns)} with this `timing`,"
