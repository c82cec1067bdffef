"""The page for people: what the first screen says, that nothing is left unescaped, that nothing is loaded."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from msgspec.structs import replace

from skerry.checker import check, document_of
from skerry.history import History
from skerry.history.records import (
    BrokerSample,
    ElectionSeen,
    FaultEvent,
    FaultStep,
    Footer,
    Header,
    Note,
    Outcome,
    Produce,
    StatusSample,
)
from skerry.report.html import html_page
from skerry.report.model import make_report
from skerry.schema.verdict import Finding, FindingKind, Verdict

MS = 1_000_000
EVIL = "<script>alert(1)</script>"
DOCUMENT = f"""
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {{name: evil}}
spec:
  hypothesis: Nothing is lost, not even {EVIL}.
  topic: {{name: t, partitions: 2}}
  faults:
  - {{name: gone, wipe: {{target: {{ordinal: 1}}}}}}
"""
HEADER = Header(1, "evil", DOCUMENT, "local", 7, 1_700_000_000_000_000_000, "0.1.0", 3)
WRITE = Produce(1, "t", 0, 0, 5 * MS, Outcome.OK, "All", 1 << 40, 1, base_offset=0, error=EVIL)
UNSEEN = FaultEvent("gone", 0, FaultStep.UNVERIFIED, 9 * MS, 9 * MS, 0, EVIL, ((1,),), (), EVIL)


class Text(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(" ".join(data.split()))


def page_of(*records, findings=None, replay="skerry run evil.yaml --seed 7"):
    history = History([HEADER, *records, Footer(100 * MS)])
    experiment, _ = document_of(history)
    findings = check(history, experiment) if findings is None else findings
    return html_page(make_report(experiment, history, findings, replay), history, experiment).decode()


def test_verdict_story_replay_and_picture_stand_in_this_order():
    page = page_of(WRITE)
    places = [page.index(part) for part in ('class="verdict', 'class="again"', "What happened", "<svg", "asked for")]
    assert places == sorted(places)


def test_the_picture_of_a_system_of_one_group_shows_who_leads():
    document = DOCUMENT.replace("topic: {name: t, partitions: 2}", "target: etcd")
    header = replace(HEADER, document=document, model="register", target="etcd")
    group = (BrokerSample("etcd", 0, 0, 4, (0, 1, 2), (), 7, 7, "Leader"),)
    statuses = [StatusSample(0, at * MS, at * MS, True, partitions=group) for at in (10, 90)]
    history = History([header, *statuses, Footer(100 * MS)])
    experiment, _ = document_of(history)
    page = html_page(make_report(experiment, history, [], ""), history, experiment).decode()
    assert "leads partition 0" in page
    assert "partition 1" not in page


def test_an_inconclusive_run_says_why_at_the_top():
    why = [
        Finding(FindingKind.RUN, "verified", Verdict.INCONCLUSIVE, f"reason {n}", reason=f"Why{n}") for n in range(14)
    ]
    top = Text(page_of(WRITE, findings=why).split("What happened")[0]).text
    assert "Inconclusive (Why0):" in top
    assert any("reason 0. And 13 other reasons." in text for text in top)
    assert "? verified (Why1)" in top
    assert "and 2 more, below" in top


def test_a_recording_that_was_judged_again_says_how_to_run_it():
    page = page_of(WRITE, replay="skerry check x")
    assert "skerry run evil.yaml --world local --seed 7  # evil.yaml: the document" in page
    assert ": the document" not in page_of(WRITE)


def test_a_fault_that_repeats_says_how_often_it_was_proven():
    def step(number, which):
        return FaultEvent("gone", number, which, number, number, 0, "wipe", ((1,),))

    unproven = [step(n, FaultStep.EFFECTIVE) for n in range(3)]
    top = Text(page_of(WRITE, *unproven, step(1, FaultStep.VERIFIED))).text
    assert "wipe “gone” verified 1 of 3 times" in top
    assert "wipe “gone” not verified" in Text(page_of(WRITE, unproven[0])).text


def test_everything_that_was_recorded_is_escaped():
    findings = [
        Finding(kind, EVIL, Verdict.FAIL, EVIL, reason=EVIL, name=EVIL, limit=EVIL, measured=EVIL, owed=EVIL,
                topic="t", partition=0, offsets=(0,), witness=(1,))
        for kind in FindingKind
    ]  # fmt: skip
    broker = StatusSample(
        0, 0, 1, True, incarnation=EVIL, partitions=(BrokerSample("t", 0, 0, 0, (0,), (), 0, 0, EVIL),)
    )
    election = ElectionSeen("t", 0, 1, 1, 1_700_000_000_000_000_000, 2, EVIL)
    page = page_of(WRITE, UNSEEN, broker, election, Note(3, EVIL), findings=findings, replay=EVIL)
    parsed = Text(page)
    assert "script" not in parsed.tags
    assert sum(EVIL in text for text in parsed.text) > 10


def test_the_page_needs_nothing_but_itself():
    parsed = Text(page_of(WRITE))
    assert not {"script", "iframe", "img", "object"} & set(parsed.tags)
    links = [value for name, value in parsed.attributes if name in ("src", "href")]
    assert [value for value in links if not value.startswith("#")] == ["data:,"]
    assert not re.search(r"https?://|@import|url\((?!#)", page_of(WRITE))


def test_a_long_run_stays_below_one_megabyte():
    statuses = [
        StatusSample(n % 5, n * 20 * MS, n * 20 * MS, n % 7 != 0,
                     partitions=tuple(BrokerSample("t", p, n % 5, n, (n % 5,), (), 0, 0, "Leader") for p in range(2)))
        for n in range(6000)
    ]  # fmt: skip
    faults = [
        FaultEvent("gone", n, step, n * 100 * MS, n * 100 * MS + at, 0, "wipe", ((1,),), (), "x" * 200)
        for n in range(600)
        for at, step in enumerate((FaultStep.EFFECTIVE, FaultStep.VERIFIED, FaultStep.HEALING, FaultStep.HEALED))
    ]
    notes = [Note(n, "note " * 40) for n in range(5000)]
    findings = [Finding(FindingKind.SAFETY, "lost-write", Verdict.FAIL, "gone " * 20) for _ in range(2000)]
    assert len(page_of(*statuses, *faults, *notes, findings=findings)) < 1_000_000


def test_a_history_without_anything_has_a_page():
    history = History([])
    page = html_page(make_report(None, history, check(history), "skerry check x"), history, None).decode()
    assert "No fault and no election was recorded." in page
    assert "Inconclusive recording:" in page


def test_whoever_cannot_point_at_the_picture_reads_it():
    leads = StatusSample(1, 0, 10 * MS, True, partitions=(BrokerSample("t", 0, 1, 3, (1,), (), 0, 0, "Leader"),))
    page = page_of(WRITE, leads, replace(leads, before_ns=50 * MS, after_ns=60 * MS))
    told = page.split("The same in words")[1].split("</details>")[0]
    assert "<b>broker 1</b>: leads partition 0 in epoch 3, 0.01-0.06 s" in told
    assert "@media print" in page
    assert "@media (max-width: 600px)" in page


def test_what_the_heading_counts_is_what_the_table_shows():
    """The conductor's own findings are no properties: they have a table of their own."""
    why = Finding(FindingKind.RUN, "verified", Verdict.INCONCLUSIVE, "not seen", reason="NotVerified")
    held = [Finding(FindingKind.SAFETY, f"rule-{n}", Verdict.PASS, "good") for n in range(3)]
    lost = [Finding(FindingKind.SAFETY, "lost-write", Verdict.FAIL, f"gone {n}", reason="LostWrite") for n in range(2)]
    page = page_of(WRITE, findings=[why, *held, *lost])
    heading, table = page.split("<h2>What is checked always")[1].split("</h2>")[:2]
    assert heading == ": 3 of 4 properties hold, 1 is broken"
    marks = re.findall(r'class="mark \w+">(.)<', table.split("</table>")[0])
    assert marks == ["✗", "✗", "✓", "✓", "✓"]
