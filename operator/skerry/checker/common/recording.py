"""The recording itself is good enough to judge by.

It has a header and a footer, was not cut off or aborted, holds operations of one model, at least one acknowledged write
and no write twice, and the final read reached the end of everything that was written to. Otherwise the run is
Inconclusive, whatever else holds.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry.checker.findings import held, plural, undecided
from skerry.checker.guarantees import Guarantees
from skerry.checker.model import RunEvidence
from skerry.checker.property import Property
from skerry.schema.verdict import Finding, FindingKind

NAME = "recording"


def check(evidence: RunEvidence, guarantees: Guarantees) -> Iterator[Finding]:
    problems = list(_problems(evidence))
    for reason, message in problems:
        yield undecided(NAME, reason, message, kind=FindingKind.RUN)
    if not problems:
        history = evidence.history
        seconds = (history.footer.ended_ns if history.footer else 0) / 1e9
        yield held(NAME, f"{plural(len(history.records), 'record')}, {seconds:.1f} s, complete", kind=FindingKind.RUN)


def _problems(evidence: RunEvidence) -> Iterator[tuple[str, str]]:
    history = evidence.history
    if not history.records:
        yield "EmptyHistory", "the history is empty: nothing was recorded"
        return
    if history.header is None:
        yield "NoHeader", "the history has no header, so nobody knows what was run"
    if history.cut_off:
        yield "HistoryCutOff", "the last line of the history breaks off: its writer was stopped"
    if history.footer is None:
        yield "HistoryCutOff", "the history has no footer: the run did not end in order"
    elif history.footer.aborted:
        yield "Aborted", f"the run was aborted: {history.footer.reason or 'no reason was given'}"
    if history.registers and (history.produces or history.fetches):
        yield "MixedModels", "the recording holds operations of two models, and only those of one are judged"
    if not evidence.acknowledged:
        yield "NothingAcknowledged", "no write was acknowledged, so nothing was promised that could be checked"
    yield from evidence.doubts()


PROPERTY = Property(NAME, __doc__, check, FindingKind.RUN)
