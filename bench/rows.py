"""One measured figure, and how all of them are printed and written."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import NamedTuple

import msgspec


class Goal(NamedTuple):
    """``which`` of p50, p95, p99 or max must be on the right side of ``limit``."""

    which: str
    less: bool
    limit: float

    def __str__(self) -> str:
        return f"{self.which} {'<' if self.less else '>='} {self.limit:g}"


class Row(msgspec.Struct, frozen=True):
    name: str
    unit: str
    p50: float
    p95: float
    p99: float
    max: float
    n: int
    goal: str = ""
    met: bool | None = None


def quantile(ordered: Sequence[float], q: float) -> float:
    """The nearest-rank quantile of sorted samples."""
    return ordered[min(len(ordered) - 1, max(0, -(-int(q * 1000) * len(ordered) // 1000) - 1))]


def measured(name: str, unit: str, samples: Sequence[float], *goals: Goal) -> Row:
    """A row from raw samples."""
    if not samples:
        raise ValueError(f"{name}: nothing was measured")
    ordered = sorted(samples)
    values = {
        "p50": quantile(ordered, 0.5),
        "p95": quantile(ordered, 0.95),
        "p99": quantile(ordered, 0.99),
        "max": ordered[-1],
    }
    met = all(values[goal.which] < goal.limit if goal.less else values[goal.which] >= goal.limit for goal in goals)
    return Row(
        name,
        unit,
        values["p50"],
        values["p95"],
        values["p99"],
        values["max"],
        len(ordered),
        ", ".join(str(goal) for goal in goals),
        met if goals else None,
    )


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    return {
        "cores": os.cpu_count() or 0,
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def table(rows: Sequence[Row]) -> str:
    heading = f"{'figure':<58} {'unit':<12} {'p50':>10} {'p95':>10} {'p99':>10} {'max':>10} {'n':>5}  goal"
    lines = [heading, "-" * len(heading)]
    for row in rows:
        mark = {True: "✓", False: "✗", None: " "}[row.met]
        figures = " ".join(f"{value:>10.4g}" for value in (row.p50, row.p95, row.p99, row.max))
        lines.append(f"{row.name:<58} {row.unit:<12} {figures} {row.n:>5}  {mark} {row.goal}")
    return "\n".join(lines)
