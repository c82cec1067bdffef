"""What a person understands first comes first, one cause is told once, with its moment and what to do about it."""

from __future__ import annotations

import io
import json
from xml.etree import ElementTree

import pytest
from rich.console import Console

from skerry.history import History
from skerry.history.records import FaultEvent, FaultStep, FindingSeen, Footer, Header, Outcome, Produce, Stall
from skerry.report.causes import by_importance, causes_of
from skerry.report.files import report_json
from skerry.report.html import html_page
from skerry.report.junit import junit_xml
from skerry.report.model import make_report
from skerry.report.terminal import print_report
from skerry.schema.verdict import Finding, FindingKind, Verdict

SAFETY, EXPECTATION, RUN = FindingKind.SAFETY, FindingKind.EXPECTATION, FindingKind.RUN
FAIL, UNKNOWN, PASS = Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS
MS = 1_000_000


def broken(rule, *offsets, reason="Broken", partition=0, witness=(), name="", message=""):
    return Finding(
        SAFETY, rule, FAIL, message or f"{rule} is broken", reason, name=name, topic="t", partition=partition,
        offsets=offsets, witness=witness,
    )  # fmt: skip


def asked(name, verdict=UNKNOWN, reason="NotVerified", fault="", message="told"):
    return Finding(EXPECTATION, "leaderChange", verdict, message, reason, name=name, fault=fault)


def said(reason, fault="", rule="run"):
    return Finding(RUN, rule, UNKNOWN, f"{reason} happened", reason, fault=fault)


def grouped(*findings):
    """Each cause as the names of what it explains, the best first."""
    ordered = by_importance(findings)
    return [[ordered[index].name or ordered[index].rule for index in cause.findings] for cause in causes_of(ordered)]


INVARIANT = broken("invariants", name="gap-in-sequence", reason="InvariantBroken", partition=-1)
TORN = broken("invariants", name="too-few-copies", reason="InvariantBroken", partition=-1)


@pytest.mark.parametrize(
    ("findings", "order"),
    [
        # A lost write before what follows from it, and the protocol's own words last.
        (
            [INVARIANT, asked("new leader", FAIL), broken("linearizable"), broken("lost-write")],
            ["lost-write", "linearizable", "new leader", "gap-in-sequence"],
        ),
        # Why a run cannot be judged is said by the run.
        (
            [asked("a"), Finding(SAFETY, "lost-write", UNKNOWN, ""), said("Timeout")],
            ["run", "lost-write", "a"],
        ),
        ([said("Timeout"), broken("duplicate")], ["duplicate", "run"]),
        ([Finding(SAFETY, "b", PASS, ""), Finding(SAFETY, "a", PASS, "")], ["b", "a"]),
    ],
)
def test_what_a_person_understands_comes_first(findings, order):
    assert [each.name or each.rule for each in by_importance(findings)] == order


@pytest.mark.parametrize(
    ("findings", "causes"),
    [
        # The same records.
        ([broken("lost-write", 5, 6), broken("producer-order", 4, 5), broken("duplicate", 90)],
         [["lost-write", "producer-order"], ["duplicate"]]),
        ([broken("lost-write", 5), broken("changed-record", 5, partition=1)], [["lost-write"], ["changed-record"]]),
        # The same rule in several places; the simulator's invariants rest on each other.
        ([broken("lost-write", 5), broken("lost-write", 7, partition=1)], [["lost-write", "lost-write"]]),
        ([INVARIANT, TORN, broken("phantom", 3)], [["phantom"], ["gap-in-sequence", "too-few-copies"]]),
        # One reason about one fault; one that names no fault rests on all of them.
        ([said("NotVerified", "cut", "verified"), asked("a", fault="cut"), asked("b"), asked("c", fault="kill")],
         [["verified", "a", "b"], ["c"]]),
        ([asked("a", reason="NoSample"), asked("b", reason="NotTried")], [["a"], ["b"]]),
        # Why the run did not come so far.
        ([said("GuardRefused", "cut"), asked("a", reason="NotInjected", fault="cut"),
          Finding(SAFETY, "lost-write", UNKNOWN, "", "NoFinalRead"),
          Finding(RUN, "recording", UNKNOWN, "", "NothingAcknowledged")],
         [["run", "recording", "lost-write", "a"]]),
        # A run that went on to its end explains nothing else.
        ([said("NotRecovered"), asked("a", reason="RunEnded")], [["run"], ["a"]]),
        # What contradicts itself where something failed says no more than that.
        ([broken("lost-write", 5), Finding(SAFETY, "linearizable", UNKNOWN, "", "ContentConflict", topic="t",
                                           partition=0)],
         [["lost-write", "linearizable"]]),
        ([asked("a", FAIL, "TooSlow"), asked("b", FAIL, "TooSlow")], [["a"], ["b"]]),
        ([Finding(SAFETY, "phantom", PASS, "")], []),
    ],
)  # fmt: skip
def test_one_cause_is_one(findings, causes):
    assert grouped(*findings) == causes


def write(at_ms):
    return Produce(1, "t", 0, 0, at_ms * MS, Outcome.OK, "All", 1, 1, base_offset=0)


SEEN = broken("invariants", name="too-few-copies", reason="InvariantBroken", partition=-1)
MOMENTS = History(
    [
        Header(1, "cut", "", "sim", 7, 0, "test", 3),
        write(4780),
        write(9000),
        Stall(-1, 3000 * MS, 3300 * MS),
        FaultEvent("cut", 0, FaultStep.UNVERIFIED, 9750 * MS, 9750 * MS),
        FindingSeen(713 * MS, SEEN),
        Footer(16_000 * MS),
    ]
)


@pytest.mark.parametrize(
    ("finding", "when"),
    [
        (broken("lost-write", witness=(2, 1)), "at 4.78 s"),
        (Finding(EXPECTATION, "leaderChange", FAIL, "", witness=(1, 2)), "at 9.00 s"),
        (asked("a", reason="Stalled", fault="cut"), "at 9.75 s"),
        (Finding(EXPECTATION, "leaderChange", UNKNOWN, "", "Stalled", witness=(3,)), "at 3.00 s"),
        (SEEN, "at 0.71 s"),
        (broken("phantom"), ""),
        (broken("phantom", witness=(99,)), ""),
    ],
)
def test_a_cause_has_the_moment_at_which_it_first_showed(finding, when):
    (cause,) = causes_of([finding], MOMENTS)
    assert cause.when == when


def test_every_way_to_tell_says_the_same():
    """Terminal, JSON, JUnit and page: the same sentence, the same causes in the same order, the same advice."""
    findings = [
        INVARIANT,
        asked("new leader", reason="NoSample", message="nobody answered"),
        broken("lost-write", 5, message="1 of 2 acknowledged records is gone"),
        broken("producer-order", 5),
        Finding(SAFETY, "phantom", PASS, "none"),
    ]
    report = make_report(None, MOMENTS, findings, "skerry run cut.yaml")
    sentence = "Fail lost-write: 1 of 2 acknowledged records is gone. And 1 other failure."
    advice = "See whether the broker is reachable, and whether the metric's name, or the query, is right."
    same = "The same shows in: producer-order."

    console = Console(record=True, width=500, file=io.StringIO())
    print_report(console, report, [])
    terminal = console.export_text()
    page = html_page(report, MOMENTS, None).decode().replace("&#39;", "'").replace("</b>", "").replace("</span>", "")
    plain = json.loads(report_json(report))
    suite = ElementTree.fromstring(junit_xml([report]))

    assert plain["message"] == sentence == suite.find(".//testcase").find("failure").get("message")
    assert terminal.startswith(sentence)
    assert [cause["name"] for cause in plain["causes"]] == ["lost-write", "gap-in-sequence", "new leader"]
    for text in (terminal, page):
        assert same in text
        assert advice in text
        assert text.index("1 of 2 acknowledged records is gone") < text.index("gap-in-sequence")
        assert text.index("gap-in-sequence") < text.index("nobody answered")
    assert plain["causes"][2]["todo"] == advice
    assert advice in "".join(case.text or "" for case in suite.iter("error"))
    assert [case.get("name") for case in suite.iter("testcase")][1:] == [
        "lost-write [t-0]", "producer-order [t-0]", "gap-in-sequence", "new leader", "phantom",
    ]  # fmt: skip
    assert "1 of 4 properties hold, 3 are broken" in terminal
    assert "1 of 4 properties hold, 3 are broken" in page
