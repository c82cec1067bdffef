"""From what a world left of a run to the verdict that the resource shows. Pure."""

from __future__ import annotations

import msgspec

from skerry.controller.status import Ended
from skerry.experiment.document import Experiment
from skerry.history.run import History
from skerry.report.model import RunReport, make_report, replay_of
from skerry.schema.verdict import Finding, FindingKind, Verdict, worst
from skerry.worlds.kubernetes.drive import NO_ACTION, RunEnd

ABORTED = "Aborted"


def report_of(experiment: Experiment, seed: int, end: RunEnd) -> RunReport:
    """The workload pod's; without one, what the conductor alone can say, which is never a Pass."""
    if end.report is not None:
        return end.report
    finish = end.finish
    findings = finish.findings
    if all(finding.verdict is Verdict.PASS for finding in findings):
        lost = Finding(FindingKind.RUN, "run", Verdict.INCONCLUSIVE, *_why_lost(end))
        findings = (*findings, lost)
    replay = replay_of(experiment.name, "kubernetes", seed)
    report = make_report(experiment, History(()), findings, replay, finish.reason)
    return msgspec.structs.replace(report, world="kubernetes", seed=seed)


def never_began(end: RunEnd) -> bool:
    """There was no recorder, hence no run."""
    return end.report is None and end.finish.id == NO_ACTION


def _why_lost(end: RunEnd) -> tuple[str, str]:
    if end.finish.verdict is Verdict.PASS:
        return "the workload pod was lost before its report was fetched", "ReportLost"
    return end.finish.message.rstrip("."), end.finish.reason


def ended(report: RunReport, end: RunEnd, *, interrupted: bool, abort_code: str) -> Ended:
    """The verdict is the worst of what conductor and report say; a run that was found begun never passes.

    ``abort_code``: why we aborted it, when it was not the user who did.
    """
    floor = [Verdict.INCONCLUSIVE] if interrupted else []
    verdict = worst((report.verdict, end.finish.verdict, *floor))
    reason, message = report.reason, report.message
    if verdict is not report.verdict:
        reason = "Interrupted" if interrupted and end.finish.verdict is Verdict.PASS else end.finish.reason
        message = f"{verdict} ({reason}): {end.finish.message}"
    if verdict is Verdict.INCONCLUSIVE and abort_code and reason == ABORTED:
        reason = abort_code
    return Ended(
        verdict=verdict,
        reason=reason,
        message=message,
        findings=report.findings,
        digest=report.history_digest,
        started_wall_ns=report.started_wall_ns,
        finished=end.report is not None,
    )
