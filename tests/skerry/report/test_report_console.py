"""What was recorded, or written into a document, cannot steer a terminal, nor a page."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from skerry.experiment import load_document
from skerry.history import History
from skerry.history.records import Footer, Header, Note
from skerry.report.console import SafeConsole, visible
from skerry.report.encoding import use_any_encoding
from skerry.report.html import html_page
from skerry.report.junit import junit_xml
from skerry.report.live import LiveView
from skerry.report.model import make_report
from skerry.report.terminal import print_report
from skerry.schema.verdict import Finding, FindingKind, Verdict

NASTY = "".join(map(chr, [*range(32), *range(0x7F, 0xA0), 0x200E, 0x202E, 0x2028, 0x2066, 0xFEFF]))
OBEYED = set(NASTY) - {"\t", "\n"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b]0;title\x07", "␛[31mred␛]0;title␇"),
        ("over\rwritten", "over␍written"),
        ("one\ntwo\tthree", "one\ntwo\tthree"),
        ("\x7f \x9b1m \u202egnp.exe", "␡ \ufffd1m \ufffdgnp.exe"),
        ("naïve – 日本 🌊", "naïve – 日本 🌊"),
    ],
)
def test_what_a_terminal_obeys_is_shown(text, shown):
    assert visible(text) == shown


def test_a_line_stays_one_line():
    assert visible("a\nPass: all is well", lines=False) == "a␊Pass: all is well"


@pytest.mark.parametrize("wrapped", [lambda text: text, Text, lambda text: Panel(Text(text), title=Text(text))])
def test_whatever_is_printed_is_cleaned(wrapped):
    console = SafeConsole(file=io.StringIO(), force_terminal=False, width=200)
    console.print(wrapped(NASTY), markup=False, highlight=False)
    table = Table()
    table.add_column(Text(NASTY))
    table.add_row(Text(NASTY))
    console.print(table)
    assert not OBEYED & set(console.file.getvalue())


def test_styles_are_the_consoles_own():
    console = SafeConsole(file=io.StringIO(), force_terminal=True, width=80)
    console.print(Text("\x1b[5m", "red"))
    written = console.file.getvalue()
    assert "␛[5m" in written
    assert "\x1b[5m" not in written
    assert "\x1b[31m" in written


def test_a_whole_report_of_a_hostile_recording():
    document = """
apiVersion: skerry.dev/v1alpha1
kind: ChaosExperiment
metadata: {name: evil}
spec:
  hypothesis: "\\e]0;title\\a \\r nothing"
  topic: {name: t, partitions: 1}
  faults:
  - {name: gone, wipe: {target: {ordinal: 1}}}
"""
    experiment = load_document(document)
    assert "\x1b" in experiment.spec.hypothesis
    history = History([Header(1, NASTY, document, "sim", 7, 0, NASTY, 3), Note(1, NASTY), Footer(5)])
    findings = [
        Finding(kind, NASTY, verdict, NASTY, NASTY, NASTY, NASTY, NASTY, NASTY, NASTY)
        for kind in FindingKind
        for verdict in Verdict
    ]
    report = make_report(experiment, history, findings, NASTY)
    console = SafeConsole(file=io.StringIO(), force_terminal=False, width=200)
    print_report(console, report, [])
    with LiveView(experiment, "sim", 7, console) as live:
        live.say(NASTY)
    for text in (
        console.file.getvalue(),
        html_page(report, history, experiment).decode(),
        junit_xml([report]).decode(),
    ):
        shown = {letter for letter in OBEYED & set(text) if letter in NASTY[:32]}
        assert shown == set()
    assert not OBEYED & set(console.file.getvalue())


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [
        ("ascii", "✓ Pass → “cut” ␛", b"+ Pass -> \"cut\" ^["),
        ("latin-1", "naïve ✗ 日", "naïve x ?".encode("latin-1")),
        ("utf-8", "✓ \udcff", "✓ ?".encode()),
    ],
)  # fmt: skip
def test_what_an_encoding_lacks_is_written_in_its_own_characters(encoding, text, written):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
    use_any_encoding(stream)
    Console(file=stream).print(text, markup=False, highlight=False, end="")
    stream.flush()
    assert raw.getvalue() == written
