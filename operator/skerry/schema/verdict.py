"""The three-valued verdict and the findings it is made of.

One enum, three renderings: exit code, condition status, word. The verdict of a run is its worst finding
(Fail > Inconclusive > Pass); correctness is never averaged.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    PASS = "Pass"
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"

    @property
    def exit_code(self) -> int:
        return {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INCONCLUSIVE: 2}[self]

    @property
    def condition_status(self) -> str:
        return {Verdict.PASS: "True", Verdict.FAIL: "False", Verdict.INCONCLUSIVE: "Unknown"}[self]


class FindingKind(StrEnum):
    SAFETY = "safety"
    """A property: checked in every run (`docs/properties.md`), and it stands whatever else happened."""
    EXPECTATION = "expectation"
    """What this document asked for. Inconclusive when its fault was not verified."""
    RUN = "run"
    """Whether the run itself can be judged: steady state, verification, drain, a crashed checker."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One judgement, with its evidence."""

    kind: FindingKind
    rule: str
    """The property or expectation: `lost-write`, `leaderChange`."""
    verdict: Verdict
    message: str
    """One sentence with numbers."""
    reason: str = ""
    """A CamelCase code: `LostWrite`, `UnsupportedFault`, `NotVerified`."""
    name: str = ""
    """The expectation's own name."""
    limit: str = ""
    measured: str = ""
    owed: str = ""
    """The row of the table of what is owed that this rests on."""
    topic: str = ""
    partition: int = -1
    offsets: tuple[int, ...] = ()
    witness: tuple[int, ...] = ()
    """The records of the history that prove it, as indices (usually two)."""
    fault: str = ""

    @property
    def place(self) -> str:
        """The partition that it is about, as ``orders-0``; empty: none."""
        return f"{self.topic}-{self.partition}" if self.partition >= 0 else ""


_RANK = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of them; nothing at all proves nothing, so an empty input is Inconclusive."""
    return max(verdicts, key=_RANK.__getitem__, default=Verdict.INCONCLUSIVE)
