"""Short ways to write a finding, so that a property reads as its rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from skerry.history import PartitionKey
from skerry.schema.verdict import Finding, FindingKind, Verdict

OFFSETS_SHOWN_MAX = 32
"""A finding names this many offsets; its message has the full count."""


def held(rule: str, message: str, *, owed: str = "", kind: FindingKind = FindingKind.SAFETY) -> Finding:
    """The rule held; ``message`` says over how much."""
    return Finding(kind, rule, Verdict.PASS, message, owed=owed)


def broken(
    rule: str,
    reason: str,
    message: str,
    key: PartitionKey | None = None,
    *,
    offsets: Iterable[int] = (),
    witness: tuple[int, ...] = (),
    owed: str = "",
) -> Finding:
    """A safety rule was broken; ``witness`` are the records that prove it."""
    return Finding(
        FindingKind.SAFETY,
        rule,
        Verdict.FAIL,
        message,
        reason=reason,
        owed=owed,
        **place(key),
        offsets=tuple(islice(offsets, OFFSETS_SHOWN_MAX)),
        witness=witness,
    )


def undecided(
    rule: str,
    reason: str,
    message: str,
    key: PartitionKey | None = None,
    *,
    kind: FindingKind = FindingKind.SAFETY,
    witness: tuple[int, ...] = (),
    owed: str = "",
    fault: str = "",
) -> Finding:
    """It cannot be told from this history whether the rule held."""
    return Finding(
        kind,
        rule,
        Verdict.INCONCLUSIVE,
        message,
        reason=reason,
        owed=owed,
        **place(key),
        witness=witness,
        fault=fault,
    )


def remark(not_owed: Sequence[str]) -> str:
    """What a rule that held adds of that which was not owed."""
    return f"; not owed: {'; '.join(not_owed)}" if not_owed else ""


def place(key: PartitionKey | None) -> dict[str, Any]:
    """The fields of a finding that say where; none: it is of no partition."""
    return key._asdict() if key else {}


def not_judged(what: str) -> Finding:
    """The one finding of a check that came to no end; ``what`` says why."""
    return undecided("check", "CheckerCrashed", f"{what}; nothing is known about this run", kind=FindingKind.RUN)


def plural(count: int, noun: str, many: str = "") -> str:
    """``1 record``, ``1,204 records``."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def offsets_text(offsets: list[int]) -> str:
    """``offset 5``, ``offsets 118-120``, ``offsets 3, 7-9 and 12 more``. ``offsets`` are sorted and distinct."""
    return runs_text([(offset, 1) for offset in offsets])


def runs_text(runs: list[tuple[int, int]]) -> str:
    """The same of runs of offsets, (first, how many), which are sorted; they may touch or overlap."""
    ranges: list[list[int]] = []
    for first, count in runs:
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1][1] = max(ranges[-1][1], first + count - 1)
        else:
            ranges.append([first, first + count - 1])
    many = len(ranges) > 1 or any(a != b for a, b in ranges)
    shown = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges[:4])
    hidden = sum(b - a + 1 for a, b in ranges[4:])
    return f"offset{'s' if many else ''} {shown}" + (f" and {hidden} more" if hidden else "")


def value_text(value: int) -> str:
    """``process 3, record 17`` of the value that identifies it."""
    if value < 0:
        return f"value {value}"
    return f"record {value & (1 << 40) - 1} of process {value >> 40}"
