"""What was measured, as the columns and the list of the status show it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from skerry.schema.base import JsonObject
from skerry.schema.verdict import Finding, FindingKind

MEASUREMENTS_MAX = 64
TEXT_MAX = 200
FAILOVER_RULES = ("failover", "leaderChange")
"""The first that measured anything: the metrics' word before that of the samples."""
ISR_RULES = ("isrRecovery",)
_SECONDS = re.compile(r"(?:[0-9.]+-)?([0-9]+(?:\.[0-9]+)?) s")


def measurements(findings: Iterable[Finding]) -> list[JsonObject]:
    """One entry per expectation, in the order of the document."""
    entries = {
        finding.name: {
            "name": finding.name,
            "limit": finding.limit[:TEXT_MAX],
            "measured": finding.measured[:TEXT_MAX],
            "verdict": str(finding.verdict),
        }
        for finding in findings
        if finding.kind is FindingKind.EXPECTATION and finding.name
    }
    return list(entries.values())[:MEASUREMENTS_MAX]


def failover(findings: Iterable[Finding]) -> str:
    """``1.21s``: the longest time from a fault to a new leader; empty: nobody measured one."""
    return _longest(list(findings), FAILOVER_RULES)


def isr_recovery(findings: Iterable[Finding]) -> str:
    """``2.4s``: the longest time from a heal to a whole ISR; empty: nobody measured one."""
    return _longest(list(findings), ISR_RULES)


def _longest(findings: list[Finding], rules: tuple[str, ...]) -> str:
    for rule in rules:
        matches = [_SECONDS.fullmatch(finding.measured) for finding in findings if finding.rule == rule]
        found = [match[1] for match in matches if match is not None]
        if found:
            return _short(max(found, key=float))
    return ""


def _short(seconds: str) -> str:
    """``2.40`` is ``2.4s``, ``3.00`` is ``3s``."""
    return f"{seconds.rstrip('0').rstrip('.') if '.' in seconds else seconds}s"
