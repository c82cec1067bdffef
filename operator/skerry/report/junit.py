"""JUnit XML: one test case per finding, for CI systems that show nothing else."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from xml.etree import ElementTree

from skerry.report.causes import Cause, name_of
from skerry.report.model import RunReport
from skerry.schema.verdict import Finding, Verdict

_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to say, not even escaped: an error text may hold any byte."""


def junit_xml(reports: Sequence[RunReport]) -> bytes:
    """One suite per run. Fail is a failure, Inconclusive an error: neither may be mistaken for a Pass or a skip.

    The first case of a suite is the verdict itself, so that a run without findings cannot look like a success.
    """
    root = ElementTree.Element("testsuites", name="skerry")
    totals = {"tests": 0, "failures": 0, "errors": 0}
    for report in reports:
        verdicts = [report.verdict, *(finding.verdict for finding in report.findings)]
        counts = {
            "tests": len(verdicts),
            "failures": verdicts.count(Verdict.FAIL),
            "errors": verdicts.count(Verdict.INCONCLUSIVE),
        }
        started = datetime.datetime.fromtimestamp(report.started_wall_ns // 10**9, datetime.UTC)
        attributes = {
            "name": _clean(f"{report.experiment} ({report.world}, seed {report.seed})"),
            **{name: str(count) for name, count in counts.items()},
            "time": f"{report.duration_ns / 1e9:.3f}",
            "timestamp": started.strftime("%Y-%m-%dT%H:%M:%S"),
        }
        suite = ElementTree.SubElement(root, "testsuite", attributes)
        totals = {name: totals[name] + count for name, count in counts.items()}
        _case(suite, f"{report.experiment}.verdict", "verdict", report.verdict, report.reason, report.message, report)
        causes = {index: cause for cause in report.causes for index in cause.findings}
        for index, finding in enumerate(report.findings):
            _finding(suite, report, finding, causes.get(index))
    root.attrib.update((name, str(count)) for name, count in totals.items())
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _finding(suite: ElementTree.Element, report: RunReport, finding: Finding, cause: Cause | None) -> None:
    name = name_of(finding)
    if finding.place:
        name += f" [{finding.place}]"
    told = [("limit", finding.limit), ("measured", finding.measured), ("owed", finding.owed)]
    if cause is not None:
        explained = report.findings[cause.findings[0]] is not finding
        told += [("first seen", cause.when), ("because of", cause.name if explained else ""), ("to do", cause.todo)]
    details = "".join(f"{what}: {text}\n" for what, text in told if text)
    reason = finding.reason or str(finding.verdict)
    classname = f"{report.experiment}.{finding.kind}"
    _case(suite, classname, name, finding.verdict, reason, finding.message, report, details)


def _case(
    suite: ElementTree.Element,
    classname: str,
    name: str,
    verdict: Verdict,
    reason: str,
    message: str,
    report: RunReport,
    details: str = "",
) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=_clean(classname), name=_clean(name))
    if verdict is Verdict.PASS:
        return
    tag = "failure" if verdict is Verdict.FAIL else "error"
    problem = ElementTree.SubElement(case, tag, type=_clean(reason), message=_clean(message))
    problem.text = _clean(f"{details}again: {report.replay}")


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
