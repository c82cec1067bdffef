"""What was measured, as the columns and the list of the status show it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from skerry.expectations.registry import columns
from skerry.schema.base import JsonObject
from skerry.schema.verdict import Finding, FindingKind

MEASUREMENTS_MAX = 64
TEXT_MAX = 200
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


def longest(findings: Iterable[Finding]) -> dict[str, str]:
    """By the field of the status, such as ``1.21s``: the longest time that was measured for it; empty: nobody did."""
    found = list(findings)
    return {column.field: _longest(found, words) for column, words in columns().items()}


def _longest(findings: list[Finding], words: tuple[str, ...]) -> str:
    """By the first of the expectations that measured anything."""
    for word in words:
        matches = [_SECONDS.fullmatch(finding.measured) for finding in findings if finding.rule == word]
        found = [match[1] for match in matches if match is not None]
        if found:
            return _short(max(found, key=float))
    return ""


def _short(seconds: str) -> str:
    """``2.40`` is ``2.4s``, ``3.00`` is ``3s``."""
    return f"{seconds.rstrip('0').rstrip('.') if '.' in seconds else seconds}s"
