"""Golden transcripts. After a wanted change: ``SKERRY_REWRITE=1 pytest tests/broker/test_raft_transcripts.py``.

Commit a rewritten transcript only if you understand what changed it, and wanted that.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from raft_transcripts import execute, parse, render

TRANSCRIPTS = sorted((Path(__file__).parent / "testdata" / "raft").glob("*.txt"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    happened = render(execute(parse(path)))
    if os.environ.get("SKERRY_REWRITE"):
        path.write_text(happened, encoding="utf-8")
    assert happened == path.read_text(encoding="utf-8")


def test_the_transcripts_are_there() -> None:
    assert len(TRANSCRIPTS) >= 9
