"""One HTML file without network access: verdict, story, how to do it again, picture, rules, evidence."""

from __future__ import annotations

import datetime

import jinja2

from skerry.experiment.document import Experiment
from skerry.history.run import History
from skerry.report.causes import name_of
from skerry.report.console import visible
from skerry.report.model import RunReport, replay_of
from skerry.report.offsets import offset_grids
from skerry.report.pairs import measured_faults
from skerry.report.picture import draw
from skerry.report.story import story
from skerry.schema.verdict import FindingKind, Verdict
from skerry.targets import registry

MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?"}
FINDINGS_SHOWN_MAX = 200
"""Most rows of each table; the rest is in the JSON."""
CAUSES_SHOWN_MAX = 12
STORY_FIRST = 12
"""Sentences before the fold."""


def _shown(value: object) -> object:
    """Text that was recorded, with its control characters as symbols; what a macro has rendered stays as it is."""
    return visible(value) if type(value) is str else value


_environment = jinja2.Environment(
    finalize=_shown,
    loader=jinja2.PackageLoader("skerry.report"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def html_page(report: RunReport, history: History, experiment: Experiment | None) -> bytes:
    """Self-contained: no script, no font, no picture from elsewhere. Everything that was recorded is escaped."""
    header = history.header
    brokers = header.brokers if header is not None else 0
    units = len(registry.rules_of(experiment.spec).units) if experiment is not None else 1
    started = datetime.datetime.fromtimestamp(report.started_wall_ns / 1e9, datetime.UTC)
    numbered = list(enumerate(report.findings))
    safety = [each for each in numbered if each[1].kind is FindingKind.SAFETY]
    page = _environment.get_template("report.html.j2").render(
        report=report,
        headline=_headline(report),
        causes=report.causes[:CAUSES_SHOWN_MAX],
        causes_left_out=max(0, len(report.causes) - CAUSES_SHOWN_MAX),
        cause_of={index: number for number, cause in enumerate(report.causes) for index in cause.findings[1:]},
        name_of=name_of,
        document=header.document if header is not None else "",
        started=started.strftime("%Y-%m-%d %H:%M:%S UTC") if report.started_wall_ns else "",
        seconds=f"{report.duration_ns / 1e9:.1f}",
        marks=MARKS,
        faults=_faults(report),
        rerun=_rerun(report),
        expectations=[each for each in numbered if each[1].kind is FindingKind.EXPECTATION],
        safety=safety[:FINDINGS_SHOWN_MAX],
        safety_left_out=max(0, len(safety) - FINDINGS_SHOWN_MAX),
        judged=[each for each in numbered if each[1].kind is FindingKind.RUN][:FINDINGS_SHOWN_MAX],
        tally=report.properties,
        story=story(history, report.findings),
        story_first=STORY_FIRST,
        picture=draw(history, brokers, units, report.findings),
        measured=measured_faults(history, brokers, experiment),
        brokers=range(brokers),
        grids=offset_grids(history, report.findings),
    )
    return page.encode(errors="replace")


def _headline(report: RunReport) -> tuple[str, str]:
    """(the verdict with its rule, the sentence): split for the eye, the same words."""
    what, _, sentence = report.message.partition(": ")
    return what, sentence


def _rerun(report: RunReport) -> str:
    """How to run a recording that was only judged again; its document is on the page, its file's name is unknown."""
    if report.replay.startswith("skerry run ") or report.seed < 0:
        return ""
    return replay_of(report.experiment, report.world, report.seed)


def _faults(report: RunReport) -> list[tuple[str, bool]]:
    """(what was injected and how often it was proven, whether that was always), once per fault of the document."""
    told = []
    for name in dict.fromkeys(each.fault for each in report.faults):
        all_of_it = [each for each in report.faults if each.fault == name]
        proven = sum(each.verified for each in all_of_it)
        if len(all_of_it) == 1:
            how = "verified" if proven else "not verified"
        else:
            how = f"verified {proven} of {len(all_of_it)} times"
        told.append((f"{all_of_it[0].kind} “{name}” {how}", proven == len(all_of_it)))
    return told
