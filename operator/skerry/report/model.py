"""One run as everybody renders it: the verdict, the findings, and what they rest on."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from skerry.checker.findings import plural
from skerry.experiment.document import Experiment
from skerry.history.run import History
from skerry.report.occurrences import Occurrence, occurrences
from skerry.schema.verdict import Finding, FindingKind, Verdict, worst

REPORT_VERSION = 1


class RunReport(msgspec.Struct, frozen=True):
    """All of it is in the history but for the file names. As JSON: ``docs/report-format.md``; fields are only added."""

    experiment: str
    hypothesis: str
    world: str
    seed: int
    verdict: Verdict
    reason: str
    """A CamelCase code: the reason of the condition `Succeeded`."""
    message: str
    """The verdict as one sentence with numbers."""
    findings: tuple[Finding, ...]
    started_wall_ns: int
    duration_ns: int
    operations: int
    acknowledged_records: int
    history_digest: str
    skerry_version: str
    replay: str
    """One command that does it again."""
    faults: tuple[Occurrence, ...] = ()
    """What was injected, and whether it was proven to be in effect."""
    report_version: int = REPORT_VERSION

    @property
    def worst_findings(self) -> tuple[Finding, ...]:
        """Those that made the verdict, the telling ones first; empty for a Pass."""
        return () if self.verdict is Verdict.PASS else guilty_of(self.verdict, self.findings)


_ORDER = {
    Verdict.FAIL: (FindingKind.SAFETY, FindingKind.RUN, FindingKind.EXPECTATION),
    # Why a run cannot be judged is said by the run; properties and expectations only suffer from it.
    Verdict.INCONCLUSIVE: (FindingKind.RUN, FindingKind.SAFETY, FindingKind.EXPECTATION),
    Verdict.PASS: tuple(FindingKind),
}
CONDUCTOR_RULES = ("run", "verified")
"""What the conductor itself says: before anything that the checker concludes from a short history."""


def guilty_of(verdict: Verdict, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings of this verdict, those first that say why."""
    order = _ORDER[verdict]
    return tuple(
        sorted(
            (finding for finding in findings if finding.verdict is verdict),
            key=lambda finding: (finding.rule not in CONDUCTOR_RULES, order.index(finding.kind)),
        )
    )


def make_report(
    experiment: Experiment | None, history: History, findings: Sequence[Finding], replay: str, reason: str = ""
) -> RunReport:
    """``reason``: why the conductor ended the run early, if it did; the verdict is then Inconclusive at best.

    A run that ended before anything was recorded has the conductor's findings only: they are the sentence.
    """
    header = history.header
    verdict = worst(finding.verdict for finding in findings)
    if reason and verdict is Verdict.PASS:
        verdict = Verdict.INCONCLUSIVE
    guilty = guilty_of(verdict, findings)
    if reason and verdict is Verdict.INCONCLUSIVE:  # the conductor's own finding of that very reason tells it best
        guilty = tuple(
            sorted(guilty, key=lambda finding: (finding.rule not in CONDUCTOR_RULES, finding.reason != reason))
        )
    acknowledged = sum(produce.count for operations in history.partitions.values() for produce in operations.acked)
    return RunReport(
        experiment=experiment.name if experiment is not None else (header.experiment if header is not None else "?"),
        hypothesis=experiment.spec.hypothesis if experiment is not None else "",
        world=header.world if header is not None else "?",
        seed=header.seed if header is not None else -1,
        verdict=verdict,
        reason=_reason(verdict, guilty, reason),
        message=_sentence(verdict, guilty, acknowledged, findings, reason),
        findings=tuple(findings),
        started_wall_ns=header.started_wall_ns if header is not None else 0,
        duration_ns=history.footer.ended_ns if history.footer is not None else 0,
        operations=len(history.produces) + len(history.fetches),
        acknowledged_records=acknowledged,
        history_digest=history.digest,
        skerry_version=header.skerry_version if header is not None else "",
        replay=replay,
        faults=tuple(occurrences(history.faults)),
    )


def _reason(verdict: Verdict, guilty: Sequence[Finding], reason: str) -> str:
    """A Fail keeps its own reason: that the run was aborted as well is less important."""
    if verdict is Verdict.PASS:
        return "Passed"
    own = next((finding.reason for finding in guilty if finding.reason), "")
    if verdict is Verdict.FAIL:
        return own or "ExpectationNotMet"
    if guilty and guilty[0].rule in CONDUCTOR_RULES:  # a refused run is recorded as aborted too; why is more telling
        return own
    return reason or own or "Inconclusive"


def _sentence(
    verdict: Verdict, guilty: Sequence[Finding], acknowledged: int, findings: Sequence[Finding], reason: str
) -> str:
    if verdict is Verdict.PASS:
        expectations = sum(finding.kind is FindingKind.EXPECTATION for finding in findings)
        properties = len({finding.rule for finding in findings if finding.kind is FindingKind.SAFETY})
        return (
            f"Pass: all {acknowledged:,} acknowledged records are accounted for; "
            f"{plural(properties, 'property', 'properties')} and {plural(expectations, 'expectation')} hold."
        )
    if not guilty:
        why = f"the run ended early ({reason})" if reason else "nothing was checked"
        return f"{verdict}: {why}."
    first = guilty[0]
    if first.rule in CONDUCTOR_RULES:
        what = f" ({first.reason})" if first.reason else ""
    else:
        what = f" {first.rule}" + (f" ({first.name})" if first.name else "")
    more = len(guilty) - 1
    others = f" And {more} more {'finding' if more == 1 else 'findings'}." if more else ""
    return f"{verdict}{what}: {first.message.rstrip('.')}.{others}"
