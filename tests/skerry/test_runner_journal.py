"""The journal as a file: written before the deed, bounded, and silent about what needs no undoing."""

from __future__ import annotations

from pathlib import Path

from skerry.engine.journal import decode, unhealed
from skerry.engine.world import CheckLinks, Heal, Inject, OccurrenceId
from skerry.faults.pause import Pause
from skerry.runner.journal import JournalFile


def pair(number: int) -> tuple[Inject, Heal]:
    occurrence, fault = OccurrenceId("flap", number), Pause((0,))
    return Inject(2 * number, occurrence, fault, 1, 2), Heal(2 * number + 1, occurrence, fault)


def written(path: Path) -> list[object]:
    return list(decode(path.read_bytes().splitlines()))


def test_a_decision_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    journal = JournalFile(tmp_path / "journal.jsonl")
    inject, heal = pair(0)
    journal.append(CheckLinks(1))
    journal.append(inject)
    assert written(tmp_path / "journal.jsonl") == [inject]
    journal.append(heal)
    journal.close()
    assert written(tmp_path / "journal.jsonl") == [inject, heal]


def test_it_forgets_what_was_healed_and_never_what_was_not(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = JournalFile(path, limit=20)
    standing, _ = pair(0)
    journal.append(standing)
    for number in range(1, 200):
        for action in pair(number):
            journal.append(action)
            assert len(written(path)) <= 20
            assert standing in written(path)
    journal.close()
    assert unhealed(decode(path.read_bytes().splitlines())) == [standing]
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").symlink_to("/dev/full")
    journal = JournalFile(tmp_path / "journal.jsonl")
    journal.append(pair(0)[0])
    assert journal.failure == "journal.jsonl cannot be written: No space left on device"
    journal.close()
