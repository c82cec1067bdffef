"""The verdict in a terminal: a sentence with numbers, a table of rules, where the rest is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from skerry.experiment.verdict import Finding, FindingKind, Verdict
from skerry.report.model import RunReport

STYLE = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow"}
MARK = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?"}


def print_report(console: Console, report: RunReport, files: Sequence[Path]) -> None:
    """Sentence, expectations, everything that is not a Pass, and the files that were written."""
    console.print(f"[{STYLE[report.verdict]}]{escape(report.message)}[/]", soft_wrap=True)
    expectations = [finding for finding in report.findings if finding.kind is FindingKind.EXPECTATION]
    if expectations:
        console.print(_table(expectations))
    others = [finding for finding in report.findings if finding.kind is not FindingKind.EXPECTATION]
    held = sum(finding.verdict is Verdict.PASS for finding in others)
    console.print(f"Checked always: {held} of {len(others)} held.", highlight=False)
    for finding in others:
        if finding.verdict is not Verdict.PASS:
            text = escape(f"{MARK[finding.verdict]} {finding.rule}: {finding.message}")
            console.print(f"  [{STYLE[finding.verdict]}]{text}[/]", soft_wrap=True, highlight=False)
    if report.verdict is not Verdict.PASS:
        console.print(f"Again: {report.replay}", soft_wrap=True, highlight=False)
    for path in files:
        console.print(f"{path.suffix.removeprefix('.').upper():<6} {path}", soft_wrap=True, highlight=False)


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "expectation", "rule", "limit", "measured"):
        table.add_column(heading)
    for finding in findings:
        mark = f"[{STYLE[finding.verdict]}]{MARK[finding.verdict]}[/]"
        measured = finding.measured or finding.message
        table.add_row(mark, escape(finding.name), finding.rule, escape(finding.limit), escape(measured))
    return table


def print_suite(console: Console, reports: Sequence[RunReport]) -> None:
    """One table for many runs."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "experiment", "world", "seed", "verdict", "seconds", "reason"):
        table.add_column(heading)
    for report in reports:
        table.add_row(
            f"[{STYLE[report.verdict]}]{MARK[report.verdict]}[/]",
            report.experiment,
            report.world,
            str(report.seed),
            f"[{STYLE[report.verdict]}]{report.verdict}[/]",
            f"{report.duration_ns / 1e9:.1f}",
            "" if report.verdict is Verdict.PASS else escape(report.reason),
        )
    console.print(table)
