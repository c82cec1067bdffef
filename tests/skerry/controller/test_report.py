"""The report in a ConfigMap: within its bounds, and honest about what was left out."""

from __future__ import annotations

import base64
import gzip
import json
import random

import pytest

from skerry.controller.outcome import ended, report_of
from skerry.controller.report import BYTES_MAX, config_map, files_of, packed, store
from skerry.engine.actions import Finish
from skerry.experiment import Finding, FindingKind, Verdict, load_document
from skerry.history.run import History
from skerry.report.model import make_report
from skerry.worlds.kubernetes.api import CONFIG_MAPS, KubeError
from skerry.worlds.kubernetes.drive import RunEnd, broken_off
from skerry.worlds.kubernetes.names import Artefact, labels

_random = random.Random(7)


def noise(count: int) -> str:
    """Text that does not compress well, never the same."""
    return _random.randbytes(count).hex()


def report(*findings: Finding):
    return make_report(None, History(()), findings, "again")


def finding(verdict: Verdict, message: str = "m", **more) -> Finding:
    return Finding(FindingKind.SAFETY, "lost-write", verdict, message, **more)


def unpacked(files: dict[str, bytes], name: str) -> dict:
    return json.loads(gzip.decompress(files[f"{name}.gz"]))


def test_what_fits_is_kept_as_it_is():
    files = {"report.json": b"{}", "report.html": b"<html>", "junit.xml": b"<xml>"}
    content = packed(files, report())
    assert {name: gzip.decompress(data) for name, data in content.files.items()} == {
        f"{name}.gz": data for name, data in files.items()
    }
    assert content.note == ""


def test_the_page_for_people_goes_first():
    whole = report(finding(Verdict.PASS))
    content = packed(files_of(whole) | {"report.html": noise(1000).encode()}, whole, limit=900)
    assert sorted(content.files) == ["junit.xml.gz", "report.json.gz"]
    assert unpacked(content.files, "report.json")["findings"][0]["verdict"] == "Pass"
    assert "report.html was left out" in content.note


def test_then_findings_go_and_the_worst_stay():
    passes = [finding(Verdict.PASS, noise(200)) for _ in range(64)]
    bad = finding(Verdict.FAIL, "one was lost", offsets=tuple(range(32)), witness=(1, 2))
    whole = report(*passes, bad)
    content = packed(files_of(whole), whole, limit=4000)
    kept = unpacked(content.files, "report.json")
    assert sum(map(len, content.files.values())) <= 4000
    assert kept["verdict"] == "Fail"
    assert kept["findings"][0] == {"kind": "safety", "rule": "lost-write", "verdict": "Fail", "message": "one was lost"}
    left_out = len(whole.findings) - (len(kept["findings"]) - 1)
    assert kept["findings"][-1]["message"].startswith(f"{left_out} findings were left out")
    assert f"of {len(whole.findings)} findings were kept, the worst" in content.note


def test_a_report_of_any_size_fits():
    whole = report(*(finding(Verdict.PASS, noise(3000)) for _ in range(600)))
    content = packed(files_of(whole) | {"report.html": noise(2_000_000).encode()}, whole)
    assert sum(map(len, content.files.values())) <= BYTES_MAX


async def test_what_is_somebody_elses_is_never_replaced(lab):
    lab.kube.put(CONFIG_MAPS, {"metadata": {"name": "skerry-story-report"}, "data": {"theirs": "x"}})
    with pytest.raises(KubeError, match="a ConfigMap skerry-story-report that is not Skerry's"):
        await store(lab.kube, lab.resource(), packed({"report.json": b"{}"}, report()))
    assert lab.kube.find(CONFIG_MAPS, "skerry-story-report")["data"] == {"theirs": "x"}


async def test_it_replaces_what_stood_there(lab):
    resource = lab.resource()
    content = packed({"report.json": b"{}"}, report())
    earlier = {"name": "skerry-story-report", "labels": labels("story", Artefact.REPORT)}
    lab.kube.put(CONFIG_MAPS, {"metadata": earlier, "binaryData": {"old": "x"}})
    for _ in range(2):
        assert await store(lab.kube, resource, content) == "skerry-story-report"
        stored = lab.kube.find(CONFIG_MAPS, "skerry-story-report")
        assert list(stored["binaryData"]) == ["report.json.gz"]
        assert stored["metadata"]["labels"]["skerry.dev/artefact"] == "report"


def test_a_note_is_stored_too():
    whole = report(finding(Verdict.PASS))
    content = packed(files_of(whole) | {"report.html": noise(1000).encode()}, whole, limit=900)
    resource = {"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "story", "uid": "u"}}
    manifest = config_map(resource, content)
    assert manifest["data"]["note"] == content.note
    assert gzip.decompress(base64.b64decode(manifest["binaryData"]["junit.xml.gz"])).startswith(b"<?xml")


# --- verdicts -----------------------------------------------------------------------------------------------

DOCUMENT = load_document("""
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: story}
spec:
  hypothesis: It is a story.
  faults: [{name: all, kill: {target: {ordinal: 0}, how: PodDelete}}]
""")
PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def end(said: Verdict, reported: Verdict | None, reason: str = "Why") -> RunEnd:
    found = report(finding(reported, reason="Reported")) if reported is not None else None
    return RunEnd(Finish(9, said, reason, "So it was said.", (finding(said),)), found, {})


@pytest.mark.parametrize(
    ("left", "interrupted", "code", "verdict", "reason"),
    [
        (end(PASS, PASS), False, "", PASS, "Passed"),
        (end(PASS, FAIL), False, "", FAIL, "Reported"),
        (end(INCONCLUSIVE, PASS), False, "", INCONCLUSIVE, "Why"),
        (end(FAIL, PASS), False, "", FAIL, "Why"),
        (end(FAIL, None), False, "", FAIL, "ExpectationNotMet"),
        (end(INCONCLUSIVE, None), False, "", INCONCLUSIVE, "Why"),
        (end(PASS, None), False, "", INCONCLUSIVE, "ReportLost"),
        (end(PASS, PASS), True, "", INCONCLUSIVE, "Interrupted"),
        (end(FAIL, FAIL), True, "", FAIL, "Reported"),
        (broken_off("WorkloadNotStarted", "No image."), False, "", INCONCLUSIVE, "WorkloadNotStarted"),
        (end(INCONCLUSIVE, None, "Aborted"), False, "LeaseLost", INCONCLUSIVE, "LeaseLost"),
        (end(INCONCLUSIVE, None, "Aborted"), False, "Aborted", INCONCLUSIVE, "Aborted"),
        (end(FAIL, FAIL), False, "LeaseLost", FAIL, "Reported"),
    ],
)
def test_the_worst_that_anybody_says(left, interrupted, code, verdict, reason):
    outcome = ended(report_of(DOCUMENT, 7, left), left, interrupted=interrupted, abort_code=code)
    assert (outcome.verdict, outcome.reason) == (verdict, reason)
    assert outcome.finished == (left.report is not None)


def test_a_report_is_made_of_what_the_conductor_knew():
    found = report_of(DOCUMENT, 7, broken_off("WorkloadNotStarted", "The image cannot be had."))
    assert (found.world, found.seed, found.hypothesis) == ("kubernetes", 7, "It is a story.")
    assert found.message == "Inconclusive (WorkloadNotStarted): The image cannot be had."
