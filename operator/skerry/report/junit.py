"""JUnit XML: one test case per finding, for CI systems that show nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from skerry.experiment.verdict import Finding, Verdict
from skerry.report.model import RunReport


def junit_xml(reports: Sequence[RunReport]) -> bytes:
    """One suite per run. Fail is a failure, Inconclusive an error: neither may be mistaken for a Pass or a skip."""
    root = ElementTree.Element("testsuites", name="skerry")
    for report in reports:
        verdicts = [finding.verdict for finding in report.findings]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=f"{report.experiment} ({report.world}, seed {report.seed})",
            tests=str(len(verdicts)),
            failures=str(verdicts.count(Verdict.FAIL)),
            errors=str(verdicts.count(Verdict.INCONCLUSIVE)),
            time=f"{report.duration_ns / 1e9:.3f}",
        )
        for finding in report.findings:
            _case(suite, report, finding)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _case(suite: ElementTree.Element, report: RunReport, finding: Finding) -> None:
    name = finding.name or finding.rule
    if finding.partition >= 0:
        name += f" [{finding.topic}-{finding.partition}]"
    case = ElementTree.SubElement(suite, "testcase", classname=f"{report.experiment}.{finding.kind}", name=name)
    if finding.verdict is Verdict.PASS:
        return
    tag = "failure" if finding.verdict is Verdict.FAIL else "error"
    problem = ElementTree.SubElement(case, tag, type=finding.reason or str(finding.verdict), message=finding.message)
    problem.text = f"limit: {finding.limit}\nmeasured: {finding.measured}\nowed: {finding.owed}\nagain: {report.replay}"
