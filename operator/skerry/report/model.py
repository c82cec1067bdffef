"""One run as everybody renders it: the verdict, the findings, and what they rest on."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from skerry.experiment.document import Experiment
from skerry.experiment.verdict import Finding, FindingKind, Verdict, worst
from skerry.history.run import History


class RunReport(msgspec.Struct, frozen=True):
    """All of it is in the history but for the file names."""

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

    @property
    def worst_findings(self) -> tuple[Finding, ...]:
        """Those that made the verdict; empty for a Pass."""
        if self.verdict is Verdict.PASS:
            return ()
        return tuple(finding for finding in self.findings if finding.verdict is self.verdict)


_KIND_ORDER = {FindingKind.SAFETY: 0, FindingKind.RUN: 1, FindingKind.EXPECTATION: 2}


def make_report(
    experiment: Experiment | None, history: History, findings: Sequence[Finding], replay: str, reason: str = ""
) -> RunReport:
    """``reason``: why the conductor ended the run early, if it did; the verdict is then Inconclusive at best."""
    header = history.header
    verdict = worst(finding.verdict for finding in findings)
    if reason and verdict is Verdict.PASS:
        verdict = Verdict.INCONCLUSIVE
    guilty = sorted(
        (finding for finding in findings if finding.verdict is verdict), key=lambda finding: _KIND_ORDER[finding.kind]
    )
    acknowledged = sum(produce.count for operations in history.partitions.values() for produce in operations.acked)
    ended_ns = history.footer.ended_ns if history.footer is not None else 0
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
        duration_ns=ended_ns,
        operations=len(history.produces) + len(history.fetches),
        acknowledged_records=acknowledged,
        history_digest=history.digest,
        skerry_version=header.skerry_version if header is not None else "",
        replay=replay,
    )


def _reason(verdict: Verdict, guilty: Sequence[Finding], reason: str) -> str:
    if verdict is Verdict.PASS:
        return "Passed"
    return reason or next((finding.reason for finding in guilty if finding.reason), str(verdict))


def _sentence(
    verdict: Verdict, guilty: Sequence[Finding], acknowledged: int, findings: Sequence[Finding], reason: str
) -> str:
    if verdict is Verdict.PASS:
        expectations = sum(finding.kind is FindingKind.EXPECTATION for finding in findings)
        properties = sum(finding.kind is FindingKind.SAFETY for finding in findings)
        return (
            f"Pass: all {acknowledged:,} acknowledged records are accounted for; "
            f"{properties} properties and {expectations} expectations hold."
        )
    if not guilty:
        return f"{verdict}: {reason}."
    first = guilty[0]
    more = f" (and {len(guilty) - 1} more)" if len(guilty) > 1 else ""
    return f"{verdict}: {first.rule}: {first.message}{more}"
