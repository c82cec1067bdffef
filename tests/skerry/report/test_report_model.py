"""The sentence, the reason and the order in which findings explain a verdict."""

from __future__ import annotations

import pytest

from skerry.history import History
from skerry.history.records import Footer, Header, Outcome, PhaseEvent, Produce
from skerry.report.model import make_report
from skerry.schema.verdict import Finding, FindingKind, Verdict

SAFETY, EXPECTATION, RUN = FindingKind.SAFETY, FindingKind.EXPECTATION, FindingKind.RUN
HEADER = Header(1, "cut", "", "local", 7, 0, "test", 3)
WRITE = Produce(1, "t", 0, 0, 1, Outcome.OK, "All", 0, 1204, base_offset=0)
RECORDS = (HEADER, WRITE, Footer(5))
ACCOUNTED = Finding(SAFETY, "accounting", Verdict.PASS, "all 1,204 acknowledged records are accounted for")
HELD = Finding(SAFETY, "lost-write", Verdict.PASS, "1,204 acknowledged records, none lost")
LOST = Finding(SAFETY, "lost-write", Verdict.FAIL, "3 of 1,204 acknowledged records are gone", reason="LostWrite")
LATE = Finding(EXPECTATION, "leaderChange", Verdict.FAIL, "took 4.00 s", reason="TooSlow", name="new leader")
ABORTED = Finding(RUN, "run", Verdict.INCONCLUSIVE, "The run was aborted: interrupted.", reason="Aborted")
SILENT = Finding(RUN, "recording", Verdict.INCONCLUSIVE, "no write was acknowledged", reason="NothingAcknowledged")
REFUSED = Finding(RUN, "run", Verdict.INCONCLUSIVE, "This world cannot shift a clock.", reason="UnsupportedFault")


def report_of(*findings, records=RECORDS, reason=""):
    return make_report(None, History(records), findings, "skerry run cut.yaml --seed 7", reason)


def test_a_pass_counts_what_it_rests_on():
    report = report_of(ACCOUNTED, HELD, HELD)
    assert report.message == (
        "Pass: all 1,204 acknowledged records are accounted for; 2 properties and 0 expectations hold."
    )
    assert (report.verdict, report.reason, report.causes) == (Verdict.PASS, "Passed", ())


@pytest.mark.parametrize(
    ("findings", "reason", "message"),
    [
        ([LOST], "LostWrite", "Fail lost-write: 3 of 1,204 acknowledged records are gone."),
        ([LATE], "TooSlow", "Fail leaderChange (new leader): took 4.00 s."),
        # A lost write is worse news than a late leader, whatever the order.
        ([LATE, LOST], "LostWrite", "Fail lost-write: 3 of 1,204 acknowledged records are gone. And 1 other failure."),
        ([SILENT], "NothingAcknowledged", "Inconclusive recording: no write was acknowledged."),
        ([], "Inconclusive", "Inconclusive: nothing was checked."),
    ],
)
def test_the_sentence_of_what_is_no_pass(findings, reason, message):
    report = report_of(*findings)
    assert (report.reason, report.message) == (reason, message)


def test_a_refused_run_is_told_by_the_conductors_own_finding():
    before_anything = (HEADER, PhaseEvent("Preflight", 1), Footer(2, aborted=True, reason="the run was broken off"))
    broken_off = Finding(RUN, "recording", Verdict.INCONCLUSIVE, "the run was aborted", reason="Aborted")
    for findings, reason in (([REFUSED], ""), ([SILENT, REFUSED], ""), ([broken_off, SILENT, REFUSED], "Aborted")):
        report = report_of(*findings, records=before_anything, reason=reason)
        assert report.verdict is Verdict.INCONCLUSIVE
        assert report.reason == "UnsupportedFault"
        assert report.message.startswith("Inconclusive (UnsupportedFault): This world cannot shift a clock.")


def test_an_aborted_run_is_never_a_pass_and_says_so():
    report = report_of(HELD, reason="Aborted")
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.message == "Inconclusive: the run ended early (Aborted)."
    assert report_of(SILENT, ABORTED, reason="Aborted").message.startswith(
        "Inconclusive (Aborted): The run was aborted"
    )


def test_a_lost_write_of_an_aborted_run_is_still_a_lost_write():
    report = report_of(LOST, ABORTED, reason="Aborted")
    assert (report.verdict, report.reason) == (Verdict.FAIL, "LostWrite")


def test_a_history_without_anything_has_a_report():
    report = make_report(None, History([]), [], "skerry check x")
    assert (report.verdict, report.experiment, report.seed) == (Verdict.INCONCLUSIVE, "?", -1)
