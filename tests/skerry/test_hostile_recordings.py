"""A recording may have been written by anybody: one sentence with the line, or a judgement; never a hang or a flood."""

from __future__ import annotations

import json

import pytest

from skerry.checker import check, verdict_of
from skerry.history import HistoryError, read_history
from skerry.schema.verdict import Verdict

HEADER = {
    "type": "header",
    "version": 1,
    "experiment": "x",
    "document": "",
    "world": "local",
    "seed": 1,
    "started_wall_ns": 0,
    "skerry_version": "0",
    "brokers": 3,
}
WRITE = {
    "type": "produce",
    "process": 0,
    "topic": "t",
    "partition": 0,
    "invoked_ns": 10,
    "completed_ns": 20,
    "outcome": "ok",
    "acks": "All",
    "first_value": 1,
    "count": 1,
    "base_offset": 0,
}
TAIL = {
    "type": "fetch",
    "process": 9,
    "topic": "t",
    "partition": 0,
    "invoked_ns": 30,
    "completed_ns": 40,
    "outcome": "ok",
    "offset": 0,
    "base_offset": 1,
    "high_watermark": 1,
    "final": True,
}
DUMP = {
    "type": "replica",
    "topic": "t",
    "partition": 0,
    "broker": 0,
    "log_start_offset": 0,
    "log_end_offset": 1,
    "high_watermark": 1,
    "batches": [[0, 1, 1, 1, 1]],
}
METRIC = {"type": "metric", "broker": 0, "at_ns": 1, "name": "m", "labels": {}, "value": 1.0}
FOOTER = {"type": "footer", "ended_ns": 100}


def read(*records):
    return read_history([b"".join(json.dumps(record).encode() + b"\n" for record in records)])


@pytest.mark.parametrize(
    ("record", "field", "value"),
    [
        (WRITE, "count", 10**9),
        (WRITE, "count", -1),
        (WRITE, "first_value", 1 << 63),
        (WRITE, "base_offset", 1 << 63),
        (WRITE, "completed_ns", 10**30),
        (WRITE, "invoked_ns", -(10**15)),
        (WRITE, "partition", 10**9),
        (WRITE, "directed_to", 10**6),
        (TAIL, "high_watermark", 1 << 70),
        (TAIL, "values", [1 << 63]),
        (DUMP, "broker", 10**6),
        (DUMP, "batches", [[0, 1, 1, 10**9, 1]]),
        (METRIC, "value", 1e300),
        (FOOTER, "ended_ns", 1 << 80),
    ],
)
def test_an_impossible_number_is_one_sentence_with_its_line(record, field, value):
    with pytest.raises(HistoryError) as caught:
        read(HEADER, record | {field: value}, FOOTER)
    assert str(caught.value).startswith("history, line 2: not a record of a run (Expected `")


@pytest.mark.parametrize(("field", "value"), [("brokers", 10**6), ("clock_error_ns", 10**18), ("started_wall_ns", -1)])
def test_an_impossible_header(field, value):
    with pytest.raises(HistoryError, match="history, line 1: not a record of a run"):
        read(HEADER | {field: value}, FOOTER)


@pytest.mark.parametrize("acks", ["all", "2", "", "x" * 10_000])
def test_a_write_that_asked_for_nothing_that_exists(acks):
    with pytest.raises(HistoryError, match=r"line 2: a write asked for acks `.{0,20}`; there are All, Leader, None"):
        read(HEADER, WRITE | {"acks": acks}, FOOTER)


def test_empty_lines_are_no_records_and_lines_are_counted_with_them():
    lines = [json.dumps(record).encode() for record in (HEADER, WRITE, TAIL, FOOTER)]
    assert len(read_history([b"\n\n".join(lines) + b"\n\n"]).records) == 4
    with pytest.raises(HistoryError, match="line 5: not a record"):
        read_history([b"\n\n".join([*lines[:2], b"?", *lines[2:]])])


def test_a_last_line_that_breaks_off_whoever_wrote_it():
    spaced = json.dumps(WRITE).encode()
    for end in range(1, len(spaced)):
        assert read_history([json.dumps(HEADER).encode() + b"\n" + spaced[:end]]).cut_off


def test_deep_brackets_are_no_record():
    deep = b'{"type":"note","at_ns":1,"text":"x","more":' + b"[" * 100_000 + b"\n"
    with pytest.raises(HistoryError, match="line 2"):
        read_history([json.dumps(HEADER).encode() + b"\n" + deep + b"{}\n"])


def test_many_records_in_few_lines(monkeypatch):
    monkeypatch.setattr("skerry.history.codec.RECORDS_MAX", 250_000)
    many = [WRITE | {"count": 100_000, "first_value": n << 20} for n in range(3)]
    with pytest.raises(HistoryError, match="more than 250,000 records"):
        read(HEADER, *many, FOOTER)
    assert len(read(HEADER, *many[:2], FOOTER).produces) == 2


def test_many_partitions(monkeypatch):
    monkeypatch.setattr("skerry.history.run.PARTITIONS_MAX", 3)
    writes = [WRITE | {"topic": f"t{n}"} for n in range(4)]
    assert len(read(HEADER, *writes[:3], FOOTER).partitions) == 3
    with pytest.raises(HistoryError, match="it is of more than 3 partitions, and a run writes to one topic"):
        read(HEADER, *writes, FOOTER)


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (WRITE | {"invoked_ns": 4 * 10**9, "completed_ns": 5 * 10**9}, "a write is recorded at 5.00 s"),
        (TAIL | {"completed_ns": 5 * 10**9}, "a read is recorded at 5.00 s"),
        (
            {"type": "status", "broker": 0, "before_ns": 5 * 10**9, "after_ns": 6 * 10**9, "reachable": False},
            "a sample of a broker is recorded at 5.00 s",
        ),
        (
            {
                "type": "fault",
                "fault": "cut",
                "occurrence": 0,
                "step": "healed",
                "before_ns": 5 * 10**9,
                "after_ns": 6 * 10**9,
            },
            "a fault is recorded at 5.00 s",
        ),
    ],
)
def test_nothing_happens_behind_the_end(record, what):
    assert read(HEADER, record, FOOTER | {"ended_ns": 5 * 10**9}).clock_trouble == ""
    trouble = read(HEADER, record, FOOTER | {"ended_ns": 3 * 10**9}).clock_trouble
    assert trouble.startswith(f"the run ended at 3.00 s, and {what}: ")


def test_a_line_without_an_end(monkeypatch):
    monkeypatch.setattr("skerry.history.codec.LINE_BYTES_MAX", 1 << 21)
    with pytest.raises(HistoryError, match="line 2: a line of more than 2 MiB"):
        read_history(
            [json.dumps(HEADER).encode() + b"\n" + b'{"type":"note' + b" " * (1 << 20)] + [b" " * (1 << 20)] * 3
        )


@pytest.mark.parametrize("offset", [1 << 62, (1 << 63) - 1, 10**15, -(1 << 63)])
@pytest.mark.timeout(20)
def test_an_absurd_offset_is_judged_in_no_time(offset):
    """The broker may really have said so: that is a lost write, and no loop over all offsets in between."""
    findings = check(read(HEADER, WRITE, WRITE | {"first_value": 5, "base_offset": offset}, TAIL, DUMP, FOOTER))
    assert verdict_of(findings) is Verdict.FAIL
    assert any(finding.reason == "LostWrite" for finding in findings)
    assert not any(finding.reason == "CheckerCrashed" for finding in findings)


@pytest.mark.parametrize(
    "change",
    [
        {"high_watermark": (1 << 63) - 1, "base_offset": (1 << 63) - 1},
        {"high_watermark": 0, "base_offset": (1 << 63) - 1, "values": [1, 2, 3]},
        {"high_watermark": -5, "base_offset": -(1 << 63), "values": [1]},
        {"offset": -(1 << 63), "values": [1], "base_offset": 5},
    ],
)
@pytest.mark.timeout(20)
def test_absurd_reads_are_judged_in_no_time(change):
    findings = check(read(HEADER, WRITE, TAIL, TAIL | change, DUMP, FOOTER))
    assert verdict_of(findings) is not Verdict.PASS
    assert [finding for finding in findings if finding.reason == "CheckerCrashed"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"log_end_offset": (1 << 63) - 1, "high_watermark": (1 << 63) - 1},
        {"log_end_offset": 0, "high_watermark": (1 << 63) - 1},
        {"batches": [[(1 << 63) - 1, 1, 1, 1, 1]]},
        {"batches": [[5, 1, 1, 100_000, 1], [-9, 1, 1, 1, 1]]},
        {"log_start_offset": (1 << 63) - 1},
    ],
)
@pytest.mark.timeout(20)
def test_absurd_dumps_are_judged_in_no_time(change):
    findings = check(read(HEADER, WRITE, TAIL, DUMP | change, DUMP | {"broker": 1}, FOOTER))
    assert verdict_of(findings) is not Verdict.PASS
    assert [finding for finding in findings if finding.reason == "CheckerCrashed"] == []
