"""The verdict in a terminal: a sentence with numbers, a table of rules, where the rest is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from skerry.report.causes import Cause, causes_of, name_of
from skerry.report.console import visible
from skerry.report.model import RunReport
from skerry.schema.verdict import Finding, FindingKind, Verdict, worst

STYLE = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow"}
MARK = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?"}
WIDE = 100
"""Columns from which on the kind of an expectation has a column of its own, beside its name."""
SHOWN_MAX = 20
FAULTS_SHOWN_MAX = 4
NAMED_MAX = 5


def print_report(console: Console, report: RunReport, files: Sequence[Path]) -> None:
    """Sentence, expectations, every other cause of what is no Pass with what to do, and the files that were written.

    Nothing is taken for markup: names and messages come from documents and brokers.
    """
    causes = report.causes or causes_of(report.findings)  # a report of an earlier version has none
    _line(console, report.message, STYLE[report.verdict])
    first = next((cause for cause in causes if cause.verdict is report.verdict), None)
    if first is not None:
        _what_else(console, first, report, at=first.when)
    expectations = [finding for finding in report.findings if finding.kind is FindingKind.EXPECTATION]
    if expectations:
        console.print(_table(expectations, console.width))
    for interval in report.measured[:FAULTS_SHOWN_MAX]:
        _line(console, f"Measured: {interval.fault} {interval.sentence}.")
    if len(report.measured) > FAULTS_SHOWN_MAX:
        _line(console, f"Measured: {len(report.measured) - FAULTS_SHOWN_MAX} more occurrences, in the report")
    if sum(report.properties):
        _line(console, f"Checked always: {report.properties.sentence}.")
    rest = [cause for cause in causes if cause is not first]
    for cause in rest[:SHOWN_MAX]:
        told = ", ".join(word for word in (cause.reason, cause.when) if word)
        what = f"{cause.name} ({told})" if told else cause.name
        _line(console, f"  {MARK[cause.verdict]} {what}: {cause.message}", STYLE[cause.verdict])
        _what_else(console, cause, report)
    if len(rest) > SHOWN_MAX:
        _line(console, f"  and {len(rest) - SHOWN_MAX} more, in the report")
    if report.verdict is not Verdict.PASS:
        _line(console, f"Again: {report.replay}")
    for path in files:
        _line(console, f"{path.suffix.removeprefix('.').upper():<6} {path}")


def _what_else(console: Console, cause: Cause, report: RunReport, at: str = "") -> None:
    when = f"First seen {at}." if at else ""
    for sentence in (when, cause.others_sentence(report.findings), f"To do: {cause.todo}" if cause.todo else ""):
        if sentence:
            _line(console, f"    {sentence}")


def _line(console: Console, text: str, style: str = "") -> None:
    """One line, whatever the text holds."""
    console.print(Text(visible(text, lines=False), style), soft_wrap=True)


def _table(findings: Sequence[Finding], width: int) -> Table:
    """Below `WIDE` columns an expectation is its name or, without one, its kind: the numbers must not be broken."""
    wide = width >= WIDE
    room = max(6, min(22, (width - 20) // 3))
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("verdict", no_wrap=True)
    table.add_column("expectation", overflow="fold")
    if wide:
        table.add_column("rule", no_wrap=True)
    table.add_column("limit", overflow="fold", min_width=_width(room, [finding.limit for finding in findings]))
    measured = [finding.measured or "-" for finding in findings]
    table.add_column("measured", overflow="fold", min_width=_width(room, measured))
    for finding, value in zip(findings, measured, strict=True):
        verdict = Text(f"{MARK[finding.verdict]} {finding.verdict}", STYLE[finding.verdict])
        cells = [verdict, Text(name_of(finding))]
        table.add_row(*cells, *([Text(finding.rule)] if wide else []), Text(finding.limit), Text(value))
    return table


def _width(room: int, cells: Sequence[str]) -> int:
    """A column is as wide as its contents, within reason; what is longer is folded."""
    return min(room, max(len(cell) for cell in cells))


def print_suite(console: Console, reports: Sequence[RunReport]) -> None:
    """One table for many runs."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("verdict", "experiment", "world", "seed", "seconds", "reason"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("seed", "seconds") else "left")
    for report in reports:
        table.add_row(
            Text(f"{MARK[report.verdict]} {report.verdict}", STYLE[report.verdict]),
            Text(report.experiment),
            report.world,
            str(report.seed),
            f"{report.duration_ns / 1e9:.1f}",
            Text("" if report.verdict is Verdict.PASS else report.reason),
        )
    console.print(table)
    counts = [(verdict, sum(report.verdict is verdict for report in reports)) for verdict in Verdict]
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts if count)
    _line(console, f"{len(reports)} runs: {told}.")


def print_exit_code(console: Console, reports: Sequence[RunReport]) -> None:
    """Which runs make the exit code of a suite what it is; nothing where all is well."""
    verdict = worst(report.verdict for report in reports)
    if verdict is Verdict.PASS:
        return
    blamed = [f"{each.experiment} ({each.reason})" for each in reports if each.verdict is verdict]
    names = list(dict.fromkeys(blamed))
    more = f", and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    code = f"Exit code {verdict.exit_code}, of the worst verdict"
    _line(console, f"{code}: {verdict} of {', '.join(names[:NAMED_MAX])}{more}.", STYLE[verdict])
