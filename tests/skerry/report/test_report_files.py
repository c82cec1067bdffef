"""The files for programs: JSON as documented, JUnit XML that is XML whatever was recorded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from skerry.history import History
from skerry.history.records import FaultEvent, FaultStep, Footer, Header
from skerry.report.causes import Cause
from skerry.report.files import report_json, write_report, write_suite
from skerry.report.intervals import Interval
from skerry.report.junit import junit_xml
from skerry.report.model import RunReport, make_report
from skerry.report.occurrences import Occurrence
from skerry.schema.verdict import Finding, FindingKind, Verdict

DOCUMENTED = (Path(__file__).parents[3] / "docs" / "report-format.md").read_text(encoding="utf-8")
HISTORY = History(
    [
        Header(1, "cut", "", "local", 7, 1_700_000_000_000_000_000, "test", 3),
        FaultEvent("cut", 0, FaultStep.EFFECTIVE, 1, 2, 0, "partition", ((0,), (1, 2)), ((0, 1),)),
        Footer(2_500_000_000),
    ]
)
HELD = Finding(FindingKind.SAFETY, "lost-write", Verdict.PASS, "none lost")
LATE = Finding(
    FindingKind.EXPECTATION, "leaderChange", Verdict.FAIL, "took <4 s> & more", reason="TooSlow", name="new leader"
)
UNKNOWN = Finding(FindingKind.EXPECTATION, "promql", Verdict.INCONCLUSIVE, "no sample", reason="NoSample")


def report_of(*findings, reason=""):
    return make_report(None, HISTORY, findings, "skerry run cut.yaml --seed 7", reason)


@pytest.mark.parametrize(
    ("heading", "struct"),
    [
        ("The run", RunReport),
        ("A cause", Cause),
        ("An interval", Interval),
        ("A finding", Finding),
        ("A fault", Occurrence),
    ],
)
def test_every_field_of_the_json_is_documented_and_nothing_else(heading, struct):
    section = DOCUMENTED.split(f"## {heading}\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(struct.__struct_fields__)


def test_the_json_reads_back_as_what_was_written():
    report = report_of(HELD, LATE)
    text = report_json(report)
    assert msgspec.json.decode(text, type=RunReport) == report
    plain = json.loads(text)
    assert plain["verdict"] == "Fail"
    assert plain["report_version"] == 1
    assert plain["faults"][0]["groups"] == [[0], [1, 2]]
    assert plain["findings"][1] == {
        "kind": "safety",
        "rule": "lost-write",
        "verdict": "Pass",
        "message": "none lost",
    }
    assert plain["causes"] == [
        {
            "verdict": "Fail",
            "reason": "TooSlow",
            "name": "new leader",
            "message": "took <4 s> & more",
            "todo": "",
            "at_ns": -1,
            "findings": [0],
        }
    ]


def suites(*reports):
    root = ElementTree.fromstring(junit_xml(reports))
    assert root.tag == "testsuites"
    return root, root.findall("testsuite")


def test_one_suite_per_run_and_one_case_per_finding():
    root, (first, second) = suites(report_of(HELD, LATE, UNKNOWN), report_of(HELD))
    counts = [(suite.get("tests"), suite.get("failures"), suite.get("errors")) for suite in (root, first, second)]
    assert counts == [("6", "2", "1"), ("4", "2", "1"), ("2", "0", "0")]
    assert (first.get("name"), first.get("time")) == ("cut (local, seed 7)", "2.500")
    assert first.get("timestamp") == "2023-11-14T22:13:20"
    assert [case.get("name") for case in first.findall("testcase")] == ["verdict", "new leader", "promql", "lost-write"]
    failure = first.findall("testcase")[1].find("failure")
    assert (failure.get("type"), failure.get("message")) == ("TooSlow", "took <4 s> & more")
    assert "again: skerry run cut.yaml --seed 7" in failure.text
    error = first.findall("testcase")[2].find("error")
    assert "to do: See whether the broker is reachable" in error.text


@pytest.mark.parametrize(("findings", "reason"), [([], ""), ([HELD], "Aborted")])
def test_a_run_that_proves_nothing_is_an_error_even_if_every_finding_is_a_pass(findings, reason):
    _, (suite,) = suites(report_of(*findings, reason=reason))
    assert suite.get("errors") == "1"
    assert suite.find("testcase").find("error") is not None


def test_bytes_that_xml_cannot_say_do_not_break_it():
    nasty = "".join(map(chr, range(32))) + "\x7f\ufffe\ud800 ]]> \U0001f30a"
    _, (suite,) = suites(report_of(msgspec.structs.replace(LATE, message=nasty, name=nasty, reason=nasty)))
    message = suite.findall("testcase")[1].find("failure").get("message")
    assert "\ufffd" in message
    assert message.endswith("]]> \U0001f30a")


def test_the_page_for_people_is_named_last(tmp_path):
    paths = write_report(tmp_path / "new" / "run", report_of(HELD), HISTORY, None)
    assert [path.name for path in paths] == ["report.json", "junit.xml", "report.html"]
    assert all(path.stat().st_size for path in paths)
    suite = write_suite(tmp_path / "suite" / "junit.xml", [report_of(HELD), report_of(LATE)])
    assert len(ElementTree.fromstring(suite.read_bytes()).findall("testsuite")) == 2
