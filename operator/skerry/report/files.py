"""The files of a report: JSON for programs, JUnit XML for CI, one HTML page for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from skerry.experiment.document import Experiment
from skerry.history.run import History
from skerry.report.html import html_page
from skerry.report.junit import junit_xml
from skerry.report.model import RunReport


def report_json(report: RunReport) -> bytes:
    """The report as ``docs/report-format.md`` describes it."""
    return msgspec.json.format(msgspec.json.encode(report)) + b"\n"


def write_report(directory: Path, report: RunReport, history: History, experiment: Experiment | None) -> list[Path]:
    """Write all of them into ``directory``; their paths, the page for people last. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    contents = {
        "report.json": report_json(report),
        "junit.xml": junit_xml([report]),
        "report.html": html_page(report, history, experiment),
    }
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    return [directory / name for name in contents]


def write_suite(path: Path, reports: Sequence[RunReport]) -> Path:
    """One JUnit file for many runs, a suite each. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(junit_xml(reports))
    return path
