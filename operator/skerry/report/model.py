"""One run as everybody renders it: the verdict, the findings, and what they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from skerry.checker.findings import plural
from skerry.experiment.document import Experiment
from skerry.history.run import History
from skerry.report.causes import CONDUCTOR_RULES, Cause, by_importance, causes_of
from skerry.report.intervals import Interval, intervals
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
    """The worst first, and of the equally bad those that a person understands best."""
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
    causes: tuple[Cause, ...] = ()
    """What went wrong, each cause once, the worst first; empty for a Pass."""
    measured: tuple[Interval, ...] = ()
    """Since when and until when each fault that took effect held, as it was measured."""
    report_version: int = REPORT_VERSION

    @property
    def properties(self) -> Tally:
        """How many of the properties that are always checked held."""
        return tally(self.findings)


ACCOUNTING = "accounting"
"""The rule whose message begins a Pass: what became of everything that was acknowledged."""


class Tally(NamedTuple):
    """Counts the properties that are always checked: each counts once, by the worst that was found."""

    held: int
    broken: int
    undecided: int

    @property
    def sentence(self) -> str:
        """``18 of 20 properties hold, 1 is broken, 1 is undecided``."""
        told = f"{self.held} of {plural(sum(self), 'property', 'properties')} hold"
        for count, word in ((self.broken, "broken"), (self.undecided, "undecided")):
            told += f", {count} {'is' if count == 1 else 'are'} {word}" if count else ""
        return told


def tally(findings: Sequence[Finding]) -> Tally:
    """Count the properties: safety findings may say several things of one."""
    verdicts: dict[str, list[Verdict]] = {}
    for finding in findings:
        if finding.kind is FindingKind.SAFETY:
            verdicts.setdefault(finding.rule, []).append(finding.verdict)
    of = [worst(each) for each in verdicts.values()]
    return Tally(of.count(Verdict.PASS), of.count(Verdict.FAIL), of.count(Verdict.INCONCLUSIVE))


def replay_of(name: str, world: str, seed: int) -> str:
    """How to run an experiment again whose file is not known here: its document is on the page for people."""
    return f"skerry run {name}.yaml --world {world} --seed {seed}  # {name}.yaml: the document, as the report shows it"


def make_report(
    experiment: Experiment | None, history: History, findings: Sequence[Finding], replay: str, reason: str = ""
) -> RunReport:
    """``reason``: why the conductor ended the run early, if it did; the verdict is then Inconclusive at best.

    A run that ended before anything was recorded has the conductor's findings only: they are the sentence.
    """
    header = history.header
    findings = by_importance(findings)
    verdict = worst(finding.verdict for finding in findings)
    if reason and verdict is Verdict.PASS:
        verdict = Verdict.INCONCLUSIVE
    elif reason and verdict is Verdict.INCONCLUSIVE:  # the conductor's own finding of that very reason tells it best
        findings.sort(key=lambda finding: finding.rule not in CONDUCTOR_RULES or finding.reason != reason)
    causes = causes_of(findings, history)
    acknowledged = sum(produce.count for produce in history.produces if produce.acknowledged)
    acknowledged += sum(each.acknowledged for each in history.registers)
    return RunReport(
        experiment=experiment.name if experiment is not None else (header.experiment if header is not None else "?"),
        hypothesis=experiment.spec.hypothesis if experiment is not None else "",
        world=header.world if header is not None else "?",
        seed=header.seed if header is not None else -1,
        verdict=verdict,
        reason=_reason(verdict, causes, findings, reason),
        message=_sentence(verdict, causes, acknowledged, findings, reason),
        findings=tuple(findings),
        started_wall_ns=header.started_wall_ns if header is not None else 0,
        duration_ns=history.footer.ended_ns if history.footer is not None else 0,
        operations=len(history.produces) + len(history.fetches) + len(history.registers),
        acknowledged_records=acknowledged,
        history_digest=history.digest,
        skerry_version=header.skerry_version if header is not None else "",
        replay=replay,
        faults=tuple(occurrences(history.faults)),
        causes=causes,
        measured=tuple(intervals(history, header.brokers if header is not None else 0, experiment)),
    )


def _reason(verdict: Verdict, causes: Sequence[Cause], findings: Sequence[Finding], reason: str) -> str:
    """A Fail keeps its own reason: that the run was aborted as well is less important."""
    if verdict is Verdict.PASS:
        return "Passed"
    own = next((cause.reason for cause in causes if cause.verdict is verdict and cause.reason), "")
    if verdict is Verdict.FAIL:
        return own or "ExpectationNotMet"
    if causes and _head(causes[0], findings).rule in CONDUCTOR_RULES:
        return own  # a refused run is recorded as aborted too; why is more telling
    return reason or own or "Inconclusive"


def _sentence(
    verdict: Verdict, causes: Sequence[Cause], acknowledged: int, findings: Sequence[Finding], reason: str
) -> str:
    if verdict is Verdict.PASS:
        expectations = sum(finding.kind is FindingKind.EXPECTATION for finding in findings)
        accounting = next((finding.message for finding in findings if finding.rule == ACCOUNTING), "")
        accounted = accounting or f"{acknowledged:,} records were acknowledged"
        return (
            f"Pass: {accounted}; "
            f"{plural(tally(findings).held, 'property', 'properties')} and {plural(expectations, 'expectation')} hold."
        )
    guilty = [cause for cause in causes if cause.verdict is verdict]
    if not guilty:
        why = f"the run ended early ({reason})" if reason else "nothing was checked"
        return f"{verdict}: {why}."
    first = _head(guilty[0], findings)
    if first.rule in CONDUCTOR_RULES:
        what = f" ({first.reason})" if first.reason else ""
    else:
        what = f" {first.rule}" + (f" ({first.name})" if first.name else "")
    more = len(guilty) - 1
    noun = "failure" if verdict is Verdict.FAIL else "reason"
    others = f" And {plural(more, f'other {noun}')}." if more else ""
    return f"{verdict}{what}: {first.message.rstrip('.')}.{others}"


def _head(cause: Cause, findings: Sequence[Finding]) -> Finding:
    return findings[cause.findings[0]]
