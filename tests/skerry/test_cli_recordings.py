"""`skerry check` and `skerry report` of files that are no recording, or only half of one."""

from __future__ import annotations

import gzip
import json
from functools import partial
from xml.etree import ElementTree

import pytest

from skerry.cli import run_command_line
from skerry.history import encode_history
from skerry.history.packed import unpacked
from skerry.history.records import FindingSeen, Footer, Header, Outcome, Produce
from skerry.schema.verdict import Finding, FindingKind, Verdict

HEADER = Header(1, "crash", "kind: ChaosExperiment\n", "sim", 7, 1_700_000_000_000_000_000, "0.1.0", 3)
WRITE = Produce(1, "orders", 0, 1, 2, Outcome.OK, "All", 1 << 40, 1, base_offset=0, leader=1, leader_epoch=1)


def content(*records) -> bytes:
    return b"".join(encode_history(records))


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "history.jsonl"

    def write(data: bytes):
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("command", ["check", "report"])
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"# not a history\n", "FILE: history, line 1: not a record of a run"),
        (b"\x00\x01\x02", "FILE: history, line 1: not a record of a run"),
        (b"\xff" * 5000 + b"\n", "FILE: history, line 1: not a record of a run"),
        (b"[" * 100_000 + b"\n", "FILE: history, line 1: not a record of a run"),
        (b'{"type":"rumour"}\n', "FILE: history, line 1: not a record of a run"),
        (content(HEADER) + b'{"type":"footer"}\n', "FILE: history, line 2: not a record of a run"),
        (content(HEADER, HEADER), "FILE: history, line 2: a second header; one file holds one run"),
        (content(HEADER, Footer(1), WRITE), "FILE: history, line 3: a record after the footer, which ends a run"),
        (
            content(HEADER).replace(b'"version":1', b'"version":2'),
            "FILE: history, line 1: written in format 2, this version of skerry reads format 1",
        ),
    ],
)
def test_what_is_no_recording_is_one_sentence(data, sentence, command, recording, tmp_path, capsys):
    path = recording(data)
    assert run_command_line([command, str(path), *(["--out", str(tmp_path / "o")] if command == "report" else [])]) == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(sentence.replace("FILE", str(path)))
    assert output.err.count("\n") == 1
    assert path.read_bytes() == data


def test_recordings_that_are_not_there(tmp_path, recording, capsys):
    assert run_command_line(["check", str(tmp_path / "no")]) == 3
    assert capsys.readouterr().err == f"{tmp_path}/no: cannot be read as a history: No such file or directory\n"
    assert run_command_line(["check", str(tmp_path)]) == 3
    assert capsys.readouterr().err == f"{tmp_path}: is a directory; name a history.jsonl\n"
    path = recording(b"")
    assert run_command_line(["check", str(tmp_path)]) == 3
    assert capsys.readouterr().err == f"{tmp_path}: is a directory; name {path}\n"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the history is empty"),
        (content(HEADER), "document"),
        (content(WRITE), "recording"),
        (content(HEADER, WRITE)[:-10], "recording"),
        (content(Footer(1)), "recording"),
    ],
    ids=["empty", "header only", "no header", "cut off", "footer only"],
)
def test_half_a_recording_is_inconclusive(data, told, recording, tmp_path, capsys):
    """Whatever is there can be judged and rendered, and is never a Pass."""
    path = recording(data)
    assert run_command_line(["check", str(path)]) == 2
    assert told in capsys.readouterr().out
    assert run_command_line(["report", str(path), "--out", str(tmp_path / "report")]) == 2
    assert json.loads((tmp_path / "report" / "report.json").read_bytes())["verdict"] == "Inconclusive"
    assert b"<html" in (tmp_path / "report" / "report.html").read_bytes()
    errors = ElementTree.parse(tmp_path / "report" / "junit.xml").getroot().get("errors")
    assert int(errors or 0) > 0


def test_a_finding_of_the_run_stands_whenever_the_recording_is_judged(recording, capsys):
    """Nobody who reads the file later can see what the simulator saw."""
    seen = Finding(FindingKind.SAFETY, "invariants", Verdict.FAIL, "two leaders in epoch 3", "InvariantBroken")
    path = recording(content(HEADER, FindingSeen(5, seen), Footer(9)))
    assert run_command_line(["check", str(path)]) == 1
    assert "two leaders in epoch 3" in capsys.readouterr().out


# --- packed -----------------------------------------------------------------------------------------------

WHOLE = content(HEADER, WRITE, Footer(10))
packed_of = partial(gzip.compress, mtime=0)


@pytest.mark.parametrize(
    "packed", [packed_of(WHOLE), packed_of(WHOLE[:99]) + packed_of(WHOLE[99:])], ids=["one", "two"]
)
def test_a_recording_may_be_packed(packed, recording, capsys):
    assert run_command_line(["check", str(recording(WHOLE))]) == 2
    plain = capsys.readouterr().out
    assert run_command_line(["check", str(recording(packed))]) == 2
    assert capsys.readouterr().out == plain


@pytest.mark.parametrize(
    ("packed", "sentence"),
    [
        (packed_of(WHOLE)[:-9], "it is packed with gzip, and breaks off before its end"),
        (packed_of(WHOLE) + b"xx", "it begins as gzip does, and cannot be unpacked ("),
        (b"\x1f\x8b" + b"x" * 99, "it begins as gzip does, and cannot be unpacked ("),
        (packed_of(b"\n" * 3_000_000), "it stands for more than 2 MiB: `gunzip` it first"),
    ],
    ids=["cut off", "more behind it", "not gzip", "too much"],
)
def test_what_cannot_be_unpacked_is_one_sentence(packed, sentence, recording, capsys, monkeypatch):
    monkeypatch.setattr("skerry.history.packed.BYTES_MAX", 1 << 21)
    path = recording(packed)
    assert run_command_line(["check", str(path)]) == 3
    assert capsys.readouterr().err.startswith(f"{path}: history: {sentence}")


def test_pieces_of_any_size_are_unpacked():
    packed = packed_of(WHOLE)
    for size in (1, 7, 1000):
        assert b"".join(unpacked(packed[at : at + size] for at in range(0, len(packed), size))) == WHOLE
    for short in (b"", b"\x1f", b"{}"):
        assert b"".join(unpacked([short])) == short
