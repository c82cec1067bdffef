"""The history file: its footer is the last line, and a full disk ends the recording, not the cleaning up."""

from __future__ import annotations

from pathlib import Path

from skerry.history.codec import read_history
from skerry.history.records import HISTORY_VERSION, Footer, Header, Note
from skerry.runner.recorder import Recorder

HEADER = Header(HISTORY_VERSION, "test", "", "local", 1, 0, "test", 3)


def test_nothing_follows_the_footer(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "history.jsonl", HEADER)
    recorder.append(Note(1, "in time"))
    recorder.close(Footer(2))
    recorder.append(Note(3, "too late"))
    recorder.close(Footer(4))
    with recorder.path.open("rb") as lines:
        history = read_history(lines)
    assert [note.text for note in history.notes] == ["in time"]
    assert history.complete


def test_a_full_disk_is_a_sentence_and_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.symlink_to("/dev/full")
    recorder = Recorder(path, HEADER)
    recorder.flush()
    for _ in range(3):
        recorder.append(Note(1, "x" * 100_000))
        recorder.flush()
    recorder.close(Footer(2))
    assert recorder.failure == f"the history cannot be written to {path}: No space left on device"
