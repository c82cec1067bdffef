"""What an expectation's judge gives back, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from skerry.checker.expectations.facts import RunFacts
from skerry.history.records import HistoryRecord
from skerry.schema.verdict import Verdict

MS = 1_000_000
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Judged:
    """One judgement: of one occurrence of a fault, or of one partition. The worst of them is the expectation's."""

    verdict: Verdict
    message: str
    """One sentence with numbers."""
    reason: str = ""
    limit: str = ""
    measured: str = ""
    weight: int = 0
    """Among equals the heaviest is shown: the longest gap, the slowest failover."""
    window: tuple[int, int] | None = None
    """The time that was judged, in run nanoseconds; a stall inside it matters."""
    upper_bound: bool = False
    """The limit is the longest time that something may take."""
    stall_voids_pass: bool = False
    """A Pass says that something did not happen in time, which a runner that stood still would not have seen."""
    witness: tuple[HistoryRecord | None, ...] = ()
    partition: int = -1


JudgeFunction = Callable[[Any, RunFacts], Iterable[Judged]]
"""(the expectation's body, the run) -> judgements. The registry pairs it with the body's class."""


@dataclass(frozen=True)
class Rule:
    """One kind of expectation. ``definition`` is its module's docstring."""

    name: str
    definition: str
    judge: JudgeFunction


def passed(message: str, **more: Any) -> Judged:
    return Judged(Verdict.PASS, message, **more)


def failed(reason: str, message: str, **more: Any) -> Judged:
    return Judged(Verdict.FAIL, message, reason, **more)


def unknown(reason: str, message: str, **more: Any) -> Judged:
    """Nothing in the history answers it."""
    return Judged(Verdict.INCONCLUSIVE, message, reason, **more)


def seconds(ns: int) -> str:
    """``1.42 s``, ``0.35 s``."""
    return f"{ns / SECOND:.2f} s"


def span(low_ns: int, high_ns: int) -> str:
    """A measured time with its bounds: ``1.42 s``, or ``1.38-1.51 s`` where they differ visibly."""
    low_ns = max(0, low_ns)
    if high_ns - low_ns < 10 * MS:
        return seconds(high_ns)
    return f"{low_ns / SECOND:.2f}-{high_ns / SECOND:.2f} s"
