"""Whether everybody ran all the time: measured, never judged.

A process that did not run for more than 200 ms measured nothing meanwhile, and a broker that did not run may have been
late for reasons of its machine. Expectations whose outcome such a stall may have made are Inconclusive; here the stalls
are told.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import held, plural
from skerry.checker.guarantees import Guarantees
from skerry.checker.model import RunEvidence
from skerry.checker.property import Property
from skerry.schema.verdict import Finding, FindingKind

NAME = "stalls"
_NAMES = {-1: "the runner", -2: "the proxies"}


def check(evidence: RunEvidence, guarantees: Guarantees) -> Iterator[Finding]:
    stalls = evidence.history.stalls
    if not stalls:
        yield held(NAME, "0 stalls: runner, proxies and brokers ran all the time", kind=FindingKind.RUN)
        return
    longest = max(stalls, key=lambda stall: stall.to_ns - stall.from_ns)
    who = _NAMES.get(longest.process, f"broker {longest.process}")
    length_ms = (longest.to_ns - longest.from_ns) / 1e6
    text = f"{plural(len(stalls), 'stall')}, the longest {length_ms:.0f} ms ({who}, at {longest.from_ns / 1e9:.2f} s)"
    yield held(NAME, text, kind=FindingKind.RUN)


PROPERTY = Property(NAME, __doc__, check, FindingKind.RUN)
