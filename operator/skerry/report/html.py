"""One HTML file without network access: verdict, story, how to do it again, picture, rules, evidence."""

from __future__ import annotations

import datetime

import jinja2

from skerry.experiment.document import Experiment
from skerry.experiment.verdict import FindingKind, Verdict
from skerry.history.run import History
from skerry.report.evidence import offset_grids, pair_matrices
from skerry.report.model import RunReport
from skerry.report.picture import draw
from skerry.report.story import story

MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?"}

_environment = jinja2.Environment(
    loader=jinja2.PackageLoader("skerry.report"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def html_page(report: RunReport, history: History, experiment: Experiment | None) -> bytes:
    """Self-contained: no script, no font, no picture from elsewhere."""
    header = history.header
    brokers = header.brokers if header is not None else 0
    topic = experiment.spec.topic.name if experiment is not None else ""
    partitions = experiment.spec.topic.partitions if experiment is not None else 1
    started = datetime.datetime.fromtimestamp(report.started_wall_ns / 1e9, datetime.UTC)
    page = _environment.get_template("report.html.j2").render(
        report=report,
        document=header.document if header is not None else "",
        started=started.strftime("%Y-%m-%d %H:%M:%S UTC"),
        seconds=f"{report.duration_ns / 1e9:.1f}",
        marks=MARKS,
        expectations=[finding for finding in report.findings if finding.kind is FindingKind.EXPECTATION],
        always=[finding for finding in report.findings if finding.kind is not FindingKind.EXPECTATION],
        story=story(history, topic),
        picture=draw(history, topic, brokers, partitions),
        matrices=pair_matrices(history, brokers),
        brokers=range(brokers),
        grids=offset_grids(history, report.findings),
    )
    return page.encode()
